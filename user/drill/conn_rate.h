/* SPDX-License-Identifier: BSD-2-Clause */
/* How many of something there were in the last second, in slices of it. All zero at the start. */
#ifndef SHEARPIN_CONN_RATE_H
#define SHEARPIN_CONN_RATE_H

#include <stdint.h>

#define CONN_RATE_SLICES 10

struct conn_rate {
	uint64_t slice[CONN_RATE_SLICES]; /* which it is, counted from 0 ns on */
	uint64_t count[CONN_RATE_SLICES];
};

void conn_rate_add(struct conn_rate *rate, uint64_t ns);
uint64_t conn_rate_count(const struct conn_rate *rate, uint64_t now);

#endif
