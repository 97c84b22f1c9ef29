/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/percentile.h"

#include <stdlib.h>
#include <string.h>

#include "slo/results.h"

int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

uint64_t percentile(uint64_t *values, size_t n, unsigned percent)
{
	if (!n)
		return NO_NS;
	qsort(values, n, sizeof(*values), compare_u64);
	return values[nearest_rank(n, percent)];
}
