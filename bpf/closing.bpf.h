/* SPDX-License-Identifier: GPL-2.0-only */
/* How connections end, or don't: SP_MEANS_HALF_OPEN, _SLOW_CLOSE, _DISCONNECTS, _RATE_LIMIT. */
#ifndef SHEARPIN_CLOSING_BPF_H
#define SHEARPIN_CLOSING_BPF_H

#include "content.bpf.h"
#include "gate.bpf.h"
#include "refuse.bpf.h"
#include "state.bpf.h"

#define SECOND_NS 1000000000ULL
#define PLACE_TRIES 4

__u64 seconds
	[SP_MAX_RULES]; /* RATE_LIMIT: the second at work << 32 | connections so far that asked for a place in it */

/* FIN is taken off the payload that it comes with. */
static __always_inline enum sp_verdict half_open(const struct packet *p)
{
	if (p->proto != IPPROTO_TCP)
		return SP_PASS;
	if (p->tcp_flags & TCP_RST)
		return SP_DROP;
	if (p->tcp_flags & TCP_FIN)
		return p->payload_len ? SP_ALTER : SP_DROP;
	return SP_PASS;
}

/* Set or clear the FIN of a segment. 0 or a negative errno. */
static __always_inline int write_fin(struct __sk_buff *skb, const struct packet *p, bool fin)
{
	__u32 at = p->l4 + 12; /* data offset and flags */
	__be16 from, to;
	int err = bpf_skb_load_bytes(skb, at, &from, sizeof(from));

	if (err)
		return err;
	to = fin ? from | bpf_htons(TCP_FIN) : from & ~bpf_htons(TCP_FIN);
	err = bpf_l4_csum_replace(skb, p->l4 + offsetof(struct tcphdr, check), from, to, sizeof(to));
	return err ?: bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0);
}

/* What comes in without it has not arrived with it: so the observer sees it. */
static __always_inline int clear_fin(struct __sk_buff *skb, struct packet *p)
{
	int err = write_fin(skb, p, false);

	if (!err && p->dir == SP_DIR_IN)
		p->tcp_flags &= ~TCP_FIN;
	return err;
}

/* The second of the window, in order and unlike that of any other window of the rule; never 0. */
static __always_inline __u64 second_of(const struct sp_rule *r, __u32 slot, __u64 now)
{
	__u64 opened = window_opens(r, slot);

	return (opened - r->start_ns) / SECOND_NS + (slot - r->first_slot) + (now - opened) / SECOND_NS + 1;
}

/* Is there a place for one more connection in this second? What comes a moment late takes one of the second at work. */
static __always_inline bool take_place(const struct sp_rule *r, __u32 rule, __u32 slot, __u64 now)
{
	__u64 second = second_of(r, slot, now), before;
	__u64 *at = &seconds[rule & (SP_MAX_RULES - 1)];
	int try;

	for (try = 0; try < PLACE_TRIES; try++) {
		before = *(volatile __u64 *)at;
		if (before >> 32 >= second)
			break;
		if (__sync_val_compare_and_swap(at, before, second << 32) == before)
			break;
	}
	return (__u32)__sync_fetch_and_add(at, 1) < r->amount;
}

/* A SYN that is sent again has been judged; one with another sequence number is a new attempt. */
static __always_inline enum sp_verdict judge_syn(struct work *w, __u32 rule, struct bent *bent)
{
	const struct sp_rule *r = rule_at(rule);
	struct sp_state *state = state_of(bent);
	__u8 judged = SP_STATE_ENDED;

	if (state && state->flags[0] && state->isn == w->p.seq)
		return state->flags[0] & SP_STATE_ENDED ? SP_REFUSE : SP_PASS;
	if (take_place(r, rule, bent->passage.key.slot, w->now))
		judged = SP_STATE_ADMITTED;
	else if (state && r->then == SP_THEN_RESET)
		judged = SP_STATE_DOOMED;
	if (state) {
		state->isn = w->p.seq;
		state->flags[0] = judged;
	}
	return judged == SP_STATE_ENDED ? SP_REFUSE : SP_PASS;
}

static __always_inline enum sp_verdict rate_limit(struct work *w, __u32 rule, struct bent *bent)
{
	struct sp_state *state;

	if (w->p.proto != IPPROTO_TCP)
		return SP_PASS;
	if (is_syn(&w->p))
		return judge_syn(w, rule, bent);
	state = w->p.payload_len ? state_find(bent) : NULL;
	return state && state->flags[0] & SP_STATE_DOOMED && !(w->p.tcp_flags & TCP_RST) ? SP_RESET : SP_PASS;
}

/* From the window's opening, or from the connection's own: the time until it is reset. */
__noinline __u64 drawn_life(__u32 rule, __u32 slot, __u64 flow)
{
	struct sp_rule *r = rule_at(rule);

	return exponential(r->amount,
			   draw(window_seed(r->seed, slot - r->first_slot), DRAW_DISCONNECT, flow, 0, 0));
}

/* Is the connection due to be reset? One whose opening was not seen was there before the window, or the burst. */
static __always_inline bool is_due(struct sp_state *state, __u64 now, __u32 rule, __u32 slot, __u64 flow)
{
	if (!state->due_ns)
		state->due_ns = window_began(rule_at(rule), now, slot) + drawn_life(rule, slot, flow);
	return now >= state->due_ns;
}

/* The sequence number that a connection was opened with, as its SYN or the answer to it says. */
static __always_inline __u32 opened_with(const struct packet *p)
{
	return p->tcp_flags & TCP_ACK ? p->ack - 1 : p->seq;
}

static __always_inline enum sp_verdict disconnect(struct work *w, __u32 rule, struct bent *bent)
{
	__u32 slot = bent->passage.key.slot;
	struct sp_state *state;

	if (w->p.proto != IPPROTO_TCP || w->p.tcp_flags & TCP_RST)
		return SP_PASS;
	state = state_of(bent);
	if (!state)
		return SP_PASS;
	if (w->p.tcp_flags & TCP_SYN) {
		if (state->flags[0] & SP_STATE_SEEN && state->isn == opened_with(&w->p))
			return SP_PASS;
		state->flags[0] = SP_STATE_SEEN;
		state->isn = opened_with(&w->p);
		state->due_ns = w->now + drawn_life(rule, slot, key_hash(&bent->passage.key));
		return SP_PASS;
	}
	return is_due(state, w->now, rule, slot, key_hash(&bent->passage.key)) ? SP_RESET : SP_PASS;
}

#endif
