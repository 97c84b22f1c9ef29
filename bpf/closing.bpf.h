/* SPDX-License-Identifier: GPL-2.0-only */
/* How connections end, or don't: SP_MEANS_HALF_OPEN, _SLOW_CLOSE, _DISCONNECTS, _RATE_LIMIT. */
#ifndef SHEARPIN_CLOSING_BPF_H
#define SHEARPIN_CLOSING_BPF_H

#include "content.bpf.h"
#include "refuse.bpf.h"
#include "state.bpf.h"

#define SECOND_NS 1000000000ULL
#define PLACE_TRIES 8

__u64 seconds[SP_MAX_RULES]; /* RATE_LIMIT: the second at work << 32 | connections so far in it */

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

static __always_inline int clear_fin(struct __sk_buff *skb, const struct packet *p)
{
	return write_fin(skb, p, false);
}

/* Is there a place for one more connection in this second of the window? */
static __always_inline bool take_place(const struct sp_rule *r, __u32 rule, __u32 slot, __u64 now)
{
	__u32 instance = slot - r->first_slot, second, taken;
	__u64 since = now - r->start_ns - instance * r->every_ns, before;
	__u64 *at = &seconds[rule & (SP_MAX_RULES - 1)];
	int try;

	second = instance << 20 | since / SECOND_NS;
	for (try = 0; try < PLACE_TRIES; try++) {
		before = *(volatile __u64 *)at;
		taken = before >> 32 == second + 1 ? (__u32)before : 0;
		if (taken >= r->amount)
			return false;
		if (__sync_val_compare_and_swap(at, before, (__u64)(second + 1) << 32 | (taken + 1)) ==
		    before)
			return true;
	}
	return false;
}

/* A SYN that is sent again has been judged; one with another sequence number is a new attempt. */
static __always_inline enum sp_verdict judge_syn(struct work *w, __u32 rule, struct bent *bent)
{
	const struct sp_rule *r = rule_at(rule);
	struct sp_state *state = state_of(bent);

	if (state && state->isn == w->p.seq && state->flags[0] & (SP_STATE_ADMITTED | SP_STATE_DOOMED))
		return SP_PASS;
	if (state) {
		state->isn = w->p.seq;
		state->flags[0] = SP_STATE_ADMITTED;
	}
	if (take_place(r, rule, bent->passage.key.slot, w->now))
		return SP_PASS;
	if (!state || r->then == SP_THEN_REFUSE) {
		if (state)
			state->flags[0] = 0;
		return SP_REFUSE;
	}
	state->flags[0] = SP_STATE_DOOMED;
	return SP_PASS;
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

#endif
