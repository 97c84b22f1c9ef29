/* SPDX-License-Identifier: BSD-2-Clause */
/* What an objective refers to, and what fits together within it. */
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "scenario/model.h"

#define NOWHERE SIZE_MAX

/* Whose samples an objective of each kind is about. */
enum about {
	ABOUT_EITHER,
	ABOUT_FLOWS,
	ABOUT_PROBES,
};

static const struct {
	const char *name;
	enum about about;
} objectives[SLO_KEYS] = {
	[SLO_RECOVERY_P50] = {"recovery_p50", ABOUT_EITHER},
	[SLO_RECOVERY_P95] = {"recovery_p95", ABOUT_EITHER},
	[SLO_RECOVERY_P99] = {"recovery_p99", ABOUT_EITHER},
	[SLO_RECOVERY_MAX] = {"recovery_max", ABOUT_EITHER},
	[SLO_DETECTION_MAX] = {"detection_max", ABOUT_EITHER},
	[SLO_UNRECOVERED] = {"unrecovered", ABOUT_EITHER},
	[SLO_ATTEMPTS_PER_S] = {"attempts_per_s", ABOUT_FLOWS},
	[SLO_BACKOFF] = {"backoff", ABOUT_FLOWS},
	[SLO_AVAILABILITY] = {"availability", ABOUT_PROBES},
	[SLO_PROBE_P95] = {"probe_p95", ABOUT_PROBES},
	[SLO_PROBE_P99] = {"probe_p99", ABOUT_PROBES},
};

/* The one that is given; SLO_KEYS: none, or a wrong one. */
static enum plan_slo_key key_of(const struct node *n)
{
	int key = 0;

	while (key < SLO_KEYS && !given(n, objectives[key].name))
		key++;
	return key;
}

/* ---- what stands beside it ---- */

static const struct node *key_node(const struct model_slo *s, const char *key)
{
	return node_get(s->node, key)->key;
}

static void check_backoff(struct reader *r, const struct model_slo *s, enum plan_slo_key key)
{
	static const char *const more[] = {"factor", "cap"};
	const struct value *kind = &s->limits[SLO_BACKOFF];

	for (size_t i = 0; key != SLO_BACKOFF && i < 2; i++)
		if (given(s->node, more[i]))
			mistake(r->errors, key_node(s, more[i]), "`%s` without `backoff`", more[i]);
	if (key != SLO_BACKOFF || !kind->node)
		return;
	if (given(s->node, "factor") && kind->n != PLAN_BACKOFF_EXPONENTIAL)
		mistake(r->errors, key_node(s, "factor"),
			"`factor` goes with `backoff: exponential`, not with `%s`", kind->node->text);
	if (given(s->node, "cap") && kind->n == PLAN_BACKOFF_NONE)
		mistake(r->errors, key_node(s, "cap"),
			"`cap` beside `backoff: none`, which has no intervals to limit");
}

/* `probe`, `target` and `by` must agree with each other and with the objective. */
static void check_whose(struct reader *r, const struct model *m, const struct model_slo *s,
			enum plan_slo_key key)
{
	enum about about = objectives[key].about;
	bool by_flow = s->by.node && s->by.n == BY_FLOW, by_probe = s->by.node && s->by.n == BY_PROBE;
	const char *name = objectives[key].name;

	if (about == ABOUT_FLOWS && given(s->node, "probe"))
		mistake(r->errors, key_node(s, "probe"), "`%s` is about flows, expected `target`, or neither",
			name);
	else if (about == ABOUT_PROBES && given(s->node, "target"))
		mistake(r->errors, key_node(s, "target"),
			"`%s` is about probes, expected `probe`, or neither", name);
	else if (given(s->node, "probe") && given(s->node, "target"))
		mistake(r->errors, key_node(s, "target"),
			"`target` beside `probe`, expected the one (by flow) or the other (by probe)");
	if (about == ABOUT_FLOWS && by_probe)
		mistake(r->errors, s->by.node, "`%s` is about flows, expected `by: flow`, or no `by`", name);
	else if (about == ABOUT_PROBES && by_flow)
		mistake(r->errors, s->by.node, "`%s` is about probes, expected `by: probe`, or no `by`",
			name);
	else if (by_flow && about == ABOUT_EITHER && given(s->node, "probe"))
		mistake(r->errors, s->by.node, "`by: flow` beside `probe`, expected the one or the other");
	else if (by_probe && about == ABOUT_EITHER && given(s->node, "target"))
		mistake(r->errors, s->by.node, "`by: probe` beside `target`, expected the one or the other");
	else if ((by_probe || about == ABOUT_PROBES) && !given(m->node, "probes"))
		mistake(r->errors, by_probe ? s->by.node : key_node(s, name),
			"`%s` without `probes` in the scenario", by_probe ? "by: probe" : name);
}

#define TIMED_KINDS "one with `tcp`, `http`, `exec` or `prometheus`"

/* Of a probe that is wrong, nobody knows. */
static bool may_have_latency(const struct model_probe *p)
{
	return p->kind == NO_PROBE_KIND || probe_has_latency(p->kind);
}

/* What reads files or counts messages has no latency. */
static void check_latency(struct reader *r, const struct model *m, const struct model_slo *s,
			  enum plan_slo_key key)
{
	size_t timed = 0;

