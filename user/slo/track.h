/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows windows and probe samples as they come out of the log, nearly in the order of their time, and keeps for
 * every window and probe the two samples that matter. A sample counts for the window of each step that opened last
 * at or before it. Lines that come late are put right from the last TRACK_RECENT samples of each probe.
 */
#ifndef SHEARPIN_TRACK_H
#define SHEARPIN_TRACK_H

#include "slo/results.h"

#define TRACK_RECENT 64

struct track;

/* The results have their probes already. 0 or -ENOMEM. */
int track_new(struct results *results, struct track **ret_track);
/* Accepts NULL. */
void track_free(struct track *track);

/* The window, made if it isn't known yet; NULL: no memory. Set its times, then call track_moved(). */
struct result_window *track_window(struct track *track, const char *step, unsigned instance,
				   uint64_t opened_ns);
/* NULL: it isn't known. */
struct result_window *track_find(const struct track *track, const char *step, unsigned instance);
/* The window's opened_ns or closed_ns were set or changed. */
void track_moved(struct track *track, struct result_window *window);
/* seq: the number of its event. */
void track_sample(struct track *track, size_t probe, uint64_t mono_ns, uint64_t seq, bool healthy);

#endif
