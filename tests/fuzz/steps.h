/* SPDX-License-Identifier: BSD-2-Clause */
/* What plan.h promises of steps and phases. */
#ifndef SHEARPIN_FUZZ_STEPS_H
#define SHEARPIN_FUZZ_STEPS_H

#include <signal.h>
#include <string.h>

#include "fuzz/check.h"
#include "scenario/plan.h"

static inline void check_change(const struct plan_step *s)
{
	const struct plan_process *p = &s->signal.process;
	const struct plan_file *f = &s->file;

	switch (s->kind) {
	case STEP_SIGNAL:
		CHECK(s->signal.number > 0 && s->signal.number < NSIG);
		CHECK(!!p->pidfile + !!p->pid + !!p->name == 1);
		CHECK((s->signal.number == SIGSTOP) == (s->window.for_ns > 0));
		break;
	case STEP_EXEC:
		CHECK(s->exec.command.n && *s->exec.command.argv[0] && s->exec.timeout_ns);
		CHECK(!s->exec.command.argv[s->exec.command.n]);
		CHECK(s->exec.expect_status >= -1 && s->exec.expect_status <= 255);
		CHECK(s->exec.undo.n || (!s->until_end && (!s->window.for_ns || s->phase != SIZE_MAX)));
		break;
	case STEP_FILE:
		CHECK(f->path && *f->path && f->size <= 1 << 30);
		CHECK(f->change != FILE_REPLACE || !f->text != !f->from);
		CHECK(f->change != FILE_APPEND || !f->text != !f->size);
		break;
	case STEP_LINK:
		CHECK(s->link && *s->link);
		break;
	default:
		CHECK(s->kind == STEP_CLOCK);
	}
}

static inline void check_expect(const struct plan *plan, const struct plan_step *s)
{
	const struct plan_expect *e = &s->expect;

	CHECK(e->what != EXPECT_PROBE || e->index < plan->n_probes);
	CHECK(e->what != EXPECT_WATCH || e->index < plan->n_watches);
	CHECK((e->what == EXPECT_COUNTER) == !!e->counter);
	CHECK(e->what != EXPECT_COUNTER ||
	      (s->kind == STEP_EXPECT && e->index < plan->n_steps &&
	       plan->steps[e->index].kind == STEP_FAULT && e->how == EXPECT_WITHIN &&
	       e->compare.op >= COMPARE_EQUALS && e->compare.op <= COMPARE_AT_MOST && !e->compare.json));
	CHECK(e->count && (e->count == 1 || (e->what == EXPECT_WATCH && e->how == EXPECT_WITHIN &&
					     plan->watches[e->index].kind == PROBE_LOG)));
	CHECK(!e->again || e->how == EXPECT_WITHIN);
	CHECK((s->kind == STEP_WAIT) == (e->timeout_ns > 0));
	CHECK((s->kind == STEP_WAIT) == !s->window.for_ns);
}

/* A wait has no open window but that of what stays, and no step on both of its sides. */
static inline void check_around(const struct plan *plan, uint64_t at)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *s = &plan->steps[i];

		if (s->window.at_ns < at && !s->until_end)
			CHECK(plan_closes(&s->window, s->window.times - 1) <= at);
	}
}

static inline void check_phase(const struct plan *plan, const struct plan_step *s)
{
	const struct plan_phase *p = &plan->phases[s->phase];

	CHECK(s->phase < plan->n_phases && !s->until_end);
	CHECK(s->share == p->share && s->shadow == p->shadow);
	CHECK(!s->shadow || s->kind == STEP_FAULT || s->kind >= STEP_WAIT);
	CHECK(s->window.at_ns >= p->at_ns && s->window.at_ns < p->at_ns + p->for_ns);
	CHECK(plan_closes(&s->window, s->window.times - 1) <= p->at_ns + p->for_ns);
}

static inline void check_steps(const struct plan *plan)
{
	uint64_t at = 0;

	for (size_t i = 0; i < plan->n_phases; i++) {
		CHECK(plan->phases[i].at_ns == at && plan->phases[i].for_ns && plan->phases[i].name);
		at += plan->phases[i].for_ns;
	}
	CHECK(at <= plan->length_ns);
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_step *s = &plan->steps[i];

		CHECK(s->name && *s->name && s->fault.text && s->window.times);
		CHECK((s->phase == SIZE_MAX) == !plan->n_phases);
		CHECK((s->kind == STEP_CLOCK) == (s->clock_offset_ns != 0));
		CHECK((s->kind == STEP_FAULT) == (s->n_targets != 0));
		CHECK(!s->until_end || (!s->window.for_ns && s->window.times == 1));
		if (plan->n_phases)
			check_phase(plan, s);
		if (s->kind == STEP_WAIT || s->kind == STEP_EXPECT)
			check_expect(plan, s);
		else if (s->kind != STEP_FAULT)
			check_change(s);
		if (s->kind == STEP_WAIT)
			check_around(plan, s->window.at_ns);
	}
	for (size_t i = 0; i < plan->n_rules; i++)
		CHECK(plan->rules[i].seed_of <= i &&
		      plan->rules[i].seed == plan->rules[plan->rules[i].seed_of].seed);
}

#endif
