/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run does beside the windows that the kernel keeps: it looks names up again (hosts.h), moves the clock (clock_step.h),
 * changes the host (changes.h), and takes back what dead runs left (leftovers.h). Functions return 0 or a negative errno, and then
 * `what` says in a few words what could not be done, or with `why` in whole ones; -ECANCELED: a step can't be done.
 */
#ifndef SHEARPIN_ASIDE_H
#define SHEARPIN_ASIDE_H

#include "drill/changes.h"
#include "drill/clock_step.h"
#include "drill/hosts_gate.h"

struct aside {
	struct hosts *hosts; /* the setup's */
	struct hosts_gate_context context;
	struct hosts_gate gate;
	struct clock_steps *clock;
	struct changes *changes;
	struct journal *journal;
	const char *what, *why; /* why: NULL, or instead of `what` and the error */
};

/* The setup, the plan, the windows, the journal and the narrow log must outlive it. directory: of the run. */
int aside_open(struct aside *a, const struct setup *setup, const struct plan *plan, const char *directory,
	       struct windows *windows, struct journal *journal, struct fault_events *fault_events);
void aside_close(struct aside *a); /* takes back what is still changed */

/* After run.start: what the names stand for, and what dead runs left. */
int aside_begin(struct aside *a);
/* As engine_set_zero(). */
void aside_set_zero(struct aside *a, uint64_t zero_ns, struct plan_span span);
/* Do what is due. *ret_next: when to call again (UINT64_MAX: never). */
int aside_run(struct aside *a, uint64_t now, uint64_t *ret_next);
/* Take back at once what is on the clock, and every change. */
int aside_cut(struct aside *a);
bool aside_all_done(const struct aside *a);
/* When the last of them ended; 0: none has. */
uint64_t aside_last_close(const struct aside *a);

#endif
