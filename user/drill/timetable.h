/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the windows of a plan's steps open and close, of every kind of step, as far as it is known: what lies behind a wait has
 * no time before the wait is fulfilled. Times are CLOCK_MONOTONIC, and as planned.
 */
#ifndef SHEARPIN_TIMETABLE_H
#define SHEARPIN_TIMETABLE_H

#include "scenario/plan.h"

struct timed_window {
	const struct plan_step *step;
	uint32_t instance; /* from 0 */
	uint64_t opens,
		closes; /* UINT64_MAX: not known; closes also where the window stays open until the run ends */
};

struct timetable {
	const struct plan *plan;
	struct timed_window *items; /* by step, in order */
	size_t n;
	size_t *first; /* by step; first[n_steps] is n */
};

/* 0 or -ENOMEM. The plan must outlive them. */
int timetable_open(const struct plan *plan, struct timetable *ret);
void timetable_close(struct timetable *timetable);

/* The windows of all steps that begin in a part of the plan's time are relative to zero_ns. */
void timetable_set_zero(struct timetable *timetable, uint64_t zero_ns, struct plan_span span);

/* Does the step change anything (a fault, or something on the host)? */
bool timetable_acts(const struct plan_step *step);
/* Has its window no closing of its own: it acts at once, or until the run ends? */
bool timetable_stands(const struct plan_step *step);

/* The step's last window to open at or before `ns`; NULL: none has. */
const struct timed_window *timetable_last(const struct timetable *timetable, size_t step, uint64_t ns);
/* The same, if it is still open then. */
const struct timed_window *timetable_at(const struct timetable *timetable, size_t step, uint64_t ns);
/* When the first window of those that act opens; UINT64_MAX: not known, or there is none. */
uint64_t timetable_first(const struct timetable *timetable);

#endif
