/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What runs do, as metrics in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats): over HTTP, into a file
 * for node_exporter, or both. docs/metrics.md has their names. A thread of its own serves and writes them; whoever tells of a run never
 * waits for it longer than for a copy of the figures. Functions on NULL do nothing.
 */
#ifndef SHEARPIN_METRICS_H
#define SHEARPIN_METRICS_H

#include "base/buf.h"
#include "drill/drill.h"
#include "slo/results.h"

struct metrics;

/*
 * `address`: "127.0.0.1:9100", "[::1]:9100", ":9100" (all addresses), or NULL; `path`: a file, or NULL. Both NULL: none, and 0.
 * The port is bound to, and the file written, before it returns. A negative errno, and why in ret_reason: -EINVAL for what is no address.
 */
int metrics_open(const char *address, const char *path, struct metrics **ret, char *ret_reason, size_t size);
/* The file is written once more. Accepts NULL. */
void metrics_close(struct metrics *metrics);

/* A run begins: what is told from here on is of this plan. */
void metrics_run(struct metrics *metrics, const struct plan *plan);
void metrics_event(struct metrics *metrics, const struct log_event *event);
void metrics_tick(struct metrics *metrics, const struct drill_progress *state);
/* The run is over, and this is what it came to; NULL: it was refused, or could not begin. */
void metrics_judged(struct metrics *metrics, const struct results *results);

/* The text that is served. */
void metrics_text(struct metrics *metrics, struct buf *out);

#endif
