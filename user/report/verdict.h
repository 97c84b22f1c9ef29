/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a single window went well, for the formats that give each window a result of its own. */
#ifndef SHEARPIN_VERDICT_H
#define SHEARPIN_VERDICT_H

#include "base/buf.h"
#include "slo/results.h"

/*
 * Did the window fail by itself: a probe, or a path that it hit, was not seen to recover; its closing is not in the log; or
 * its counters don't add up? Adds the reasons to `why`, separated by "; ".
 */
bool window_failed(const struct results *r, const struct result_window *w, struct buf *why);

/* Is the expectation one of the window: did no other open later before it began? (One before all windows is of the first.) */
bool window_expects(const struct results *r, const struct result_window *w, const struct result_expect *e);

/* Is the SLO about the window's step? */
bool slo_concerns(const struct result_slo *slo, const struct result_window *w);

/*
 * Does the window have a part in a missed SLO? By its own sample where the SLO is about samples (recovery, detection,
 * unrecovered, availability, attempts_per_s), if it is the worst one where it is about back-off. Latencies are those of all
 * windows together, and where there is no sample at all none is better than the others: then it has, too.
 */
bool window_misses(const struct results *r, const struct result_window *w, const struct result_slo *slo);

/*
 * The slowest recovery, counted from the opening: of the probes, or where there are none of the paths that were hit.
 * NO_NS: one was not seen to recover, or nothing was measured.
 */
uint64_t window_after_inject(const struct results *r, const struct result_window *w);

/* Where the search for a window's recovery ended: the next opening of the same step, or the end of the log; or NO_NS. */
uint64_t window_observed_until(const struct results *r, const struct result_window *w);

/* NULL: it did not open. */
const struct result_window *find_window(const struct results *r, const char *step, unsigned instance);

#endif
