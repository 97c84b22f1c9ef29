/* SPDX-License-Identifier: BSD-2-Clause */
/* Percentiles by nearest rank. Pure. */
#ifndef SHEARPIN_PERCENTILE_H
#define SHEARPIN_PERCENTILE_H

#include <stddef.h>
#include <stdint.h>

/* The place of a percentile among n > 0 samples in ascending order, from 0: ceil(percent / 100 * n) - 1. */
static inline size_t nearest_rank(size_t n, unsigned percent)
{
	return ((uint64_t)n * percent + 99) / 100 - (percent ? 1 : 0);
}

/*
 * Samples without a value (NO_NS) are larger than all others, and the percentile is NO_NS if it falls on one. `values` is
 * sorted in place. NO_NS if n is 0.
 */
uint64_t percentile(uint64_t *values, size_t n, unsigned percent);

int compare_u64(const void *a, const void *b); /* for qsort() */

#endif
