/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_LIMIT: so many bytes of payload arrive, and no more. Bytes are counted by the highest sequence number of each
 * direction, so that what is sent again counts once, and a hole counts when it is passed over. The segment that crosses the
 * limit is cut; behind it the connection ends as `then` says, but what lies before the limit may be sent again until it has
 * been acknowledged. With SP_THEN_FIN its receiver finds a FIN behind the last byte, and its sender one in the acknowledgement of
 * that, not before: whoever has not sent a FIN ignores segments that acknowledge one.
 *
 * A cut ends GSO. Where the rest would be longer than a segment of the packet, it is cut to one segment, and TCP sends what is
 * missing again; what lies behind the limit is dropped until then.
 */
#ifndef SHEARPIN_LIMIT_BPF_H
#define SHEARPIN_LIMIT_BPF_H

#include "content.bpf.h"
#include "gate.bpf.h"
#include "reset.bpf.h"
#include "state.bpf.h"

/* RFC 1982: sequence numbers wrap. */
static __always_inline bool is_behind(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* Of the payload, what lies before the limit. */
static __always_inline __u32 within_limit(const struct packet *p, __u32 top)
{
	if (!is_behind(top, p->seq))
		return 0;
	return top - p->seq < p->payload_len ? top - p->seq : p->payload_len;
}

static __always_inline __u32 segment_payload(const struct packet *p)
{
	const struct content *c = content_at_work();

	return c ? c->size - (p->ip_len - p->payload_len) : p->payload_len;
}

/* A connection begins: what was counted between the same ends is of another. */
static __always_inline void limit_begin(const struct packet *p, struct sp_state *s)
{
	__u32 dir = p->dir & 1;

	if (!(p->tcp_flags & TCP_ACK)) {
		s->bytes = 0;
		s->flags[SP_DIR_IN] = s->flags[SP_DIR_OUT] = 0;
	}
	s->top[dir] = p->seq + 1;
	s->flags[dir] |= SP_STATE_SEEN;
}

/* The limit is reached with this segment. Nothing that its receiver sends from here on was within it. */
static __always_inline void limit_reach(const struct packet *p, struct sp_state *s, __u32 left)
{
	__u32 dir = p->dir & 1, back = !dir;

	s->top[dir] += left;
	if (!(s->flags[back] & SP_STATE_SEEN) || is_behind(p->ack, s->top[back]))
		s->top[back] = p->ack;
	s->flags[back] |= SP_STATE_SEEN;
	s->flags[SP_DIR_IN] |= SP_STATE_ENDED;
}

static __always_inline enum sp_verdict limit_cross(const struct packet *p, struct sp_state *s,
						   const struct sp_rule *r, __u32 fresh, __u32 left)
{
	__u32 dir = p->dir & 1, top = s->top[dir], most = segment_payload(p);
	__u32 end = top + left;

	if (!is_behind(end, p->seq) && left) { /* the limit lies in a hole before it */
		add(s->bytes, -(__u64)fresh);
		return SP_DROP;
	}
	if (is_behind(end, p->seq) && end - p->seq > most) {
		end = is_behind(p->seq + most, top) ? p->seq + most : top;
		add(s->bytes, -(__u64)(fresh - (end - top)));
		s->top[dir] = end;
		return SP_ALTER;
	}
	add(s->bytes, -(__u64)(fresh - left));
	limit_reach(p, s, left);
	if (r->then == SP_THEN_RESET)
		return SP_RESET;
	return r->then == SP_THEN_FIN || is_behind(end, p->seq) ? SP_ALTER : SP_DROP;
}

static __always_inline enum sp_verdict limit_count(const struct packet *p, struct sp_state *s,
						   const struct sp_rule *r)
{
	__u32 dir = p->dir & 1, fresh;
	__u64 before;

	if (!(s->flags[dir] & SP_STATE_SEEN)) {
		s->top[dir] = p->seq;
		s->flags[dir] |= SP_STATE_SEEN;
	}
	fresh = p->seq + p->payload_len - s->top[dir];
	if ((__s32)fresh <= 0)
		return SP_PASS;
	before = add(s->bytes, fresh); /* both directions may be at it at once */
	if (before + fresh > r->amount)
		return limit_cross(p, s, r, fresh, before < r->amount ? r->amount - before : 0);
	s->top[dir] += fresh;
	return SP_PASS;
}

/* All that lies before the limit has arrived, and the FIN behind it, if there is one. */
static __always_inline void limit_note_ack(const struct packet *p, struct sp_state *s,
					   const struct sp_rule *r)
{
	__u32 back = !(p->dir & 1);
	__u32 whole = s->top[back] + (r->then == SP_THEN_FIN);

	if (p->tcp_flags & TCP_ACK && s->flags[back] & SP_STATE_SEEN && !is_behind(whole, p->ack))
		s->flags[back] |= SP_STATE_WHOLE;
}

/* What is sent again from behind the FIN on shows that it has arrived, too. */
static __always_inline enum sp_verdict limit_beyond(const struct packet *p, const struct sp_state *s,
						    const struct sp_rule *r)
{
	__u32 dir = p->dir & 1, within = within_limit(p, s->top[dir]);
	bool whole = s->flags[dir] & SP_STATE_WHOLE;

	if (r->then == SP_THEN_DROP) {
		if (whole || !within)
			return SP_DROP;
		return within == p->payload_len ? SP_PASS : SP_ALTER;
	}
	if (within == p->payload_len)
		return SP_PASS;
	if (!whole && p->seq != s->top[dir] + 1)
		return SP_ALTER;
	return s->flags[!dir] & SP_STATE_WHOLE ? SP_DROP : SP_RESET;
}

/* Without payload. */
static __always_inline enum sp_verdict limit_silent(const struct packet *p, const struct sp_state *s,
						    const struct sp_rule *r, bool awaited)
{
	__u32 dir = p->dir & 1;

	if (r->then == SP_THEN_DROP)
		return awaited && !(p->tcp_flags & (TCP_RST | TCP_FIN)) ? SP_PASS : SP_DROP;
	if (p->tcp_flags & (TCP_RST | TCP_FIN) || p->seq != s->top[dir] || s->flags[dir] & SP_STATE_WHOLE)
		return SP_PASS;
	return s->flags[!dir] & SP_STATE_WHOLE ? SP_ALTER : SP_PASS;
}

static __always_inline enum sp_verdict limit_ended(const struct packet *p, struct sp_state *s,
						   const struct sp_rule *r)
{
	__u32 back = !(p->dir & 1);
	bool awaited; /* the acknowledgement of all that lies before the limit */

	if (r->then == SP_THEN_RESET)
		return p->tcp_flags & TCP_RST ? SP_PASS : SP_RESET;
	awaited = (s->flags[back] & (SP_STATE_SEEN | SP_STATE_WHOLE)) == SP_STATE_SEEN;
	limit_note_ack(p, s, r);
	return p->payload_len ? limit_beyond(p, s, r) : limit_silent(p, s, r, awaited);
}

/* Not static: its stack is not the caller's. */
__noinline int limit(struct work *w, __u32 rule)
{
	const struct sp_rule *r = rule_at(rule);
	struct bent *bent = w ? bent_of(w) : NULL;
	struct sp_state *s;

	if (!w || !bent || w->p.proto != IPPROTO_TCP)
		return SP_PASS;
	s = state_of(bent);
	if (!s)
		return SP_PASS;
	if (w->p.tcp_flags & TCP_SYN) {
		limit_begin(&w->p, s);
		return SP_PASS;
	}
	if (s->flags[SP_DIR_IN] & SP_STATE_ENDED)
		return limit_ended(&w->p, s, r);
	return w->p.payload_len ? limit_count(&w->p, s, r) : SP_PASS;
}

#define SUM_BYTES 512 /* the most that bpf_csum_diff() takes on Linux 6.1 */
#define MOST_SUMS 160 /* 64 KiB and the header */

struct sum_buffer {
	__u32 words[SUM_BYTES / sizeof(__u32)];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sum_buffer);
} sum_buffers SEC(".maps");

