/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run does beside the windows that the kernel keeps: it looks names up again (hosts.h), moves the clock (clock_step.h),
 * and takes back what dead runs left (leftovers.h). Functions return 0 or a negative errno, and then `what` says in a few
 * words what could not be done.
 */
#ifndef SHEARPIN_ASIDE_H
#define SHEARPIN_ASIDE_H

#include "drill/clock_step.h"
#include "drill/hosts_gate.h"

struct aside {
	struct hosts *hosts; /* the setup's */
	struct hosts_gate_context context;
	struct hosts_gate gate;
	struct clock_steps *clock;
	struct journal *journal;
	const char *what;
};

/* The setup, the plan, the windows, the journal and the narrow log must outlive it. directory: of the run. */
int aside_open(struct aside *a, const struct setup *setup, const struct plan *plan, const char *directory,
	       struct windows *windows, struct journal *journal, struct fault_events *fault_events);
void aside_close(struct aside *a); /* takes back what is still on the clock */

/* After run.start: what the names stand for, and what dead runs left. */
int aside_begin(struct aside *a);
void aside_set_zero(struct aside *a, uint64_t zero_ns);
/* Do what is due. *ret_next: when to call again (UINT64_MAX: never). */
int aside_run(struct aside *a, uint64_t now, uint64_t *ret_next);
/* End every clock step at once. */
int aside_cut(struct aside *a);
bool aside_all_done(const struct aside *a);
/* When the last clock step ended; 0: none has. */
uint64_t aside_last_close(const struct aside *a);

#endif
