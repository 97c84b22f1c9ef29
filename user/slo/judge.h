/* SPDX-License-Identifier: BSD-2-Clause */
/* From windows and samples to recovery, SLOs, balance and the outcome. Pure arithmetic on the results. */
#ifndef SHEARPIN_JUDGE_H
#define SHEARPIN_JUDGE_H

#include "slo/results.h"

/*
 * Nearest rank: sorted[ceil(percent / 100 * n) - 1]. Samples without a value (NO_NS) are larger than all others, and
 * the percentile is NO_NS if it falls on one. `values` is sorted in place. NO_NS if n is 0.
 */
uint64_t percentile(uint64_t *values, size_t n, unsigned percent);

/* 0 or -ENOMEM. */
int judge(struct results *results);

#endif
