/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Metrics as they are counted, and their text: Prometheus' exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats),
 * names by prometheus.io/docs/practices/naming. No locks: one thread at a time.
 */
#ifndef SHEARPIN_METRICS_SERIES_H
#define SHEARPIN_METRICS_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum metric {
	METRIC_BUILD_INFO,
	METRIC_RUN_ACTIVE,
	METRIC_RUNS,
	METRIC_PHASE_INFO,
	METRIC_INJECTIONS,
	METRIC_WINDOWS,
	METRIC_WINDOW_OPEN,
	METRIC_PACKETS,
	METRIC_ATTEMPTS,
	METRIC_PROBE_UP,
	METRIC_PROBE_LATENCY,
	METRIC_RECOVERY,
	METRIC_UNRECOVERED,
	METRIC_EXPECTATIONS,
	METRIC_RING_LOST,
	METRICS,
};

#define METRIC_MOST_SERIES                                                                                   \
	10000 /* of one metric; more are not counted, and the text says how many values that are */

/* Pairs of a label and its value, ended by NULL: {"scenario", "ctp", "step", "cut", NULL}. */
typedef const char *const metric_labels[];

struct metric_series;

struct metrics_store {
	struct metric_series *series[METRICS];
	size_t n[METRICS];
	uint64_t left_out;
	bool failed; /* out of memory: something is missing */
};

void metrics_store_free(struct metrics_store *store);
/* Counters. */
void metrics_add(struct metrics_store *store, enum metric metric, metric_labels labels, uint64_t more);
/* Gauges. */
void metrics_set(struct metrics_store *store, enum metric metric, metric_labels labels, double value);
/* Histograms of seconds. */
void metrics_observe(struct metrics_store *store, enum metric metric, metric_labels labels, uint64_t ns);

void metrics_store_text(const struct metrics_store *store, struct buf *out);

#endif
