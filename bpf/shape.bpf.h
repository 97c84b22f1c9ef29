/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a rule does to a packet that arrives all the same: copies, altered bits, and when it is due. Each rule is a pipe; where
 * several hold a packet, it leaves one to enter the next, in the order of the scenario, so that delays add up and the order
 * in a flow stays. Nothing is held beyond the end of the rule's window. docs/scenario.md has the semantics for users.
 */
#ifndef SHEARPIN_SHAPE_BPF_H
#define SHEARPIN_SHAPE_BPF_H

#include "decide.bpf.h"

#define NS_PER_S 1000000000ULL
#define ATOMIC_TRIES 4

static __always_inline enum draw draw_of(enum sp_chance chance)
{
	return chance == SP_CHANCE_DUPLICATE ? DRAW_DUPLICATE
	       : chance == SP_CHANCE_CORRUPT ? DRAW_CORRUPT
					     : DRAW_REORDER;
}

/* A lot that the rule draws; told in its receipt. Like those below not static: the verifier looks at each once. */
__noinline int wins(const struct lots *lots, __u32 slot, __u32 chance, __u64 below, __u64 correlation)
{
	bool hit;

	if (!lots)
		return false;
	hit = below >= SP_ALWAYS || draw_lot(lots, draw_of(chance), correlation) < below;
	count_lot(slot, chance & (SP_CHANCES - 1), hit);
	return hit;
}

static __always_inline __u64 jitter(const struct sp_rule *r, const struct lots *lots)
{
	__u32 lot = draw_lot(lots, DRAW_JITTER, r->delay_correlation);
	__u32 at = (__u32)r->distribution * SP_TABLE_SIZE + (lot >> 20); /* SP_TABLE_SIZE is 2^12 */
	__s64 delay;

	if (r->distribution == SP_UNIFORM)
		return r->delay_ns - r->jitter_ns + (r->jitter_ns * (lot >> 8) >> 23);
	opaque(at);
	at &= SP_DISTRIBUTIONS * SP_TABLE_SIZE - 1;
	delay = r->delay_ns + ((__s64)r->jitter_ns * distributions[at] >> 13); /* SP_TABLE_SCALE is 2^13 */
	return delay > 0 ? delay : 0;
}

__noinline __u64 drawn_delay(const struct lots *lots, __u32 rule)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];

	if (!lots)
		return 0;
	if (r->delay_below < SP_ALWAYS &&
	    draw(lots->seed, DRAW_DELAYED, lots->flow, lots->dir, lots->index) >= r->delay_below)
		return 0;
	return r->jitter_ns ? jitter(r, lots) : r->delay_ns;
}

/* Bytes on the wire of all segments, Ethernet headers included. */
static __always_inline __u64 wire_bytes(const struct work *w)
{
	__u32 headers = w->p.l4 - w->p.l3 + sizeof(struct udphdr);

	if (w->p.proto == IPPROTO_TCP)
		headers = w->p.ip_len - w->p.payload_len;
	return w->bytes + ETH_HLEN + (__u64)(w->segments - 1) * (headers + ETH_HLEN);
}

/*
 * Through the narrow path: when it has taken the last bit of what comes from `at` on, or 0, if the queue is full. next is when
 * the path is free again, which may lie in the past by the burst that may go ahead; at the window's end it is.
 */
__noinline __u64 pass_rate(__u32 rule, __u32 dir, __u64 at, __u64 length_ns, __u64 ends)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];
	__u64 *next = &rate_next[rule & (SP_MAX_RULES - 1)][dir & 1];
	__u64 begin, end = at;
	int try;

	for (try = 0; try < ATOMIC_TRIES; try++) {
		__u64 free = *(volatile __u64 *)next;

		begin = at > r->burst_ns ? at - r->burst_ns : 0;
		if (free > begin)
			begin = free;
		if (begin > at && begin - at > r->queue_ns)
			return 0;
		end = begin + length_ns;
		if (__sync_val_compare_and_swap(next, free, end < ends ? end : ends) == free)
			return end;
	}
	add(*next, length_ns); /* others were always faster: it takes its share all the same */
	return end;
}

/* Lots about the content. */
static __always_inline enum sp_verdict alter(const struct work *w, struct bend *bend, const struct sp_rule *r,
					     const struct lots *lots, __u32 slot)
{
	enum sp_verdict verdict = SP_PASS;
	bool valid = r->flags & SP_RULE_CORRUPT_VALID;

	if (r->duplicate_below &&
	    wins(lots, slot, SP_CHANCE_DUPLICATE, r->duplicate_below, r->duplicate_correlation)) {
		bend->copies++;
		verdict = SP_DUPLICATE;
	}
	if (r->corrupt_below && (valid ? payload_len(&w->p) > 0 : !line_is_dead(w->now)) &&
	    wins(lots, slot, SP_CHANCE_CORRUPT, r->corrupt_below, r->corrupt_correlation)) {
		bend->draw = draw(lots->seed, DRAW_BIT, lots->flow, lots->dir, lots->index);
		if (bend->alter != SP_ALTER_WRONG)
			bend->alter = valid ? SP_ALTER_VALID : SP_ALTER_WRONG;
		verdict = SP_ALTER;
	}
	return verdict;
}

