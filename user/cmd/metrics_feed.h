/* SPDX-License-Identifier: BSD-2-Clause */
/* From what is told of a run to its metrics. No locks: one thread at a time. */
#ifndef SHEARPIN_METRICS_FEED_H
#define SHEARPIN_METRICS_FEED_H

#include "cmd/metrics_series.h"
#include "drill/drill.h"
#include "slo/results.h"

/* The last instance of a step that was counted, in the run at hand. */
struct feed_step {
	char *name;
	int opened, closed;
	bool shadow; /* its windows inject nothing */
};

struct metrics_feed {
	struct metrics_store store;
	char *scenario; /* NULL: no run has begun */
	struct feed_step *steps;
	size_t n_steps;
	uint64_t (*verdicts)[SP_VERDICTS]; /* of each window, as counted already */
	size_t n_windows;
};

void metrics_feed_free(struct metrics_feed *feed);
void metrics_feed_run(struct metrics_feed *feed, const struct plan *plan);
/* Is the event one that is counted? Packets and most of what comes in thousands is not. */
bool metrics_feed_wants(const struct log_event *event);
void metrics_feed_event(struct metrics_feed *feed, const struct log_event *event);
void metrics_feed_tick(struct metrics_feed *feed, const struct drill_progress *state);
void metrics_feed_judged(struct metrics_feed *feed, const struct results *results);

#endif
