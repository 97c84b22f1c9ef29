/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk over the TCP sockets of a network namespace: an idle connection sends no packet that a reset could answer, so when
 * a window opens, this finds the ones that a reset rule hits and hands out the sequence numbers that both ends expect.
 * While a window of SP_MEANS_DISCONNECTS is open, it is taken again and again, and finds the ones that are due.
 * The loader sends the RST segments.
 */
#ifndef SHEARPIN_SOCKETS_BPF_H
#define SHEARPIN_SOCKETS_BPF_H

#include "observe.bpf.h"

/* States in which a connection has both sequence numbers; <net/tcp_states.h>. */
#define TCP_ESTABLISHED 1
#define TCP_FIN_WAIT1 4
#define TCP_FIN_WAIT2 5
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_CLOSING 11

static __always_inline bool is_connection(__u8 state)
{
	return state == TCP_ESTABLISHED || (state >= TCP_FIN_WAIT1 && state <= TCP_FIN_WAIT2) ||
	       (state >= TCP_CLOSE_WAIT && state <= TCP_LAST_ACK) || state == TCP_CLOSING;
}

static __always_inline bool is_mapped(const __u32 *addr)
{
	return !addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff);
}

/* The socket as a packet that it would send. */
static __always_inline void packet_of_socket(struct sock_common *sk, struct packet *p)
{
	struct kernel_in6_addr addr;

	__builtin_memset(p, 0, sizeof(*p));
	if (sk->skc_family == AF_INET6) {
		bpf_probe_read_kernel(&addr, sizeof(addr), &sk->skc_v6_rcv_saddr);
		__builtin_memcpy(p->src, &addr, sizeof(p->src));
		bpf_probe_read_kernel(&addr, sizeof(addr), &sk->skc_v6_daddr);
		__builtin_memcpy(p->dst, &addr, sizeof(p->dst));
		p->family = is_mapped(p->dst) ? 4 : 6;
	} else {
		p->src[2] = p->dst[2] = bpf_htonl(0xffff);
		p->src[3] = sk->skc_rcv_saddr;
		p->dst[3] = sk->skc_daddr;
		p->family = 4;
	}
	p->sport = sk->skc_num;
	p->dport = bpf_ntohs(sk->skc_dport);
	p->proto = IPPROTO_TCP;
	p->tcp_flags = TCP_ACK;
	p->dir = SP_DIR_OUT;
}

/* The interface that the connection goes through: where it sends to, or else where it last received from. */
static __always_inline __u32 socket_ifindex(struct sock *sk)
{
	struct dst_entry *route = sk->sk_dst_cache;

	return route ? route->dev->ifindex : sk->sk_rx_dst_ifindex;
}

struct socket_work {
	struct work w;
	struct sp_flow_key key;
	__u8 ends;
};

/* As disconnect() has it for a segment. No packet is at work here whose passage the key could lie in. */
static __always_inline bool is_socket_due(const struct socket_work *s, __u32 rule, __u32 slot)
{
	struct sp_flow_key key = s->key;
	struct sp_state *state;

	key.slot = slot;
	state = bpf_map_lookup_elem(&states, &key);
	if (!state) {
		bpf_map_update_elem(&states, &key, &no_state, BPF_NOEXIST);
		state = bpf_map_lookup_elem(&states, &key);
	}
	return state && is_due(state, s->w.now, rule, slot, key_hash(&key));
}

/* Which ends of the connection the rule, whose window is open, resets now; 0: none. Not static: the verifier looks at it once. */
__noinline int ends_now(const struct socket_work *s, __u32 rule, __u32 slot)
{
	struct sp_rule *r = rule_at(rule);

	if (!s || !flow_drawn(r, &s->key, DRAW_SHARE, r->share) ||
	    !flow_drawn(r, &s->key, DRAW_FLOW, r->flow_below))
		return 0;
	if (r->reset_ends)
		return r->reset_ends;
	return is_socket_due(s, rule, slot) ? SP_END_LOCAL | SP_END_REMOTE : 0;
}

