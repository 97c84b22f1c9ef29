/* SPDX-License-Identifier: BSD-2-Clause */
/* Medians of interleaved rounds, and verdicts on them. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

#define MEDIAN_MOST 4096

/* NaN, which meets no limit, of none or more than MEDIAN_MOST. */
double median(const double *values, size_t n);

/* Print "PASS" or "FAIL" with what is compared; false: at_most is exceeded (judge_least: not reached). */
bool judge_most(const char *what, double value, double at_most, const char *unit);
bool judge_least(const char *what, double value, double at_least, const char *unit);

#endif