struct summing {
	struct __sk_buff *skb;
	__u64 sum;
	__u32 at;
	__u32 left;
	int err;
	__u32 pad;
};

static long sum_next(__u64 __attribute__((unused)) i, struct summing *s)
{
	__u32 len = s->left < SUM_BYTES ? s->left : SUM_BYTES;
	struct sum_buffer *b = at_work(&sum_buffers);

	s->err = -1;
	if (!b)
		return 1;
	if (len < SUM_BYTES)
		__builtin_memset(b, 0, sizeof(*b));
	if (!len) {
		s->err = 0;
		return 1;
	}
	if (bpf_skb_load_bytes(s->skb, s->at, b, one_to(len, SUM_BYTES)))
		return 1;
	s->sum += bpf_csum_diff(NULL, 0, b->words, sizeof(*b), 0);
	s->at += len;
	s->left -= len;
	s->err = 0;
	return !s->left;
}

/* The checksum of the segment, whose own field is 0. */
static __always_inline int sum_segment(struct __sk_buff *skb, const struct packet *p, __u32 len,
				       __u16 *ret_sum)
{
	struct summing s = {.skb = skb, .at = p->l4, .left = len};

	bpf_loop(MOST_SUMS, sum_next, &s, 0);
	*ret_sum = ~csum_fold((__u64)csum_fold(s.sum) + csum_fold(csum_pseudo(p, IPPROTO_TCP, len)));
	return s.err || s.left ? -1 : 0;
}

