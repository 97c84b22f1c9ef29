/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* When a rule acts. Time comes in as an argument. Shared with user space, whose report speaks of the same windows. */
#ifndef SHEARPIN_GATE_BPF_H
#define SHEARPIN_GATE_BPF_H

#include <linux/types.h>

#include "abi.h"

#define WINDOW_CLOSED (-1)

/* The slot of the window that is open at `now`, or WINDOW_CLOSED: before, after, between, or a burst's pause. */
static inline __attribute__((always_inline)) int window_at(const struct sp_rule *r, __u64 now)
{
	__u64 since = now - r->start_ns;
	__u32 instance = 0;

	if (now < r->start_ns)
		return WINDOW_CLOSED;
	if (since >= r->length_ns) {
		__u64 n = since / r->every_ns;

		if (n >= r->times)
			return WINDOW_CLOSED;
		instance = n;
		since -= n * r->every_ns;
		if (since >= r->length_ns)
			return WINDOW_CLOSED;
	}
	if (r->burst_off_ns && since % (r->burst_on_ns + r->burst_off_ns) >= r->burst_on_ns)
		return WINDOW_CLOSED;
	return r->first_slot + instance;
}

/* When the window of a slot opens. */
static inline __attribute__((always_inline)) __u64 window_opens(const struct sp_rule *r, __u32 slot)
{
	return r->start_ns + (slot - r->first_slot) * r->every_ns;
}

/* When the fault that is open at `now` began: its window, or the burst. */
static inline __attribute__((always_inline)) __u64 window_began(const struct sp_rule *r, __u64 now,
								__u32 slot)
{
	__u64 opened = window_opens(r, slot);

	return r->burst_off_ns ? now - (now - opened) % (r->burst_on_ns + r->burst_off_ns) : opened;
}

/* When the fault that is open at `now` ends: its window, or the burst. */
static inline __attribute__((always_inline)) __u64 window_ends(const struct sp_rule *r, __u64 now, __u32 slot)
{
	__u64 opened = window_opens(r, slot), period, burst_ends;
	__u64 ends = opened + r->length_ns;

	if (!r->burst_off_ns)
		return ends;
	period = r->burst_on_ns + r->burst_off_ns;
	burst_ends = now - (now - opened) % period + r->burst_on_ns;
	return burst_ends < ends ? burst_ends : ends;
}

#endif
