/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conn_rate.h"

#include "base/timeutil.h"

#define SLICE_NS (NS_PER_S / CONN_RATE_SLICES)

void conn_rate_add(struct conn_rate *rate, uint64_t ns)
{
	uint64_t slice = ns / SLICE_NS;
	unsigned at = slice % CONN_RATE_SLICES;

	if (slice < rate->slice[at])
		return;
	if (slice > rate->slice[at])
		rate->count[at] = 0;
	rate->slice[at] = slice;
	rate->count[at]++;
}

uint64_t conn_rate_count(const struct conn_rate *rate, uint64_t now)
{
	uint64_t slice = now / SLICE_NS, n = 0;

	for (unsigned at = 0; at < CONN_RATE_SLICES; at++)
		if (rate->slice[at] + CONN_RATE_SLICES > slice)
			n += rate->count[at];
	return n;
}
