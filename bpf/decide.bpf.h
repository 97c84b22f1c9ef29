/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Of all rules that match a packet and whose window is open, the hardest verdict wins. Time is an argument (work.now),
 * randomness a hash of arguments; the entry points pass the clock, tests pass their own.
 */
#ifndef SHEARPIN_DECIDE_BPF_H
#define SHEARPIN_DECIDE_BPF_H

#include "gate.bpf.h"
#include "means.bpf.h"

/* Nobody sends on what would go into the line. */
static __always_inline bool line_is_dead(__u64 now)
{
	__u64 beat = *(volatile __u64 *)&control.beat_ns;

	return now > beat && now - beat > SP_HEARTBEAT_NS;
}

enum loss {
	NOT_LOST,
	LOST_AT_RANDOM,
	LOST_AS_OWED, /* drop_every took it */
};

/*
 * A GSO packet goes as a whole, once the flow owes as many losses as it has segments. Without an every-th packet in it none goes:
 * what GSO packets owe is not taken from small ones in a row, such as TCP sends again.
 */
static __always_inline bool is_owed(const struct passage *a, __u32 every, __u32 segments)
{
	__u32 before = a->seen / every, due = (a->seen + segments) / every;

	return due > before && (a->lost == NO_COUNT ? before : a->lost) + segments <= due;
}

/* Not static: its stack is not the caller's. */
__noinline int find_loss(const struct passage *a, __u32 rule, __u8 dir, __u32 segments)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];
	struct lots lots;
	bool lost;

	if (!a)
		return NOT_LOST;
	if (r->drop_every)
		return is_owed(a, r->drop_every, segments) ? LOST_AS_OWED : NOT_LOST;
	lots = lots_of(r, a, dir);
	if (r->flags & SP_RULE_GEMODEL)
		lost = draw(lots.seed, DRAW_GE_LOSS, lots.flow, dir, a->seen) <
		       (is_bad_state(&lots, r->ge_p, r->ge_r) ? r->ge_bad : r->ge_good);
	else if (r->loss_correlation)
		lost = draw_lot(&lots, DRAW_LOSS, r->loss_correlation) < r->drop_below;
	else
		lost = draw(lots.seed, DRAW_LOSS, lots.flow, dir, a->seen) < r->drop_below;
	if (r->flags & SP_RULE_RECEIPT)
		count_lot(a->key.slot, SP_CHANCE_LOSS, lost);
	return lost ? LOST_AT_RANDOM : NOT_LOST;
}

static __always_inline bool is_lost(const struct sp_rule *r, __u32 rule, const struct work *w,
				    struct passage *a)
{
	enum loss loss;

	if (r->drop_below >= SP_ALWAYS)
		return true;
	if (!r->drop_below && !r->drop_every && !(r->flags & SP_RULE_GEMODEL))
		return false;
	loss = find_loss(a, rule, w->p.dir, w->segments);
	a->owed = loss == LOST_AS_OWED;
	return loss != NOT_LOST;
}

/* What the rule does to a packet that its window is open for. */
static __always_inline enum sp_verdict rule_verdict(const struct sp_rule *r, __u32 rule, const struct work *w,
						    struct passage *a)
{
	const struct packet *p = &w->p;
	__u8 sender = p->dir == SP_DIR_OUT ? SP_END_LOCAL : SP_END_REMOTE;
	bool syn = is_syn(p);

	if (is_lost(r, rule, w, a))
		return SP_DROP;
	if (without_answers || !(r->reset_ends | r->refuse) ||
	    !flow_drawn(r, &a->key, DRAW_FLOW, r->flow_below))
		return SP_PASS;
	if (r->reset_ends && p->proto == IPPROTO_TCP) {
		if (p->tcp_flags & TCP_RST)
			return SP_PASS;
		if (!syn)
			return SP_RESET;
		/* A new connection is refused to the end that asks, if that end is to be reset. */
		return r->reset_ends & sender ? SP_REFUSE : SP_DROP;
	}
	if (r->refuse && (syn || (p->proto == IPPROTO_UDP && r->refuse != SP_REFUSE_TCP_RESET)) &&
	    is_answerable(p))
		return SP_REFUSE;
	return SP_PASS;
}

