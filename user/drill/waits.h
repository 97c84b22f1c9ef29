/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits (STEP_WAIT): the plan's time stands still at each until its condition holds. All windows that are planned to open at its
 * time, or later, are behind it, and have no time before it is fulfilled.
 *
 * Events: step.start with kind `wait`, and step.end with kind, `result` ("fulfilled", "timed out", "cut"), `samples`, `seen`.
 */
#ifndef SHEARPIN_WAITS_H
#define SHEARPIN_WAITS_H

#include "drill/expect.h"

enum wait_state {
	WAIT_NONE, /* none is due */
	WAIT_PENDING,
	WAIT_FULFILLED, /* the plan's time may go on: waits_set_zero() */
	WAIT_TIMED_OUT,
};

struct waits;

/* 0 or -ENOMEM. What is passed must outlive them. */
int waits_open(const struct plan *plan, const struct condition_ops *ops, struct journal *journal,
	       struct waits **ret);
void waits_close(struct waits *waits); /* accepts NULL */

/* The part of the plan's time that the next zero is for: from the wait that is fulfilled, or the beginning, up to the next wait. */
struct plan_span waits_next_span(const struct waits *waits);
/* The one that comes next, or is pending; NULL: none. */
const struct plan_step *waits_ahead(const struct waits *waits);
/* At the beginning, and again when a wait is fulfilled: then that one is over. */
void waits_set_zero(struct waits *waits, uint64_t zero_ns);

void waits_sample(struct waits *waits, enum plan_expect_what kind, const struct probe_sample *sample);
/* As expect_run(). */
uint64_t waits_run(struct waits *waits, uint64_t now);

/* What is due at `now`, and of which step (NULL: WAIT_NONE). */
enum wait_state waits_due(struct waits *waits, uint64_t now, const struct plan_step **ret_step);
/* Why it has timed out, in words. */
void waits_why(const struct waits *waits, char *ret_reason, size_t size);
bool waits_all_done(const struct waits *waits);
void waits_cut(struct waits *waits, uint64_t now);

#endif
