/* SPDX-License-Identifier: GPL-2.0-only */
/* Budgets, counters of what was done, and the events that are worth one. */
#ifndef SHEARPIN_ACCOUNT_BPF_H
#define SHEARPIN_ACCOUNT_BPF_H

#include "decide.bpf.h"

/* A wake-up costs more than a record: one for each such mark that is passed. No record is longer than the span. */
#define RING_WAKE_SPAN (SP_CAPTURE_LARGE + 256)

static __always_inline __u64 ring_wake(void *ring)
{
	__u64 waits = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);

	return waits >= RING_WAKE_BYTES && (waits & (RING_WAKE_BYTES - 1)) < RING_WAKE_SPAN
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* NULL: there is no room, which is counted. */
static __always_inline void *reserve_event(__u64 size)
{
	void *e = bpf_ringbuf_reserve(&events, size, 0);

	if (!e)
		count_stat(SP_STAT_RING_LOST);
	return e;
}

__noinline int emit(const struct work *w, __u32 type)
{
	struct sp_event *e;

	if (!w)
		return 0;
	e = reserve_event(sizeof(*e));
	if (!e)
		return 0;
	e->ns = w->now;
	e->type = type;
	e->rule = w->rule;
	flow_key(&w->p, w->slot, &e->flow);
	e->verdict = w->verdict;
	e->hook = w->hook;
	e->dir = w->p.dir;
	e->budget = control.spent;
	e->seq = w->p.seq;
	e->refuse = rules[w->rule & (SP_MAX_RULES - 1)].refuse;
	e->is_own = w->is_local &&
		    (w->p.proto == IPPROTO_UDP || (__u32)bpf_get_current_task_btf()->tgid == own_pid);
	__builtin_memset(e->pad, 0, sizeof(e->pad));
	bpf_ringbuf_submit(e, type == SP_EVENT_UNREACHABLE ? BPF_RB_FORCE_WAKEUP : ring_wake(&events));
	return 0;
}

/* What w's rule did to the packet. */
__noinline int emit_packet(const struct work *w)
{
	struct sp_packet_event *e;

	if (!w)
		return 0;
	e = reserve_event(sizeof(*e));
	if (!e)
		return 0;
	e->ns = w->now;
	e->type = SP_EVENT_PACKET;
	e->rule = w->rule;
	flow_key(&w->p, w->slot, &e->flow);
	e->verdict = w->verdict;
	e->hook = w->hook;
	e->dir = w->p.dir;
	e->pad = 0;
	e->index = w->index;
	e->segments = w->segments;
	e->bytes = w->bytes;
	e->delay_ns = w->verdict < SP_REFUSE && w->release > w->now ? w->release - w->now : 0;
	bpf_ringbuf_submit(e, ring_wake(&events));
	return 0;
}

/* The first of all packets that finds a budget spent says so. */
static __always_inline void spend(const struct work *w, enum sp_budget budget)
{
	if (__sync_val_compare_and_swap(&control.spent, SP_BUDGET_NONE, budget) == SP_BUDGET_NONE)
		emit(w, SP_EVENT_BUDGET);
}

/* Is there budget for this packet to be hit? new_flow: it is the first of its flow in this window, or may be. */
static __always_inline bool within_budget(const struct work *w, bool new_flow)
{
	if (control.spent)
		return false;
	if (control.deadline_ns && w->now >= control.deadline_ns)
		spend(w, SP_BUDGET_DURATION);
	else if (control.max_packets &&
		 __sync_fetch_and_add(&spent.packets, w->segments) + w->segments > control.max_packets)
		spend(w, SP_BUDGET_PACKETS);
	else if (new_flow && control.max_flows && __sync_fetch_and_add(&spent.flows, 1) >= control.max_flows)
		spend(w, SP_BUDGET_FLOWS);
	else
		return true;
	return false;
}

/* Is this the flow's first packet that is hit in this window? Asked once. */
static __always_inline bool is_first(struct sp_flow *flow)
{
	return flow && !flow->announced && !__sync_val_compare_and_swap(&flow->announced, 0, 1);
}

/* Count the hit in its flow, and tell of the flow's first. */
static __always_inline void note_hit(const struct work *w, struct sp_counters *c, struct sp_flow *flow,
				     bool first)
{
	if (flow)
		add(flow->hits[w->p.dir & 1], w->segments);
	if (!first)
		return;
	add(c->flows, 1); /* the walk over the sockets counts here, too */
	emit(w, SP_EVENT_FLOW_HIT);
}

