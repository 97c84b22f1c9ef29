/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How jitter is distributed: tables of quantiles, as netem has them. Entry i belongs to the share u = (i + 1/2) /
 * SP_TABLE_SIZE and is the quantile in units of the jitter, times SP_TABLE_SCALE, at most 32767 (4 times the jitter). With
 * z(u) the quantile of the standard normal distribution, and p(u) = 4/3 ((1 - u)^(-1/3) - 3/2) that of a Pareto distribution of
 * shape 3, moved to mean 0:
 *
 *   normal  z(u)      pareto  p(u)      paretonormal  z(u) / 4 + 3 p(u) / 4
 *
 * Source: the generators of iproute2 (netem/normal.c, pareto.c, paretonormal.c), which NISTnet had first. Pure.
 */
#ifndef SHEARPIN_DISTRIBUTION_H
#define SHEARPIN_DISTRIBUTION_H

#include <stdint.h>

#include <linux/types.h>

#include "abi.h"

/* SP_UNIFORM needs no table, and gets one of zeros. */
void distribution_fill(enum sp_distribution distribution, int16_t table[SP_TABLE_SIZE]);

#endif
