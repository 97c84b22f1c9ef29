/* SPDX-License-Identifier: BSD-2-Clause */
/* What kind a step is, and when the clock moves. */
#include "scenario/model.h"

static bool is_clock(const struct model_step *s)
{
	return given(s->node, "clock");
}

void check_step_kind(struct reader *r, const struct model_step *s)
{
	static const char *const not_clock[] = {"fault", "target", "burst"};

	if (s->node->kind != NODE_MAP || s->node->bad)
		return;
	for (size_t i = 0; i < 3 && is_clock(s); i++)
		if (given(s->node, not_clock[i]))
			mistake(r->errors, node_get(s->node, not_clock[i])->key,
				"`%s` beside `clock`, which moves the clock of the whole host", not_clock[i]);
	if (is_clock(s) || s->is_later)
		return;
	if (!given(s->node, "fault"))
		mistake(r->errors, s->node, "a step needs `fault` or `clock`");
	if (!given(s->node, "target"))
		mistake(r->errors, s->node, "a step needs `target`");
}

static bool overlaps(const struct plan_window *w, uint32_t i, uint64_t opens, uint64_t closes)
{
	return i < w->times && plan_opens(w, i) < closes && opens < plan_closes(w, i);
}

/* Does any window of one overlap one of the other's? Windows of one step don't overlap each other. */
static bool meet(const struct plan_window *one, const struct plan_window *other)
{
	for (uint32_t i = 0; i < other->times; i++) {
		uint64_t opens = plan_opens(other, i), closes = plan_closes(other, i);
		uint64_t before = opens > one->at_ns ? (opens - one->at_ns) / one->every_ns : 0;

		if (before < one->times &&
		    (overlaps(one, before, opens, closes) || overlaps(one, before + 1, opens, closes)))
			return true;
	}
	return false;
}

static bool moves_clock(const struct model_step *s, struct plan_window *ret)
{
	*ret = model_window(s);
	return s->clock.node && s->at.node && s->length.node && ret->every_ns >= ret->for_ns;
}

/* Two offsets at one time would have no meaning. */
static void check_before(struct reader *r, const struct model *m, size_t i)
{
	const struct model_step *s = &m->steps[i];
	struct plan_window own, other;

	for (size_t k = 0; k < i && moves_clock(s, &own); k++) {
		if (!moves_clock(&m->steps[k], &other) || !meet(&other, &own))
			continue;
		mistake(r->errors, s->clock.node->key,
			"the clock is moved while the step in line %u does, expected windows one after the "
			"other",
			m->steps[k].node->line);
		return;
	}
}

void check_clocks(struct reader *r, const struct model *m)
{
	uint64_t windows = 0;

	for (size_t i = 0; i < m->n_steps; i++) {
		if (!is_clock(&m->steps[i]))
			continue;
		windows += model_window(&m->steps[i]).times;
		if (windows > PLAN_MAX_SLOTS) {
			mistake(r->errors, m->steps[i].node,
				"more than %d moves of the clock up to here (the `times` of every step)",
				PLAN_MAX_SLOTS);
			return;
		}
		check_before(r, m, i);
	}
}