/* Is the packet drawn to leave its place in the flow? */
static __always_inline bool is_reordered(const struct work *w, const struct sp_rule *r,
					 const struct lots *lots, __u32 slot)
{
	if (!r->reorder_below)
		return false;
	/* A GSO packet has as many chances as segments. */
	if (r->reorder_gap && lots->index % r->reorder_gap + w->segments < r->reorder_gap)
		return false;
	return wins(lots, slot, SP_CHANCE_REORDER, r->reorder_below, r->reorder_correlation);
}

static __always_inline __u64 later(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

static __always_inline __u64 earlier(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/*
 * Through the narrow path, and the delay behind it. What passes a path passes it in the order of arrival, whatever delays
 * there are, of this rule or another: a packet that is delayed for long keeps no other from its turn. False: the queue is full.
 */
static __always_inline bool pass_path(const struct work *w, struct bend *bend, const struct sp_rule *r,
				      __u32 rule, __u64 ends)
{
	__u64 arrives = bend->arrives ?: w->now, length_ns, end, first;

	length_ns = wire_bytes(w) * (1 + bend->copies) * NS_PER_S / r->rate;
	end = pass_rate(rule, w->p.dir, arrives, length_ns, ends);
	if (!end)
		return false;
	/* The first segment is through when its own bits are. */
	first = later(arrives, end - length_ns + length_ns / (w->segments ?: 1));
	bend->first += first - arrives;
	bend->release = later(bend->release + first - arrives, bend->first + (end > first ? end - first : 0));
	bend->arrives = first;
	bend->plain = 1;
	return true;
}

/* The last release time in the flow before this packet's, which takes its place unless it is earlier. */
__noinline __u64 claim_order(struct sp_flow *flow, __u32 dir, __u64 release, __u64 ends)
{
	__u64 before = 0;
	int try;

	if (!flow)
		return 0;
	for (try = 0; try < ATOMIC_TRIES; try++) {
		before = *(volatile __u64 *)&flow->release[dir & 1];
		if (__sync_val_compare_and_swap(&flow->release[dir & 1], before,
						earlier(later(release, before), ends)) == before)
			break;
	}
	return before;
}

/*
 * Not before the packet of its flow in front of it, and not beyond the window's end: then the packet is let go with all
 * others. flow: NULL, if its place in the flow is of no matter.
 */
static __always_inline void settle_times(const struct work *w, struct bend *bend, struct sp_flow *flow,
					 struct sp_receipt *receipt, __u64 ends)
{
	__u64 before = flow ? claim_order(flow, w->p.dir, bend->release, ends) : 0;

	if (bend->first < before) {
		add(receipt->raised, w->segments);
		bend->first = before;
		bend->release = later(bend->release, before);
	}
	if (bend->release > ends) {
		add(receipt->clipped, w->segments);
		bend->first = earlier(bend->first, ends);
		bend->release = ends;
	}
}

/* What the rule does to a packet that it neither loses nor answers; its share of the verdict. */
__noinline int bend_packet(struct work *w, __u32 rule, const struct passage *a, struct sp_flow *flow)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];
	struct sp_receipt *receipt;
	enum sp_verdict verdict;
	struct bend *bend;
	struct bent *bent;
	struct lots *lots;
	bool reordered;
	__u32 slot;
	__u64 ends, delay;

	if (!w || !a)
		return SP_PASS;
	slot = a->key.slot;
	receipt = bpf_map_lookup_elem(&receipts, &slot);
	bent = bent_of(w);
	if (!receipt || !bent)
		return SP_PASS;
	bend = &bent->bend;
	lots = &bent->lots;
	*lots = lots_of(r, a, w->p.dir);
	verdict = alter(w, bend, r, lots, slot);
	if (verdict && !bend->release)
		bend->slot = slot;
	if (!(r->flags & SP_RULE_HOLDS))
		return verdict;
	if (r->meaning == SP_MEANS_SLOW_CLOSE) {
		if (w->p.proto != IPPROTO_TCP || !(w->p.tcp_flags & TCP_FIN) ||
		    !flow_drawn(r, &a->key, DRAW_FLOW, r->flow_below))
			return verdict;
		bend->split |= w->p.payload_len != 0;
	}
	if (line_is_dead(w->now)) {
		add(receipt->stale, w->segments);
		return verdict;
	}
	reordered = is_reordered(w, r, lots, slot);
	if (reordered && !r->reorder_by_ns)
		return verdict;
	if (!bend->release)
		bend->first = bend->release = w->now;
	ends = later(window_ends(r, w->now, slot), bend->release); /* what another rule did stays */
	if (r->rate && !pass_path(w, bend, r, rule, ends)) {
		add(receipt->overflow, w->segments);
		return SP_DROP;
	}
	delay = drawn_delay(lots, rule);
	if (reordered)
		delay += r->reorder_by_ns;
	bend->requested += delay;
	bend->first += delay;
	bend->release += delay;
	if (reordered || r->flags & SP_RULE_REORDER_JITTER)
		flow = NULL;
	settle_times(w, bend, flow, receipt, ends);
	w->release = bend->release;
	bend->slot = slot;
	bend->spacing = w->segments > 1 ? (bend->release - bend->first) / (w->segments - 1) : 0;
	return verdict ?: SP_DELAY;
}

#endif