static __always_inline int write_len(struct __sk_buff *skb, const struct packet *p, __u16 total)
{
	__u32 at = p->l3 + offsetof(struct iphdr, tot_len);
	__be16 len = bpf_htons(total), before;

	if (p->family == 6) {
		len = bpf_htons(total - sizeof(struct ipv6hdr));
		return bpf_skb_store_bytes(skb, p->l3 + offsetof(struct ipv6hdr, payload_len), &len,
					   sizeof(len), BPF_F_RECOMPUTE_CSUM);
	}
	if (bpf_skb_load_bytes(skb, at, &before, sizeof(before)) ||
	    bpf_l3_csum_replace(skb, p->l3 + offsetof(struct iphdr, check), before, len, sizeof(len)))
		return -1;
	return bpf_skb_store_bytes(skb, at, &len, sizeof(len), 0);
}

/* Sequence number and FIN. */
static __always_inline int write_place(struct __sk_buff *skb, const struct packet *p, __u32 seq, bool fin)
{
	__u32 at = p->l4 + 12; /* data offset and flags */
	__be32 number = bpf_htonl(seq);
	__be16 flags;

	if (bpf_skb_load_bytes(skb, at, &flags, sizeof(flags)))
		return -1;
	flags = fin ? flags | bpf_htons(TCP_FIN) : flags & ~bpf_htons(TCP_FIN);
	if (bpf_skb_store_bytes(skb, at, &flags, sizeof(flags), BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, p->l4 + offsetof(struct tcphdr, seq), &number, sizeof(number),
				   BPF_F_RECOMPUTE_CSUM);
}

/* Leave `keep` bytes of the payload, at `seq`, with or without a FIN behind them. 0 or a negative number. */
__noinline int cut_segment(struct __sk_buff *skb, const struct packet *p, __u32 keep, __u32 seq, __u8 fin)
{
	__u32 at, total;
	__u16 sum = 0;
	bool partial;

	if (!p || p->is_bound)
		return -1;
	at = p->l4 + offsetof(struct tcphdr, check);
	total = p->ip_len - p->payload_len + keep;
	partial = csum_is_partial(skb, at);
	if (bpf_skb_change_tail(skb, p->l3 + total, 0) || write_len(skb, p, total) ||
	    write_place(skb, p, seq, fin) ||
	    bpf_skb_store_bytes(skb, at, &sum, sizeof(sum), BPF_F_RECOMPUTE_CSUM))
		return -1;
	total -= p->l4 - p->l3;
	if (partial)
		sum = csum_fold(csum_pseudo(p, IPPROTO_TCP, total));
	else if (sum_segment(skb, p, total, &sum))
		return -1;
	return bpf_skb_store_bytes(skb, at, &sum, sizeof(sum), BPF_F_RECOMPUTE_CSUM);
}

/* By the rule's window that is open. NULL: nothing is known of the flow. */
static __always_inline struct sp_state *limit_state(struct work *w, __u32 rule)
{
	struct bent *bent = bent_of(w);

	if (!bent)
		return NULL;
	flow_key(&w->p, window_at(rule_at(rule), w->now), &bent->passage.key);
	return state_find(bent);
}

/* What comes in has not arrived otherwise than so: so the observer sees it. */
static __always_inline void limit_note_cut(struct packet *p, __u32 keep, bool fin)
{
	if (p->dir != SP_DIR_IN)
		return;
	p->ip_len -= p->payload_len - keep;
	p->payload_len = keep;
	p->tcp_flags = fin ? p->tcp_flags | TCP_FIN : p->tcp_flags & ~TCP_FIN;
}

/* SP_ALTER of a segment across the limit, or that gets the FIN. 0 or a negative number. */
__noinline int limit_cut(struct __sk_buff *skb, struct work *w, __u32 rule)
{
	const struct sp_state *s = w ? limit_state(w, rule) : NULL;
	__u32 keep, top, most = skb->gso_size;
	bool fin;

	if (!s)
		return -1;
	top = s->top[w->p.dir & 1];
	keep = within_limit(&w->p, top);
	fin = rule_at(rule)->then == SP_THEN_FIN && s->flags[SP_DIR_IN] & SP_STATE_ENDED;
	if (most && keep > most) {
		keep = most;
		fin = false;
	}
	if (keep && w->p.l3 + w->p.ip_len - w->p.payload_len + keep >= skb->len)
		return 0; /* another rule has cut it so short */
	if ((!keep && !fin) || cut_segment(skb, &w->p, keep, keep ? w->p.seq : top, fin))
		return -1;
	limit_note_cut(&w->p, keep, fin);
	return 0;
}

static __always_inline __u64 onward_flags(const struct packet *p, __u32 ifindex)
{
	return p->dir == SP_DIR_IN && ifindex != LOOPBACK_IFINDEX ? BPF_F_INGRESS : 0;
}

/* Behind what a clone of it has brought onward. */
static __always_inline int go_onward(struct __sk_buff *skb, const struct packet *p)
{
	if (p->dir == SP_DIR_IN)
		return bpf_redirect(skb->ifindex, onward_flags(p, skb->ifindex));
	opaque(skb); /* the compiler would keep the field's address, which the verifier does not follow */
	if (skb->ifindex != LOOPBACK_IFINDEX)
		skb->tc_index = 0;
	return SP_TC_NEXT;
}

/* In good order: its receiver has got all, and is at its end. */
static __always_inline int limit_finish(struct __sk_buff *skb, const struct packet *p,
					const struct sp_state *s, struct rst *rst)
{
	rst->fin = true;
	rst->swap = true;
	rst->seq = s->top[!(p->dir & 1)];
	rst->ack = s->top[p->dir & 1] + 1;
	return write_rst(skb, p, rst) ? CANNOT : bpf_redirect(skb->ifindex, turn_flags(p, skb->ifindex));
}

/* Both ends get an RST: the sender's is of its segment's numbers, the receiver's is behind what it has got. */
static __always_inline int limit_reset(struct __sk_buff *skb, const struct packet *p, struct rst *rst,
				       __u32 keep)
{
	rst->seq = p->ack;
	rst->ack = p->seq + p->payload_len;
	rst->swap = true;
	if (write_rst(skb, p, rst) || bpf_clone_redirect(skb, skb->ifindex, turn_flags(p, skb->ifindex)))
		return CANNOT;
	rst->seq = p->seq + keep;
	rst->ack = p->ack;
	rst->swap = false;
	return write_rst(skb, p, rst) ? CANNOT : go_onward(skb, p);
}

/* SP_RESET, for SP_THEN_RESET and _FIN. Returns the program's return value, or CANNOT. */
__noinline int limit_end(struct __sk_buff *skb, struct work *w)
{
	struct sp_state *s = w ? limit_state(w, w->rule) : NULL;
	__u32 keep, most = skb->gso_size;
	struct rst rst = {};
	int partial;
	bool fin;

	if (!s || w->p.is_bound)
		return CANNOT;
	fin = rule_at(w->rule)->then == SP_THEN_FIN;
	keep = within_limit(&w->p, s->top[w->p.dir & 1]);
	if (most && keep > most)
		return cut_segment(skb, &w->p, most, w->p.seq, false) ? CANNOT : SP_TC_NEXT;
	skb->tc_index = control.magic;
	if (!fin && keep &&
	    (cut_segment(skb, &w->p, keep, w->p.seq, false) ||
	     bpf_clone_redirect(skb, skb->ifindex, onward_flags(&w->p, skb->ifindex))))
		return CANNOT;
	partial = cut_to_tcp(skb, &w->p, rst.eth);
	if (partial < 0)
		return CANNOT;
	rst.partial = partial;
	return fin ? limit_finish(skb, &w->p, s, &rst) : limit_reset(skb, &w->p, &rst, keep);
}

#endif
