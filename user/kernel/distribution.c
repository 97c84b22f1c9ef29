/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/distribution.h"

#include <math.h>

#define WIDEST 8.0 /* no table's quantile of the normal distribution is this far out */
#define HALVINGS 48

/* By bisection of the distribution function. */
static double normal_quantile(double u)
{
	double low = -WIDEST, high = WIDEST;

	for (int i = 0; i < HALVINGS; i++) {
		double x = (low + high) / 2;

		if (erfc(-x / sqrt(2)) / 2 < u)
			low = x;
		else
			high = x;
	}
	return low;
}

static double pareto_quantile(double u)
{
	return 4.0 / 3 * (pow(1 - u, -1.0 / 3) - 1.5);
}

static double quantile(enum sp_distribution distribution, double u)
{
	switch (distribution) {
	case SP_NORMAL:
		return normal_quantile(u);
	case SP_PARETO:
		return pareto_quantile(u);
	case SP_PARETONORMAL:
		return normal_quantile(u) / 4 + pareto_quantile(u) * 3 / 4;
	default:
		return 0;
	}
}

void distribution_fill(enum sp_distribution distribution, int16_t table[SP_TABLE_SIZE])
{
	for (int i = 0; i < SP_TABLE_SIZE; i++) {
		double entry = quantile(distribution, (i + 0.5) / SP_TABLE_SIZE) * SP_TABLE_SCALE;

		table[i] = lround(fmin(entry, INT16_MAX));
	}
}
