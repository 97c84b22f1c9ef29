/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of one thing at one time, and that there is room for all windows. */
#include <string.h>

#include "scenario/model.h"

#define NO_END_NS (1ULL << 62)

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

static bool same(const struct text *one, const struct text *other)
{
	return one->s && other->s && !strcmp(one->s, other->s);
}

static bool same_process(const struct model_process *one, const struct model_process *other)
{
	return same(&one->pidfile, &other->pidfile) || same(&one->name, &other->name) ||
	       (one->pid.node && other->pid.node && one->pid.n == other->pid.n);
}

/* What two steps change: it can be taken back in one way only, when they do so one after the other. */
static const char *common_thing(const struct model_step *one, const struct model_step *other)
{
	if (one->kind != other->kind)
		return NULL;
	switch (one->kind) {
	case STEP_CLOCK:
		return one->clock.node && other->clock.node ? "moves the clock" : NULL;
	case STEP_FILE:
		return same(&one->file.path, &other->file.path) ? "changes this file" : NULL;
	case STEP_LINK:
		return same(&one->link, &other->link) ? "takes this interface down" : NULL;
	case STEP_SIGNAL:
		return same_process(&one->signal.process, &other->signal.process) ? "stops this process"
										  : NULL;
	default:
		return NULL;
	}
}

/* Its windows, if they are without mistakes and have a length. */
static bool lasts(const struct model_step *s, struct plan_window *ret)
{
	bool timed = given(s->node, "at") ? s->at.node != NULL : s->after.node || s->with.node;

	*ret = s->window;
	if (s->until_end)
		ret->for_ns = ret->every_ns = NO_END_NS;
	return step_is_on(s) && timed && ret->for_ns && ret->every_ns >= ret->for_ns;
}

static void check_before(struct reader *r, const struct model *m, size_t i)
{
	const struct model_step *s = &m->steps[i];
	struct plan_window own, others;

	for (size_t k = 0; k < i && lasts(s, &own); k++) {
		const struct model_step *other = &m->steps[k];
		const char *what = common_thing(s, other);

		if (!what || !lasts(other, &others) || !meet(&others, &own))
			continue;
		mistake(r->errors, s->node,
			"the step in line %u %s at the same time, expected windows one after the other",
			other->node->line, what);
		return;
	}
}

void check_overlaps(struct reader *r, const struct model *m)
{
	uint64_t windows = 0;

	for (size_t i = 0; i < m->n_steps; i++) {
		const struct model_step *s = &m->steps[i];

		if (!step_is_on(s) || s->kind == STEP_FAULT || s->kind == NO_STEP_KIND)
			continue;
		windows += s->window.times;
		if (windows > PLAN_MAX_SLOTS) {
			mistake(r->errors, s->node,
				"more than %d windows without a fault up to here (the `times` of every step)",
				PLAN_MAX_SLOTS);
			return;
		}
		check_before(r, m, i);
	}
}
