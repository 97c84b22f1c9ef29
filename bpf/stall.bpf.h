/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_STALL: every segment says that its sender has no room (RFC 9293, 3.8.6), so that its receiver stops sending and
 * keeps the connection. What the newest segment would have said is kept: when the window closes, the loader says it in the
 * sender's name (user/kernel/stalls.h).
 */
#ifndef SHEARPIN_STALL_BPF_H
#define SHEARPIN_STALL_BPF_H

#include "content.bpf.h"
#include "state.bpf.h"

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_SHIFT 3 /* RFC 7323, 2.2 */
#define OPTION_STAMPS 8
#define MOST_SHIFT 14
#define STAMPS_FIRST 0x0101080a /* as RFC 7323, appendix A, has them: NOP, NOP, kind, length */

struct option_walk {
	struct content *content;
	__u32 at;
	__u32 len;
};

static __always_inline void take_option(struct content *c, __u32 at, __u8 kind, __u8 len)
{
	const __u8 *value = &c->options[(at + 2) & (MOST_OPTIONS - 1)];
	__be32 stamps[2];

	if (kind == OPTION_SHIFT && len == 3)
		c->shift = value[0] < MOST_SHIFT ? value[0] : MOST_SHIFT;
	if (kind != OPTION_STAMPS || len != 10)
		return;
	__builtin_memcpy(stamps, value, sizeof(stamps));
	c->tsval = bpf_ntohl(stamps[0]);
	c->tsecr = bpf_ntohl(stamps[1]);
	c->is_stamped = true;
}

static long next_option(__u64 __attribute__((unused)) i, struct option_walk *w)
{
	struct content *c = w->content;
	__u32 at = w->at & (MOST_OPTIONS - 1);
	__u8 kind = c->options[at], len;

	if (w->at >= w->len || kind == OPTION_END)
		return 1;
	if (kind == OPTION_NOP) {
		w->at++;
		return 0;
	}
	len = c->options[(at + 1) & (MOST_OPTIONS - 1)];
	if (len < 2 || w->at + len > w->len)
		return 1;
	take_option(c, at, kind, len);
	w->at += len;
	return 0;
}

/* What a segment says of its sender's receive window and time. Not static: the verifier looks at it once. */
__noinline int peek_window(struct __sk_buff *skb, const struct packet *p)
{
	struct option_walk walk = {.content = content_at_work()};
	struct content *c = walk.content;
	__be16 window = 0;
	__u32 len;

	if (!c || !p)
		return 0;
	c->is_stamped = false;
	c->shift = 0;
	len = p->ip_len - p->payload_len - (p->l4 - p->l3) - sizeof(struct tcphdr);
	if (bpf_skb_load_bytes(skb, p->l4 + offsetof(struct tcphdr, window), &window, sizeof(window)))
		return 0;
	c->window = bpf_ntohs(window);
	if (!is_within(len, 1, MOST_OPTIONS) ||
	    bpf_skb_load_bytes(skb, p->l4 + sizeof(struct tcphdr), c->options, one_to(len, MOST_OPTIONS)))
		return 0;
	walk.len = len;
	if (len == 12 && *(__be32 *)c->options == bpf_htonl(STAMPS_FIRST))
		take_option(c, 2, OPTION_STAMPS, 10);
	else
		bpf_loop(MOST_OPTIONS, next_option, &walk, 0);
	if (p->tcp_flags & TCP_SYN) /* the one segment whose window is not scaled */
		c->window = c->window >> c->shift ?: 1;
	return 0;
}

/* The newest that the sender has said, whatever the order in which its segments come by. */
static __always_inline void note_window(const struct packet *p, struct sp_state *s, const struct content *c)
{
	__u32 dir = p->dir & 1, next = p->seq + p->payload_len;
	bool seen = s->flags[dir] & SP_STATE_SEEN;

	next += !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
	if (p->tcp_flags & TCP_SYN)
		seen = false;
	if (!seen || (__s32)(p->ack - s->ack[dir]) > 0 ||
	    (p->ack == s->ack[dir] && (__s32)(next - s->next_seq[dir]) >= 0)) {
		s->ack[dir] = p->ack;
		s->window[dir] = c->window;
		s->tsval[dir] = c->tsval;
		s->tsecr[dir] = c->tsecr;
	}
	if (!seen || (__s32)(next - s->next_seq[dir]) > 0)
		s->next_seq[dir] = next;
	s->flags[dir] = (seen ? s->flags[dir] : 0) | SP_STATE_SEEN | (c->is_stamped ? SP_STATE_STAMPED : 0) |
			(p->tcp_flags & TCP_FIN ? SP_STATE_ENDED : 0);
}

/* What an RST ends is not kept, and a SYN says nothing that its receiver could act on so far. */
static __always_inline enum sp_verdict stall(struct work *w, struct bent *bent)
{
	const struct content *c = content_at_work();
	struct sp_state *s;

	if (w->p.proto != IPPROTO_TCP)
		return SP_PASS;
	if (w->p.tcp_flags & TCP_RST || is_syn(&w->p)) {
		state_forget(bent);
		return is_syn(&w->p) ? SP_ALTER : SP_PASS;
	}
	s = state_of(bent);
	if (s && c) {
		s->ifindex = w->ifindex;
		note_window(&w->p, s, c);
	}
	return SP_ALTER;
}

/* 0 or a negative number. */
static __always_inline int shut_window(struct __sk_buff *skb, const struct packet *p)
{
	__u32 at = p->l4 + offsetof(struct tcphdr, window);
	__be16 from, shut = 0;
	int err;

	if (p->is_bound)
		return -1;
	err = bpf_skb_load_bytes(skb, at, &from, sizeof(from));
	err = err
		      ?: bpf_l4_csum_replace(skb, p->l4 + offsetof(struct tcphdr, check), from, shut,
					     sizeof(shut));
	return err ?: bpf_skb_store_bytes(skb, at, &shut, sizeof(shut), 0);
}

#endif