/* The first rule among the matches that resets the connection takes it. */
static long take_socket(__u64 __attribute__((unused)) i, struct socket_work *s)
{
	__u32 rule = take_bit(&s->w.match), slot;
	struct sp_rule *r = &rules[rule & (SP_MAX_RULES - 1)];

	if (rule >= SP_MAX_RULES)
		return 1;
	slot = window_at(r, s->w.now);
	if ((int)slot == WINDOW_CLOSED || r->shadow || !(r->reset_ends || r->meaning == SP_MEANS_DISCONNECTS))
		return 0;
	s->ends = ends_now(s, rule, slot);
	if (!s->ends)
		return 0;
	s->w.rule = rule;
	s->w.slot = slot;
	return 1;
}

/* In the flow table and the budgets like a packet; false: a budget is spent. */
static __always_inline bool charge_socket(struct work *w)
{
	struct sp_flow_key key;

	flow_key(&w->p, w->slot, &key);
	flow_get(&key, w->now);
	charge(w);
	return w->verdict == SP_RESET;
}

SEC("iter/tcp")
int sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct socket_work s = {};
	struct sp_socket found = {};
	struct tcp_sock *tp;
	__u32 ifindex;

	if (!sk || !is_connection(sk->skc_state))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	packet_of_socket(sk, &s.w.p);
	ifindex = socket_ifindex((struct sock *)tp);
	if (!classify(&s.w.p, ifindex, &control.hook[SP_HOOK_TC_OUT], &control.hook[SP_HOOK_TC_IN],
		      &s.w.match))
		return 0;
	if (control.owners && !and_socket_owner((struct sock *)tp, &s.w.p, &s.w.match))
		return 0;
	flow_key(&s.w.p, NO_SLOT, &s.key);
	s.w.now = bpf_ktime_get_ns();
	s.w.slot = NO_SLOT;
	s.w.segments = 0;
	s.w.ifindex = ifindex;
	s.w.hook = SP_HOOK_SOCKETS;
	s.w.verdict = SP_RESET;
	bpf_loop(SP_MAX_RULES, take_socket, &s, 0);
	if (s.w.slot == NO_SLOT || !charge_socket(&s.w))
		return 0;
	flow_key(&s.w.p, s.w.slot, &found.flow);
	found.snd_nxt = tp->snd_nxt;
	found.rcv_nxt = tp->rcv_nxt;
	found.rule = s.w.rule;
	found.ifindex = ifindex;
	found.ends = s.ends;
	found.family = s.w.p.family;
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

/* Run by the loader when it has sent the segments: for the connection's ends, this is when it was reset. */
SEC("raw_tp")
int note_reset(const __u64 *words)
{
	union {
		struct sp_reset reset;
		__u64 words[sizeof(struct sp_reset) / sizeof(__u64)];
	} in;
	struct work w = {};
	unsigned i;

#pragma unroll
	for (i = 0; i < sizeof(in.words) / sizeof(*in.words); i++)
		in.words[i] = words[i];
	__builtin_memcpy(w.p.src, in.reset.socket.flow.local, sizeof(w.p.src));
	__builtin_memcpy(w.p.dst, in.reset.socket.flow.remote, sizeof(w.p.dst));
	w.p.sport = in.reset.socket.flow.local_port;
	w.p.dport = in.reset.socket.flow.remote_port;
	w.p.family = in.reset.socket.family;
	w.p.proto = IPPROTO_TCP;
	w.p.tcp_flags = TCP_ACK;
	w.p.dir = SP_DIR_OUT;
	w.now = in.reset.ns;
	w.ifindex = in.reset.socket.ifindex;
	w.hook = SP_HOOK_SOCKETS;
	w.verdict = SP_RESET;
	return observe_idle_reset(&w);
}

#endif
