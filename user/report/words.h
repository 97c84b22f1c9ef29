/* SPDX-License-Identifier: BSD-2-Clause */
/* What reports of every form say in the same words: plain text, not escaped. */
#ifndef SHEARPIN_WORDS_H
#define SHEARPIN_WORDS_H

#include "base/buf.h"
#include "slo/results.h"

/* "reset=both for 20s on front (tcp 10.1.0.2/32 ports 40001)" */
void window_parameters(const struct results *r, const struct result_window *w, struct buf *out);

/* What is worth saying about a window, separated by "; "; nothing, if there is nothing. */
void window_remarks(const struct results *r, const struct result_window *w, struct buf *out);

/* Was the recovery of the window measured: by a probe, or where there are none by a path that it hit? */
bool window_measured(const struct results *r, const struct result_window *w);
/* The slowest probe's, or where there are none the slowest path's; NO_NS if one saw no recovery, or nothing was measured. */
uint64_t window_recovery(const struct results *r, const struct result_window *w);

/* Samples of the run as a whole: of the probes, or where there are none of the paths. */
const struct result_samples *run_recovery(const struct results *r);
uint64_t run_unrecovered(const struct results *r); /* windows */

/* What a scenario says of itself in `meta` under this key; NULL: nothing. */
const char *meta_value(const struct results *r, const char *key);
/* All of it but what stands under the keys in `own`, which NULL ends. */
void meta_others(const struct results *r, const char *const *own, struct buf *out,
		 void (*put)(struct buf *out, const char *key, const char *value));

/* Is the counter other than 0 in any window, or that of a fault that a window has? */
bool counter_counted(const struct results *r, size_t counter);

/* What the columns of counters that only some fault has count: sentences, each with a space before it. */
void counter_notes(const struct results *r, struct buf *out);

#endif
