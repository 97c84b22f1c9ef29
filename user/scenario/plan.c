/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/plan.h"

#include <stdlib.h>

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
		free(t->cgroup);
		free(t->unit);
	}
	free(plan->targets);
}

static void free_answer(struct plan_answer *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_headers; i++) {
		free(a->headers[i].name);
		free(a->headers[i].value);
	}
	free(a->headers);
	free(a->body);
	free(a->certificate);
	free(a->key);
	free(a);
}

static void free_steps(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		free(plan->steps[i].name);
		free(plan->steps[i].fault.text);
		free_texts(plan->steps[i].fault.patterns, plan->steps[i].fault.n_patterns);
		free_answer(plan->steps[i].fault.answer);
		free(plan->steps[i].targets);
	}
	free(plan->steps);
}

static void free_probes(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_probes; i++) {
		free(plan->probes[i].name);
		free(plan->probes[i].host);
		free(plan->probes[i].path);
		free(plan->probes[i].healthy);
		free(plan->probes[i].unhealthy);
	}
	free(plan->probes);
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
	free_probes(plan);
	free_texts(plan->interfaces, plan->n_interfaces);
	free(plan->rules);
	free(plan->slos);
	free(plan->name);
	free(plan->description);
	free(plan->source);
	free(plan->netns);
	free(plan->container);
	free(plan);
}

bool plan_has_hosts(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++)
		if (plan->targets[i].n_hosts)
			return true;
	return false;
}