/* Take the verdict out of the budgets, or turn it into SP_SUPPRESS. */
static __always_inline void charge_flow(struct work *w, struct sp_counters *c, struct sp_flow *flow)
{
	bool first = is_first(flow);

	if (within_budget(w, first || !flow))
		note_hit(w, c, flow, first);
	else
		w->verdict = SP_SUPPRESS;
}

/* Where several rules contended, the winner's flow and counters are to be found again. */
__noinline int charge(struct work *w)
{
	struct sp_flow_key key;
	struct sp_counters *c;
	__u32 slot;

	if (!w)
		return 0;
	slot = w->slot;
	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return 0;
	flow_key(&w->p, w->slot, &key);
	charge_flow(w, c, bpf_map_lookup_elem(&flows, &key));
	return 0;
}

static __always_inline void account(const struct work *w, bool failed)
{
	__u32 slot = w->slot; /* Linux 6.1 takes no key from behind an argument */
	struct sp_counters *c = bpf_map_lookup_elem(&counters, &slot);

	if (!c)
		return;
	c->verdict[w->verdict & (SP_VERDICTS - 1)] += w->segments;
	if (failed)
		c->failed += w->segments;
	if (w->verdict <= SP_SUPPRESS)
		return;
	if (!c->first_ns)
		c->first_ns = w->now;
	c->last_ns = w->now;
	if (control.evidence & SP_EVIDENCE_PACKETS)
		emit_packet(w);
}

/* Beside the winner: what this rule did to the packet, too. */
__noinline int charge_part(struct work *w)
{
	struct sp_flow_key key;
	struct sp_counters *c;
	struct sp_flow *flow;
	__u32 slot;

	if (!w)
		return 0;
	slot = w->slot;
	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return 0;
	flow_key(&w->p, w->slot, &key);
	flow = bpf_map_lookup_elem(&flows, &key);
	note_hit(w, c, flow, is_first(flow));
	account(w, false);
	return 0;
}

static __always_inline struct part part_of(const struct work *w)
{
	return (struct part){.slot = w->slot, .index = w->index, .rule = w->rule, .verdict = w->verdict};
}

static __always_inline void put_part(struct work *w, const struct part *part)
{
	w->slot = part->slot;
	w->index = part->index;
	w->rule = part->rule;
	w->verdict = part->verdict;
}

static long settle_part(__u64 i, struct work *w)
{
	struct part winner = part_of(w), part;
	struct bent *bent = bent_of(w);

	opaque(i);
	if (!bent || i >= MOST_PARTS || i >= bent->n_parts)
		return 1;
	part = bent->parts[i];
	if (part.slot == winner.slot)
		return 0;
	if (!is_mild(winner.verdict)) {
		count_verdict(part.slot, winner.verdict == SP_SUPPRESS ? SP_SUPPRESS : SP_PASS, w->segments);
		return 0;
	}
	put_part(w, &part);
	charge_part(w);
	put_part(w, &winner);
	return 0;
}

/* Nearly always just one rule matches: then everything is at hand. */
__noinline int decide_alone(struct work *w, __u32 rule)
{
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];
	struct sp_counters *c;
	struct sp_flow *flow;
	struct passage a;

	if (!w)
		return 0;
	c = enter_window(w, r, &a);
	if (!c)
		return 0;
	flow = flow_pass(w, c, &a);
	w->rule = rule;
	w->slot = a.key.slot;
	w->index = a.seen;
	opaque(rule); /* r is found again: the stack has no room to keep it across the calls */
	w->verdict = rule_verdict(rule_at(rule), rule, w, &a);
	note_owed(w, &a, flow);
	if (!without_shadows && rule_at(rule)->shadow) {
		cast_shadow(w, rule_at(rule), &a, w->verdict);
		undecided(w);
		return 0;
	}
	if (!(without_bends && without_meanings) && w->verdict == SP_PASS)
		w->verdict = milder_verdict(w, rule, &a, flow);
	if (w->verdict > SP_SUPPRESS)
		charge_flow(w, c, flow);
	return 0;
}

/* Consider every matching rule; the winner is in w->rule, w->slot (NO_SLOT: none was open), w->verdict. */
static __always_inline void decide(struct work *w)
{
	__u32 rule = take_bit(&w->match);

	undecided(w);
	if (!bits_any(&w->match) && !control.rehearsal) {
		decide_alone(w, rule);
		return;
	}
	put_bit(&w->match, rule);
	bpf_loop(SP_MAX_RULES, decide_next, w, 0);
	if (control.rehearsal)
		return;
	if (w->verdict > SP_SUPPRESS)
		charge(w);
	if (!without_bends && w->is_bent)
		bpf_loop(MOST_PARTS, settle_part, w, 0);
}

#endif
