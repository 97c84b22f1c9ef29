/* SPDX-License-Identifier: BSD-2-Clause */
/* What a plan needs of a delay line. Pure. */
#ifndef SHEARPIN_LINE_NEED_H
#define SHEARPIN_LINE_NEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

struct line_need {
	bool line;           /* any at all */
	bool user;           /* one in user space, and no other */
	uint64_t longest_ns; /* that a packet may be held, by delays */
	uint32_t parcels;    /* places for packets: a power of two; 1 without a line */
	size_t memory;       /* bytes of frames that may wait in user space */
};

/*
 * Places for all packets that come at 1,000,000 a second while the longest delay lasts, and memory for 10 Gbit/s of them,
 * both within bounds, and beside them the queue of the narrowest path. Delays of steps whose windows overlap add up.
 */
void line_need(const struct plan *plan, struct line_need *ret);

#endif
