/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lots that depend on the packets before, still as pure functions of (seed, flow, direction, index), so that no state is kept
 * and any of them can be drawn again.
 *
 * Correlation c: a packet's lot is its own with probability 1 - c, and otherwise that of the packet before. So the lot is the
 * own one of the last packet, going backwards, that has an own one. Shares are kept exactly, and the correlation
 * of successive packets is c. (netem's get_crandom() blends the two numbers, which narrows their distribution.)
 *
 * Gilbert-Elliott (Gilbert 1960, Elliott 1963): each packet moves the path between a good state and a bad one. One draw per
 * packet decides for both states where they lead to; going backwards, the walk ends at the first packet that
 * leads both states to the same one. The first packet of a flow meets the good state.
 */
#ifndef SHEARPIN_LOTS_BPF_H
#define SHEARPIN_LOTS_BPF_H

#include "chance.bpf.h"
#include "common.bpf.h"

struct lots {
	__u64 seed;
	__u64 flow;
	__u32 dir;
	__u32 index;
};

struct lot_walk {
	struct lots lots;
	__u32 correlation; /* below SP_ALWAYS */
	__u32 what;
};

static long lot_before(__u64 __attribute__((unused)) i, struct lot_walk *walk)
{
	struct lots *l = &walk->lots;

	if (!l->index ||
	    draw(l->seed, walk->what | DRAW_AS_BEFORE, l->flow, l->dir, l->index) >= walk->correlation)
		return 1;
	l->index--;
	return 0;
}

/* 32 bits, as draw(). */
__noinline __u32 draw_lot(const struct lots *lots, __u32 what, __u64 correlation)
{
	struct lot_walk walk = {.correlation = correlation, .what = what};

	if (!lots)
		return 0;
	walk.lots = *lots;
	if (correlation >= SP_ALWAYS)
		walk.lots.index = 0;
	else if (correlation)
		bpf_loop(LONGEST_WALK, lot_before, &walk, 0);
	return draw(walk.lots.seed, what, walk.lots.flow, walk.lots.dir, walk.lots.index);
}

struct state_walk {
	struct lots lots;
	__u64 good_to_bad; /* thresholds */
	__u64 bad_to_bad;
	__u32 swapped; /* the steps walked over, taken together, lead good to bad and bad to good */
	__u32 bad;     /* where the walk has ended */
};

static long state_before(__u64 __attribute__((unused)) i, struct state_walk *walk)
{
	struct lots *l = &walk->lots;
	bool from_good, from_bad;
	__u32 lot;

	walk->bad = walk->swapped;
	if (!l->index)
		return 1;
	l->index--;
	lot = draw(l->seed, DRAW_GE, l->flow, l->dir, l->index);
	from_good = lot < walk->good_to_bad;
	from_bad = lot < walk->bad_to_bad;
	if (from_good == from_bad) {
		walk->bad = from_good ^ walk->swapped;
		return 1;
	}
	walk->swapped ^= from_good;
	walk->bad = walk->swapped;
	return 0;
}

/* p, r: thresholds of the steps from good to bad and from bad to good. */
__noinline int is_bad_state(const struct lots *lots, __u64 p, __u64 r)
{
	struct state_walk walk = {.good_to_bad = p, .bad_to_bad = SP_ALWAYS - r};

	if (!lots)
		return 0;
	walk.lots = *lots;
	bpf_loop(LONGEST_WALK, state_before, &walk, 0);
	return walk.bad;
}

static __always_inline void count_lot(__u32 slot, enum sp_chance chance, bool hit)
{
	struct sp_receipt *receipt = bpf_map_lookup_elem(&receipts, &slot);

	if (!receipt)
		return;
	add(receipt->chance[chance].drawn, 1);
	if (hit)
		add(receipt->chance[chance].hit, 1);
}

#endif
