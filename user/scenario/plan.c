/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/plan.h"

#include <stdlib.h>
#include <string.h>

#include "scenario/url.h"

static void free_texts(char **items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(items[i]);
	free(items);
}

static void free_targets(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++) {
		struct plan_target *t = &plan->targets[i];

		free(t->name);
		free(t->remotes);
		free(t->remote_ports);
		free(t->local_ports);
		free_texts(t->interfaces, t->n_interfaces);
		free_texts(t->hosts, t->n_hosts);
		free(t->any_of);
		free(t->cgroup);
		free(t->unit);
	}
	free(plan->targets);
}

static void free_headers(struct plan_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(headers[i].name);
		free(headers[i].value);
	}
	free(headers);
}

static void free_answer(struct plan_answer *a)
{
	if (!a)
		return;
	free_headers(a->headers, a->n_headers);
	free(a->body);
	free(a->certificate);
	free(a->key);
	free(a);
}

static void free_command(struct plan_command *c)
{
	free_texts(c->argv, c->n);
}

static void free_process(struct plan_process *p)
{
	free(p->pidfile);
	free(p->name);
}

static void free_compare(struct plan_compare *c)
{
	free(c->json);
	free(c->text);
}

static void free_step(struct plan_step *s)
{
	free(s->name);
	free(s->fault.text);
	free_texts(s->fault.patterns, s->fault.n_patterns);
	free_answer(s->fault.answer);
	free(s->targets);
	free_process(&s->signal.process);
	free_command(&s->exec.command);
	free_command(&s->exec.undo);
	free(s->file.path);
	free(s->file.text);
	free(s->file.from);
	free(s->link);
	free(s->expect.counter);
	free_compare(&s->expect.compare);
}

static void free_steps(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		free_step(&plan->steps[i]);
	free(plan->steps);
	free_texts(plan->disabled, plan->n_disabled);
	for (size_t i = 0; i < plan->n_phases; i++) {
		free(plan->phases[i].name);
		free(plan->phases[i].text);
	}
	free(plan->phases);
}

static void free_probe(struct plan_probe *p)
{
	char *const texts[] = {p->name,  p->host,        p->path,      p->healthy,      p->unhealthy,
			       p->url,   p->expect_body, p->ca,        p->where,        p->age_field,
			       p->query, p->number,      p->subscribe, p->expect_output};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		free(texts[i]);
	free_headers(p->headers, p->n_headers);
	free_compare(&p->compare);
	free_command(&p->command);
	free_process(&p->process);
}

static void free_probes(struct plan_probe *probes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free_probe(&probes[i]);
	free(probes);
}

static void free_conditions(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_aborts; i++) {
		free(plan->aborts[i].path);
		free(plan->aborts[i].text);
	}
	free(plan->aborts);
	for (size_t i = 0; i < plan->n_checks; i++) {
		free(plan->checks[i].host);
		free(plan->checks[i].name);
		free(plan->checks[i].path);
		free(plan->checks[i].hint);
	}
	free(plan->checks);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_meta; i++) {
		free(plan->meta[i].key);
		free(plan->meta[i].value);
	}
	free(plan->meta);
	free_targets(plan);
	free_steps(plan);
	free_probes(plan->probes, plan->n_probes);
	free_probes(plan->watches, plan->n_watches);
	free_conditions(plan);
	free_texts(plan->interfaces, plan->n_interfaces);
	free_texts(plan->hidden, plan->n_hidden);
	free(plan->rules);
	free(plan->slos);
	free(plan->name);
	free(plan->description);
	free(plan->source);
	free(plan->netns);
	free(plan->container);
	free(plan);
}

bool plan_target_is_spare(const struct plan *plan, size_t target)
{
	bool is_alternative = false;

	for (size_t i = 0; i < plan->n_targets; i++)
		for (size_t k = 0; k < plan->targets[i].n_any_of; k++)
			is_alternative |= plan->targets[i].any_of[k] == target;
	for (size_t r = 0; r < plan->n_rules; r++)
		if (plan->rules[r].target == target)
			return false;
	for (size_t i = 0; i < plan->n_slos; i++)
		if (plan->slos[i].target == (int)target)
			return false;
	return is_alternative;
}

bool plan_has_hosts(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++)
		if (plan->targets[i].n_hosts)
			return true;
	return false;
}

static bool any_sends_datagrams(const struct plan_probe *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].url ? url_has_name(list[i].url) : list[i].udp && !list[i].listen)
			return true;
	return false;
}

bool plan_sends_datagrams(const struct plan *plan)
{
	return plan_has_hosts(plan) || any_sends_datagrams(plan->probes, plan->n_probes) ||
	       any_sends_datagrams(plan->watches, plan->n_watches);
}

/* Rules are of fault steps, which keep their order. */
static void keep_faults(struct plan *plan)
{
	size_t kept = 0, moved[plan->n_steps + 1];

	memset(moved, 0, sizeof(moved));
	for (size_t i = 0; i < plan->n_steps; i++) {
		moved[i] = kept;
		if (plan->steps[i].kind != STEP_FAULT) {
			free_step(&plan->steps[i]);
			continue;
		}
		plan->steps[kept] = plan->steps[i];
		plan->steps[kept++].shadow = true;
	}
	plan->n_steps = kept;
	for (size_t r = 0; r < plan->n_rules; r++)
		plan->rules[r].step = moved[plan->rules[r].step];
}

void plan_rehearse(struct plan *plan)
{
	keep_faults(plan);
	plan->n_slos = 0;
	free_conditions(plan);
	plan->aborts = NULL;
	plan->checks = NULL;
	plan->n_aborts = plan->n_checks = 0;
	free_probes(plan->watches, plan->n_watches);
	plan->watches = NULL;
	plan->n_watches = 0;
	plan->baseline_ns = plan->recovery_ns = 0;
}

static bool starts(const struct plan_probe *probes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (probes[i].kind == PROBE_EXEC)
			return true;
	return false;
}

bool plan_execs(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == STEP_EXEC)
			return true;
	return starts(plan->probes, plan->n_probes) || starts(plan->watches, plan->n_watches);
}

bool plan_changes(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind >= STEP_CLOCK && plan->steps[i].kind <= STEP_LINK)
			return true;
	return false;
}