/* Without a branch (Warren, Hacker's Delight, 5-1). */
static __always_inline __u32 count_ones(__u64 x)
{
	x -= x >> 1 & 0x5555555555555555ULL;
	x = (x & 0x3333333333333333ULL) + (x >> 2 & 0x3333333333333333ULL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return x * 0x0101010101010101ULL >> 56;
}

/* The lowest set bit's number, taken out of the vector; SP_MAX_RULES: none is left. */
static __always_inline __u32 take_bit(struct sp_bits *b)
{
	__u64 w;
	__u32 n;
	int i;

	for (i = 0; i < SP_WORDS - 1 && !b->w[i & (SP_WORDS - 1)]; i++)
		;
	w = b->w[i & (SP_WORDS - 1)];
	if (!w)
		return SP_MAX_RULES;
	b->w[i & (SP_WORDS - 1)] = w & (w - 1);
	n = i * 64 + count_ones((w & -w) - 1);
	opaque(n); /* any rule: the verifier need not follow each */
	return n & (SP_MAX_RULES - 1);
}

static __always_inline void put_bit(struct sp_bits *b, __u32 n)
{
	b->w[n / 64 & (SP_WORDS - 1)] |= 1ULL << (n & 63);
}

static const struct sp_flow no_flow;

static __always_inline struct sp_flow *flow_get(const struct sp_flow_key *key, __u64 now)
{
	struct sp_flow *flow = bpf_map_lookup_elem(&flows, key);

	if (flow)
		return flow;
	bpf_map_update_elem(&flows, key, &no_flow, BPF_NOEXIST);
	flow = bpf_map_lookup_elem(&flows, key);
	if (flow && !flow->first_ns)
		flow->first_ns = now;
	return flow;
}

static __always_inline void count_verdict(__u32 slot, enum sp_verdict verdict, __u32 segments)
{
	struct sp_counters *c = bpf_map_lookup_elem(&counters, &slot);

	if (c)
		c->verdict[verdict & (SP_VERDICTS - 1)] += segments;
}

/* What is mild is counted when all rules had their say. */
static __always_inline void note_part(struct work *w, __u32 rule, const struct passage *a,
				      enum sp_verdict verdict)
{
	struct bent *bent = bent_of(w);
	__u32 n;

	if (!bent)
		return;
	n = bent->n_parts;
	opaque(n);
	if (n >= MOST_PARTS)
		return;
	bent->parts[n] =
		(struct part){.slot = a->key.slot, .index = a->seen, .rule = rule, .verdict = verdict};
	bent->n_parts = n + 1;
}

/* The harder verdict stays the winner; the other rule has let the packet pass, unless both were mild. */
static __always_inline void contend(struct work *w, __u32 rule, const struct passage *a,
				    enum sp_verdict verdict)
{
	__u32 slot = a->key.slot;

	if (!without_bends && is_mild(verdict))
		note_part(w, rule, a, verdict);
	if (w->slot != NO_SLOT && verdict <= w->verdict) {
		if (!is_mild(verdict))
			count_verdict(slot, SP_PASS, w->segments);
		return;
	}
	if (w->slot != NO_SLOT && !is_mild(w->verdict))
		count_verdict(w->slot, SP_PASS, w->segments);
	w->rule = rule;
	w->slot = slot;
	w->index = a->seen;
	w->verdict = verdict;
}

/* Count the packet in its flow and tell how many came before; NULL: the flow found no room in the table. */
static __always_inline struct sp_flow *flow_pass(const struct work *w, struct sp_counters *c,
						 struct passage *a)
{
	struct sp_flow *flow = flow_get(&a->key, w->now);
	__u32 dir = w->p.dir & 1;

	a->lost = 0;
	a->owed = false;
	if (!flow) {
		a->lost = NO_COUNT;
		a->seen = c->untracked;
		c->untracked += w->segments;
		return NULL;
	}
	a->lost = flow->lost[dir];
	a->seen = __sync_fetch_and_add(&flow->packets[dir], w->segments);
	flow->last_ns = w->now;
	__sync_fetch_and_add(&flow->bytes, w->bytes);
	return flow;
}

#include "shape.bpf.h"

/* What the rule does to a packet that it neither loses nor resets nor refuses. */
static __always_inline enum sp_verdict milder_verdict(struct work *w, __u32 rule, const struct passage *a,
						      struct sp_flow *flow)
{
	struct sp_rule *r = rule_at(rule);
	enum sp_verdict verdict = SP_PASS, bent;

	if (!without_meanings && r->meaning)
		verdict = mean_verdict(w, rule, a);
	if (without_bends || verdict > SP_ALTER || !(r->flags & SP_RULE_BENDS))
		return verdict;
	bent = bend_packet(w, rule, a, flow);
	return bent > verdict ? bent : verdict;
}

/* What the rule would do to the packet is not known, but that it is one that might. */
static __always_inline enum sp_verdict crowd_out(const struct work *w, const struct sp_rule *r,
						 const struct passage *a)
{
	return r->meaning || r->flags & SP_RULE_BENDS ? count_failed(w, a) : SP_PASS;
}

static __always_inline void note_owed(const struct work *w, const struct passage *a, struct sp_flow *flow)
{
	if (a->owed && flow)
		add(flow->lost[w->p.dir & 1], w->segments);
}

/* The counters of the rule's window, if one is open for this packet; a->key names the window. */
static __always_inline struct sp_counters *enter_window(struct work *w, const struct sp_rule *r,
							struct passage *a)
{
	struct sp_counters *c;
	__u32 slot = window_at(r, w->now);

	if ((int)slot == WINDOW_CLOSED)
		return NULL;
	flow_key(&w->p, slot, &a->key);
	if (!flow_drawn(r, &a->key, DRAW_SHARE, r->share))
		return NULL;
	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return NULL;
	c->matched += w->segments;
	c->bytes += w->bytes;
	return c;
}

/* Beside the contest: the packet never knows. */
static __always_inline void cast_shadow(const struct work *w, const struct sp_rule *r,
					const struct passage *a, enum sp_verdict verdict)
{
	bool bends = r->flags & SP_RULE_BENDS && r->meaning != SP_MEANS_SLOW_CLOSE;
	bool means = r->meaning && flow_drawn(r, &a->key, DRAW_FLOW, r->flow_below);
	bool hit = verdict != SP_PASS || bends || means;

	count_verdict(a->key.slot, hit ? SP_SUPPRESS : SP_PASS, w->segments);
}

/* Not static: the verifier looks at it once, by itself, however many rules match. */
__noinline int decide_rule(struct work *w, __u32 rule)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];
	enum sp_verdict verdict;
	struct sp_counters *c;
	struct sp_flow *flow;
	struct passage *a;
	struct bent *bent;

	if (!w)
		return 0;
	bent = bent_of(w);
	if (!bent)
		return 0;
	a = &bent->passage;
	c = enter_window(w, r, a);
	if (!c)
		return 0;
	flow = flow_pass(w, c, a);
	verdict = rule_verdict(r, rule, w, a);
	note_owed(w, a, flow);
	if (!without_shadows && r->shadow) {
		cast_shadow(w, r, a, verdict);
		return 0;
	}
	if (!(without_bends && without_meanings) && verdict == SP_PASS)
		verdict = bent->n_parts < MOST_PARTS ? milder_verdict(w, rule, a, flow) : crowd_out(w, r, a);
	contend(w, rule, a, verdict);
	return 0;
}

/* As if every window were open, every draw lost, and no budget spent. Counts nothing. */
__noinline int rehearse_rule(struct work *w, __u32 rule)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];
	enum sp_verdict verdict;
	struct passage a = {};

	if (!w)
		return 0;
	verdict = r->drop_below || r->drop_every || r->flags & SP_RULE_GEMODEL ? SP_DROP
									       : rule_verdict(r, rule, w, &a);
	if (verdict == SP_PASS && r->flags & SP_RULE_BENDS)
		verdict = SP_DELAY;
	if (verdict == SP_PASS && r->meaning)
		verdict = SP_ALTER;
	if (w->slot != NO_SLOT && verdict <= w->verdict)
		return 0;
	w->rule = rule;
	w->slot = r->first_slot;
	w->verdict = verdict;
	return 0;
}

static long decide_next(__u64 __attribute__((unused)) i, struct work *w)
{
	__u32 rule = take_bit(&w->match);

	if (rule >= SP_MAX_RULES)
		return 1;
	if (control.rehearsal)
		rehearse_rule(w, rule);
	else
		decide_rule(w, rule);
	return 0;
}

#endif