	if (key != SLO_PROBE_P95 && key != SLO_PROBE_P99)
		return;
	if (s->relative && !m->baseline.n && (m->baseline.node || !given(m->node, "baseline")))
		mistake(r->errors, s->limits[key].node, "`%s` without a `baseline` in the scenario",
			s->limits[key].node->text);
	for (size_t i = 0; i < m->n_probes; i++)
		timed += may_have_latency(&m->probes[i]);
	if (s->probe_index >= 0 && !may_have_latency(&m->probes[s->probe_index]))
		mistake(r->errors, s->probe.node, "the probe %s has no latency, expected " TIMED_KINDS,
			s->probe.s);
	else if (!s->probe.s && m->n_probes && !timed)
		mistake(r->errors, key_node(s, objectives[key].name),
			"`%s` without a probe that has a latency, expected " TIMED_KINDS,
			objectives[key].name);
}

/* ---- its target ---- */

static bool has_target(const struct model_step *s, size_t target)
{
	for (size_t i = 0; s->target_index && i < s->targets.count; i++)
		if (s->target_index[i] == target)
			return true;
	return false;
}

/* A step whose target is wrong may have meant this one. */
static bool is_unused(const struct model *m, size_t target)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct model_step *s = &m->steps[i];

		if (s->kind != STEP_FAULT && s->kind != NO_STEP_KIND)
			continue;
		if (!s->targets.count || has_target(s, NOWHERE) || has_target(s, target))
			return false;
	}
	return m->n_steps > 0;
}

static void check_target(struct reader *r, const struct model *m, const struct model_slo *s,
			 enum plan_slo_key key)
{
	const struct model_target *t = &m->targets[s->target_index];
	bool attempts = objectives[key].about == ABOUT_FLOWS;
	char text[QUOTED_SIZE], step[QUOTED_SIZE];
	const struct model_step *other;

	quote_value(s->target.s, text);
	if (t->proto.node && t->proto.n == IPPROTO_ICMP)
		mistake(r->errors, s->target.node, "target %s is `proto: icmp`, which has no flows", text);
	else if (attempts && t->proto.node && t->proto.n == IPPROTO_UDP)
		mistake(r->errors, s->target.node,
			"target %s is `proto: udp`, which has no connections to be attempted", text);
	if (!s->step.s && is_unused(m, s->target_index))
		mistake(r->errors, s->target.node, "no step acts on target %s", text);
	if (s->step_index < 0)
		return;
	other = &m->steps[s->step_index];
	if (other->targets.count && !has_target(other, NOWHERE) && !has_target(other, s->target_index))
		mistake(r->errors, s->target.node, "step %s does not act on target %s",
			quote_value(s->step.s, step), text);
}

static bool is_change(int kind)
{
	return kind == STEP_SIGNAL || kind == STEP_EXEC || kind == STEP_FILE || kind == STEP_LINK;
}

/* Done, and over: there is no time in which a sample could be taken. */
static bool acts_at_once(const struct model_step *s)
{
	return (s->kind == STEP_SIGNAL && !given(s->node, "for")) ||
	       (s->kind == STEP_EXEC && !given(s->node, "undo"));
}

/* As far as it is known without what is wrong. */
static bool is_by_flow(const struct model *m, const struct model_slo *s, enum plan_slo_key key)
{
	if (objectives[key].about != ABOUT_EITHER)
		return objectives[key].about == ABOUT_FLOWS;
	if (s->by.node)
		return s->by.n == BY_FLOW;
	return given(s->node, "target") || (!given(s->node, "probe") && !given(m->node, "probes"));
}

static void check_step(struct reader *r, const struct model *m, const struct model_slo *s,
		       enum plan_slo_key key)
{
	const struct model_step *step = s->step_index < 0 ? NULL : &m->steps[s->step_index];
	char text[QUOTED_SIZE];

	if (!step || step->kind == STEP_FAULT || step->kind == NO_STEP_KIND)
		return;
	quote_value(s->step.s, text);
	if (!is_change(step->kind))
		mistake(r->errors, s->step.node, "step %s has no windows to be judged by", text);
	else if (is_by_flow(m, s, key))
		mistake(r->errors, s->step.node, "step %s is no fault, and hits no flows", text);
	else if (objectives[key].about == ABOUT_PROBES && acts_at_once(step))
		mistake(r->errors, s->step.node, "step %s acts at once, and is over before there is a sample",
			text);
}

static int find(struct reader *r, const struct named *list, const struct text *name)
{
	return name->s ? (int)find_name(r, list, name) : -1;
}

void check_slo(struct reader *r, const struct model *m, struct model_slo *s)
{
	const struct named steps = {
		"step",     node_get(m->node, "steps"), m->steps,
		m->n_steps, sizeof(*m->steps),          offsetof(struct model_step, name)};
	const struct named probes = named_probes(m);
	const struct named targets = named_targets(m);
	enum plan_slo_key key = key_of(s->node);

	s->step_index = find(r, &steps, &s->step);
	s->probe_index = find(r, &probes, &s->probe);
	s->target_index = find(r, &targets, &s->target);
	if (s->node->kind != NODE_MAP || key == SLO_KEYS)
		return;
	check_backoff(r, s, key);
	check_whose(r, m, s, key);
	check_step(r, m, s, key);
	check_latency(r, m, s, key);
	if (s->target_index >= 0)
		check_target(r, m, s, key);
}
