/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/wilson.h"

#define Z95 1.959963984540054 /* the standard normal distribution's 97.5 % point */

/* By Newton's steps, from above: the project has no other use for libm. */
static double square_root(double x)
{
	double root = x > 1 ? x : 1, next = (root + x / root) / 2;

	if (x <= 0)
		return 0;
	while (next < root) {
		root = next;
		next = (root + x / root) / 2;
	}
	return root;
}

void wilson(uint64_t hit, uint64_t drawn, double spread, double *ret_low, double *ret_high)
{
	double share = (double)hit / drawn, n = drawn / spread < 1 ? 1 : drawn / spread;
	double shrink = 1 + Z95 * Z95 / n, centre = (share + Z95 * Z95 / (2 * n)) / shrink;
	double half = Z95 / shrink * square_root(share * (1 - share) / n + Z95 * Z95 / (4 * n * n));

	*ret_low = hit ? centre - half : 0;
	*ret_high = hit < drawn ? centre + half : 1;
}
