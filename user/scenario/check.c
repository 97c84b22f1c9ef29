/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks that need more than one value: what refers, what fits together, what is too much. */
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/suggest.h"
#include "base/timeutil.h"
#include "scenario/model.h"

#define NOWHERE SIZE_MAX

static const char *name_of(const struct named *list, size_t i)
{
	const struct text *name =
		(const void *)((const char *)list->items + i * list->size + list->name_offset);

	return name->s;
}

size_t find_name(struct reader *r, const struct named *list, const struct text *name)
{
	struct suggest s = {.word = name->s};
	char text[QUOTED_SIZE];

	if (list->node && !list->count)
		return NOWHERE;
	for (size_t i = 0; i < list->count; i++) {
		if (!name_of(list, i))
			continue;
		if (!strcmp(name_of(list, i), name->s))
			return i;
		if (!errors_full(r->errors))
			suggest_try(&s, name_of(list, i));
	}
	quote_value(name->s, text);
	if (s.best)
		mistake(r->errors, name->node, "unknown %s %s, did you mean `%s`?", list->what, text, s.best);
	else
		mistake(r->errors, name->node, "unknown %s %s", list->what, text);
	return NOWHERE;
}

struct named named_targets(const struct model *m)
{
	return (struct named){
		"target",     node_get(m->node, "targets"), m->targets,
		m->n_targets, sizeof(*m->targets),          offsetof(struct model_target, name)};
}

struct named named_steps(const struct model *m)
{
	return (struct named){"step",     node_get(m->node, "steps"), m->steps,
			      m->n_steps, sizeof(*m->steps),          offsetof(struct model_step, name)};
}

struct named named_probes(const struct model *m)
{
	return (struct named){"probe",     node_get(m->node, "probes"), m->probes,
			      m->n_probes, sizeof(*m->probes),          offsetof(struct model_probe, name)};
}

/* ---- targets ---- */

static bool has_ports(const struct model_target *t)
{
	return given(t->node, "remote_port") || given(t->node, "local_port");
}

static const char *const owners[] = {"cgroup", "unit", "pid"};

static bool has_owner(const struct model_target *t)
{
	return given(t->node, owners[0]) || given(t->node, owners[1]) || given(t->node, owners[2]);
}

static void check_owners(struct reader *r, const struct model_target *t)
{
	const char *first = NULL;

	for (size_t i = 0; i < 3; i++) {
		if (!given(t->node, owners[i]))
			continue;
		if (first)
			mistake(r->errors, node_get(t->node, owners[i])->key,
				"`%s` beside `%s`, expected one of them", owners[i], first);
		else
			first = owners[i];
	}
}

static void tell_unnamed(struct reader *r, const struct model_target *t)
{
	char text[QUOTED_SIZE];

	if (t->node->origin)
		mistake(r->errors, t->node,
			"neither an address nor a port nor an owner is named, expected --remote, --host, "
			"--remote-port, --local-port, --cgroup, --unit or --pid");
	else
		mistake(r->errors, t->name.node,
			"target %s names neither an address nor a port nor an owner, expected `remote`, "
			"`host`, "
			"`remote_port`, `local_port`, `cgroup`, `unit` or `pid`, or `anything: true`",
			quote_value(t->name.s, text));
}

/* Nothing named, or a prefix of length 0: only on request. */
static void check_width(struct reader *r, const struct model_target *t)
{
	if (has_ports(t) || has_owner(t))
		return;
	if (!given(t->node, "remote") && given(t->node, "host"))
		return;
	if (!given(t->node, "remote")) {
		tell_unnamed(r, t);
		return;
	}
	for (size_t i = 0; i < t->remotes.count; i++)
		if (!t->remotes.items[i].len) {
			mistake(r->errors, t->remotes.node,
				"a prefix of length 0 is every address, expected a longer one, ports, or "
				"`anything: true`");
			return;
		}
}

static void check_interfaces(struct reader *r, const struct model *m, const struct model_target *t)
{
	char text[QUOTED_SIZE];

	if (!m->interfaces.count)
		return;
	for (size_t i = 0; i < t->interfaces.count; i++) {
		size_t k = 0;

		while (k < m->interfaces.count &&
		       strcmp(m->interfaces.items[k].s, t->interfaces.items[i].s) != 0)
			k++;
		if (k == m->interfaces.count)
			mistake(r->errors, t->interfaces.items[i].node,
				"interface %s is not among those of the scenario, expected such as %s",
				quote_value(t->interfaces.items[i].s, text), m->interfaces.items[0].s);
	}
}

static void check_target(struct reader *r, const struct model *m, struct model_target *t)
{
	if (t->node->kind != NODE_MAP || t->node->bad)
		return;
	check_any_of(r, m, t);
	if (!m->anything.n && !t->anything.n && !given(t->node, "any_of"))
		check_width(r, t);
	if (t->proto.node && t->proto.n == IPPROTO_ICMP && has_ports(t))
		mistake(r->errors, t->proto.node,
			"icmp has no ports, expected tcp, udp or any beside a port");
	check_owners(r, t);
	check_interfaces(r, m, t);
}

/* ---- steps ---- */

/* Whichever of its alternatives is picked. */
static void check_fits(struct reader *r, const struct model *m, const struct model_fault *f,
		       const struct model_target *t)
{
	if (!t->any_of_index)
		check_fit(r, f, t);
	for (size_t i = 0; t->any_of_index && i < t->any_of.count; i++)
		if (t->any_of_index[i] != NOWHERE)
			check_fit(r, f, &m->targets[t->any_of_index[i]]);
}

