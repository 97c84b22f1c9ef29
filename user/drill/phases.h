/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The phases of a run as they follow each other: what the log says of them. The steps of each are in the plan, and the kernel
 * opens and closes their windows; a condition of `abort` ends the run, and so whatever phase is under way.
 *
 * Events: phase.start and phase.end at their times, the latter with `result`: "promoted" (the next one begins), "done" (it was the
 * last), "rolled back" (an abort) or "cut" (the run ended for another reason).
 */
#ifndef SHEARPIN_PHASES_H
#define SHEARPIN_PHASES_H

#include "drill/journal.h"

struct phases;

/* 0 or -ENOMEM. The plan and the journal must outlive them. */
int phases_open(const struct plan *plan, struct journal *journal, struct phases **ret);
void phases_close(struct phases *phases); /* accepts NULL */
/* Beginnings and ends that lie in a part of the plan's time are relative to zero_ns; the others come never. */
void phases_set_zero(struct phases *phases, uint64_t zero_ns, struct plan_span span);
/* Do what is due; when to call again (UINT64_MAX: never). */
uint64_t phases_run(struct phases *phases, uint64_t now);
/* The run is over. */
void phases_cut(struct phases *phases, uint64_t now, bool aborted);
bool phases_all_done(const struct phases *phases);

#endif
