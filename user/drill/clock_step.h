/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of kind `clock`: at the opening of each window CLOCK_REALTIME is moved, at its closing it is moved back by
 * exactly the same, unless somebody else has done so meanwhile (clock_set.h). The undo journal knows of it before it happens.
 *
 * The kernel does not keep these windows: this process opens and closes them, as late as it is scheduled, or its guard does
 * the latter (undo_guard.h). Times are CLOCK_MONOTONIC, which none of this moves. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_CLOCK_STEP_H
#define SHEARPIN_CLOCK_STEP_H

#include "drill/clock_set.h"
#include "drill/journal.h"
#include "drill/undo.h"
#include "drill/undo_guard.h"

struct clock_steps;

bool clock_steps_wanted(const struct plan *plan);

/*
 * Can the plan's clock steps be made here? 0; or -EPERM (this process may not set the clock), -ERANGE (the clock would leave its
 * range), -EINVAL (two of their windows overlap: two offsets at one time have no meaning); then *ret_step is the one.
 */
int clock_steps_check(const struct plan *plan, const struct plan_step **ret_step);

/*
 * What is passed must outlive it. The guard takes back what stays on the clock for too long; NULL: nobody does. *ret is NULL for a
 * plan without clock steps.
 */
int clock_steps_open(const struct plan *plan, const struct clock_ops *ops, struct undo *undo,
		     struct undo_guard *guard, struct journal *journal, struct fault_events *fault_events,
		     struct clock_steps **ret);
void clock_steps_close(struct clock_steps *steps); /* accepts NULL; takes back what is still on the clock */

/* The following accept NULL, which has no window. */
/* The windows that lie in a part of the plan's time. */
void clock_steps_set_zero(struct clock_steps *steps, uint64_t zero_ns, struct plan_span span);
/* Do what is due. *ret_next: when to call again (UINT64_MAX: never). */
int clock_steps_run(struct clock_steps *steps, uint64_t now, uint64_t *ret_next);
/* Take back at once what is on the clock; no window opens any more. */
int clock_steps_cut(struct clock_steps *steps);
bool clock_steps_all_done(const struct clock_steps *steps);
uint64_t clock_steps_last_close(const struct clock_steps *steps); /* 0: none has closed */

#endif