static void resolve_targets(struct reader *r, const struct model *m, struct model_step *s)
{
	const struct named targets = named_targets(m);

	s->target_index = arena_array(r->arena, s->targets.count, sizeof(*s->target_index));
	for (size_t i = 0; s->target_index && i < s->targets.count; i++) {
		size_t found = find_name(r, &targets, &s->targets.items[i]);

		s->target_index[i] = found;
		if (found != NOWHERE)
			check_fits(r, m, &s->fault, &m->targets[found]);
	}
}

/* In two phases of one name, which is told already. */
static bool is_copy_of(const struct model_step *s, const struct model_step *other)
{
	return s->node->original && s->node->original == other->node->original;
}

static void check_unique(struct reader *r, const struct model *m, size_t i)
{
	const struct text *name = &m->steps[i].name;
	char text[QUOTED_SIZE];

	for (size_t k = 0; name->s && k < i; k++) {
		const struct text *other = &m->steps[k].name;

		if (!other->s || strcmp(other->s, name->s) != 0 || is_copy_of(&m->steps[i], &m->steps[k]))
			continue;
		if (name->node->original) /* told once, not in each phase */
			quote_value(name->node->original->text, text);
		else
			quote_value(name->s, text);
		mistake(r->errors, name->node, "a second step %s, the first is in line %u", text,
			other->node->line);
		return;
	}
}

static void check_totals(struct reader *r, const struct model *m)
{
	uint64_t rules = 0, windows = 0;

	for (size_t i = 0; i < m->n_steps; i++) {
		const struct model_step *s = &m->steps[i];
		bool fitted = rules <= PLAN_MAX_RULES && windows <= PLAN_MAX_SLOTS;

		if (!step_is_on(s))
			continue;
		rules += s->targets.count;
		windows += s->targets.count * s->window.times;
		if (fitted && rules > PLAN_MAX_RULES)
			mistake(r->errors, s->node, "more than %d rules up to here (one a step and target)",
				PLAN_MAX_RULES);
		else if (fitted && windows > PLAN_MAX_SLOTS)
			mistake(r->errors, s->node,
				"more than %d windows up to here (the `times` of every step and target)",
				PLAN_MAX_SLOTS);
	}
}

static void check_duration(struct reader *r, const struct model *m)
{
	const struct value *limit = &m->limits.duration;
	const struct model_step *last = NULL;
	char end_text[32], name[QUOTED_SIZE];
	uint64_t end = 0, phases = 0;

	for (size_t i = 0; i < m->n_phases; i++)
		phases += m->phases[i].length.n;
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct plan_window *w = &m->steps[i].window;
		uint64_t closes = plan_closes(w, w->times - 1);

		if (closes <= end || !step_is_on(&m->steps[i]))
			continue;
		end = closes;
		last = &m->steps[i];
	}
	format_duration_exact(phases > end ? phases : end, end_text, sizeof(end_text));
	if (limit->node && limit->n < phases)
		mistake(r->errors, limit->node,
			"`duration: %s` ends before the last phase, which ends after %s", limit->node->text,
			end_text);
	else if (limit->node && last && limit->n < end)
		mistake(r->errors, limit->node,
			"`duration: %s` ends before the last window, which closes at %s (step %s)",
			limit->node->text, end_text,
			last->name.s ? quote_value(last->name.s, name) : "without a name");
}

/* Without a fault nobody needs to be named. */
static bool needs_targets(const struct model *m)
{
	bool needed = !m->n_steps;

	for (size_t i = 0; i < m->n_steps; i++)
		needed = needed || m->steps[i].kind == STEP_FAULT || m->steps[i].kind == NO_STEP_KIND;
	return needed && m->node->kind == NODE_MAP;
}

static void check_scenario(struct reader *r, const struct model *m)
{
	if (needs_targets(m) && !given(m->node, "targets"))
		mistake(r->errors, m->node, "a scenario needs `targets`");
	if (given(m->node, "netns") && given(m->node, "container"))
		mistake(r->errors, node_get(m->node, "container")->key,
			"`container` beside `netns`, expected the one or the other");
}

void check_model(struct reader *r, struct model *m)
{
	check_scenario(r, m);
	for (size_t i = 0; i < m->n_targets; i++)
		check_target(r, m, &m->targets[i]);
	check_phases(r, m);
	for (size_t i = 0; i < m->n_steps; i++) {
		check_unique(r, m, i);
		check_step_keys(r, m, &m->steps[i]);
		check_expect(r, m, &m->steps[i].expect);
		check_fault(r, &m->steps[i].fault);
		resolve_targets(r, m, &m->steps[i]);
	}
	for (size_t i = 0; i < m->n_probes; i++)
		check_probe(r, m, &m->probes[i]);
	for (size_t i = 0; i < m->n_slos; i++)
		check_slo(r, m, &m->slos[i]);
	for (size_t i = 0; i < m->n_aborts; i++)
		check_abort(r, m, &m->aborts[i]);
	for (size_t i = 0; i < m->n_checks; i++)
		check_check(r, m, &m->checks[i]);
	for (size_t i = 0; i < m->n_steps; i++)
		if (m->steps[i].expect.about == MODEL_BACKOFF)
			check_slo(r, m, &m->steps[i].expect.slo);
	place_steps(r, m);
	check_totals(r, m);
	check_overlaps(r, m);
	check_duration(r, m);
}
