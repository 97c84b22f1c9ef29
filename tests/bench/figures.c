/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(const double *values, size_t n)
{
	double sorted[MEDIAN_MOST];

	if (!n || n > MEDIAN_MOST)
		return NAN;
	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static bool say(bool pass, const char *what, double value, const char *than, double limit, const char *unit)
{
	printf("%s  %s: %.2f%s, expected %s %.1f%s\n", pass ? "PASS" : "FAIL", what, value, unit, than, limit,
	       unit);
	return pass;
}

bool judge_most(const char *what, double value, double at_most, const char *unit)
{
	return say(value <= at_most, what, value, "at most", at_most, unit);
}

bool judge_least(const char *what, double value, double at_least, const char *unit)
{
	return say(value >= at_least, what, value, "at least", at_least, unit);
}
