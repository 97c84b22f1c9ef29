/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The distributions of jitter as user/kernel/distribution.h defines them, by their quantiles in units of the jitter, for
 * what the tests compare tables and draws with.
 */
#ifndef TESTS_QUANTILE_H
#define TESTS_QUANTILE_H

#include <math.h>

#include <linux/types.h>

#include "abi.h"

#define MOST_JITTER (32767.0 / SP_TABLE_SCALE) /* no entry of a table is more */

/* Newton's method, from the middle outwards, where it can't overshoot. */
static inline double normal_at(double u)
{
	double x = 0;

	for (int i = 0; i < 60; i++)
		x += (u - erfc(-x / sqrt(2)) / 2) * sqrt(2 * M_PI) * exp(fmin(x * x / 2, 20)) / 2;
	return x;
}

static inline double pareto_at(double u)
{
	return (4 * pow(1 - u, -1.0 / 3) - 6) / 3;
}

/* Before the cut. */
static inline double quantile_at(enum sp_distribution distribution, double u)
{
	switch (distribution) {
	case SP_NORMAL:
		return normal_at(u);
	case SP_PARETO:
		return pareto_at(u);
	case SP_PARETONORMAL:
		return normal_at(u) / 4 + 3 * pareto_at(u) / 4;
	default:
		return 2 * u - 1;
	}
}

#endif
