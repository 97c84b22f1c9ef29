/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A distribution of times as a receipt has it: by the buckets of bpf/histogram.bpf.h, each at most 6.25 % wide. Times are
 * nanoseconds. Pure.
 */
#ifndef SHEARPIN_HISTOGRAM_H
#define SHEARPIN_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "abi.h"

#define HISTOGRAM_BUCKETS SP_BUCKETS
#define HISTOGRAM_NONE UINT64_MAX /* a time that nothing gives */

struct json;

struct histogram {
	uint64_t count;   /* of all buckets */
	uint64_t mean_ns; /* exact, to the nanosecond; HISTOGRAM_NONE: not known, or nothing counted */
	uint64_t max_ns;  /* exact; HISTOGRAM_NONE: not known, or nothing counted */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* An empty one. */
void histogram_clear(struct histogram *h);

/* From the kernel's counts. Of sum and max, HISTOGRAM_NONE: not known. */
void histogram_fill(struct histogram *h, const __u64 *buckets, uint64_t sum_ns, uint64_t max_ns);

/* A mean or maximum that is not known of one of them isn't of the sum; an empty one knows both. */
void histogram_add(struct histogram *sum, const struct histogram *h);

/*
 * Nearest rank: of n times in ascending order, counted from 1, that of rank ceil(percent / 100 * n), as the upper end of
 * the bucket that it is in, but not more than max_ns. HISTOGRAM_NONE if nothing was counted. percent: 1 to 100.
 */
uint64_t histogram_percentile(const struct histogram *h, unsigned percent);

/* A bucket's least time, and that which all of it is below. The last bucket has no end: its `high` is only a number. */
uint64_t histogram_low(unsigned bucket);
uint64_t histogram_high(unsigned bucket);

/* The bucket with this least time; HISTOGRAM_BUCKETS: none. */
unsigned histogram_find(uint64_t low_ns);

/*
 * {"count": n, "mean_ns": n, "p50_ns": n, "p99_ns": n, "max_ns": n, "histogram": [[low_ns, count], ...]}: without
 * mean_ns or max_ns as `mean` and `max` say, null where there is no value, only buckets that aren't empty.
 */
void histogram_write(struct json *j, const char *key, const struct histogram *h, bool mean, bool max);

#endif
