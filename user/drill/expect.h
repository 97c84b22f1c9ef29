/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Expectations (STEP_EXPECT) while a run lasts: each window of each is decided once, by samples whose own time lies in the window,
 * its ends included, and told as expect.pass or expect.fail at once. docs/definitions.md says what each kind means.
 */
#ifndef SHEARPIN_EXPECT_H
#define SHEARPIN_EXPECT_H

#include "drill/journal.h"
#include "drill/timetable.h"

/* What expectations, waits and aborts ask of the run: drill/conditions.h, or what a test makes up. */
struct condition_ops {
	void *arg;
	/* Of a watch, by its index in the plan. */
	void (*start)(void *arg, size_t watch, uint64_t now);
	void (*stop)(void *arg, size_t watch);
	/* A counter of a step's windows so far; false: it can't be read. */
	bool (*counter)(void *arg, const struct plan_step *step, const char *name, uint64_t *ret);
	/* New connections to a target in the last second. */
	uint64_t (*attempts)(void *arg, size_t target, uint64_t now);
	/* Every path of the target (index; -1: any) that the window has hit is back since it closed. */
	bool (*recovered)(void *arg, const struct timed_window *window, int target, uint64_t now);
};

/* The parts that expectations and waits share. */

/* What a sample of a probe (EXPECT_PROBE) or of a watch (EXPECT_WATCH) says: is it about this? */
static inline bool expect_is_about(const struct plan_expect *what, enum plan_expect_what kind,
				   const struct probe_sample *sample)
{
	return what->what == kind && what->index == sample->index;
}

/* Is it about the lines of a log, one by one? */
bool expect_counts_lines(const struct plan *plan, const struct plan_expect *what);
/* So long after a time what was seen until then may still become known. */
uint64_t expect_grace(const struct plan *plan, const struct plan_expect *what);
/* Does the counter's value, compared, say what is expected? False also where it can't be read; then *ret_known is false. */
bool expect_counter_holds(const struct plan *plan, const struct plan_expect *what,
			  const struct condition_ops *ops, uint64_t *ret_value, bool *ret_known);
/* "healthy", "unhealthy: refused", of a watch "it holds: pid 24", "refused"; what a kind says twice stands there once. */
void expect_words(const struct plan_expect *what, const struct probe_sample *sample, char *text, size_t size);

struct expect;

/* 0 or -ENOMEM. What is passed must outlive it. */
int expect_open(const struct plan *plan, const struct timetable *timetable, const struct condition_ops *ops,
		struct journal *journal, struct expect **ret);
void expect_close(struct expect *expect); /* accepts NULL */

void expect_sample(struct expect *expect, enum plan_expect_what kind, const struct probe_sample *sample);
/*
 * Start what has opened, decide what is due, when every sample of before `now` has been told of. Returns when to call again
 * (UINT64_MAX: never).
 */
uint64_t expect_run(struct expect *expect, uint64_t now);
bool expect_all_done(const struct expect *expect);
/* The run is over: what is undecided has failed. */
void expect_cut(struct expect *expect, uint64_t now);

#endif
