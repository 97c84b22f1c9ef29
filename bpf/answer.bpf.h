/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_ANSWER: a connection that a process of this network namespace opens to a target is taken to the rule's
 * responder, which listens on the loopback; getpeername() goes on to say where it was meant to go. No packet is touched:
 * the hooks are those of connect() and getpeername() at the root of cgroup v2, and see the sockets of all namespaces.
 *
 * A program at a cgroup can be preempted by one like it, and by those at tc: what they share is counted atomically.
 */
#ifndef SHEARPIN_ANSWER_BPF_H
#define SHEARPIN_ANSWER_BPF_H

#include "sockets.bpf.h"

#define GO_ON 1 /* the hooks' return value: connect(), getpeername() */
#define LOOPBACK 0x7f000001

enum answer_family {
	ANSWER_V4,
	ANSWER_V6,
	ANSWER_FAMILIES,
};

__u64 netns_cookie;                                 /* of the loader's network namespace */
__u64 answer_beat_ns;                               /* the responders' last sign of life */
__u16 answer_ports[SP_MAX_RULES * ANSWER_FAMILIES]; /* in network order; 0: there is none */

/* Of a socket that was taken: where it was meant to go. */
struct meant_peer {
	__u32 addr[4];
	__u32 port; /* in network order; 0: it was not taken */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct meant_peer);
} meant_peers SEC(".maps");

/* Connections to an address and port so far, in a window. The key's local end is 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_MAX_FLOWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_flow_key);
	__type(value, __u64);
} destinations SEC(".maps");

/* A connection at work. */
struct opening {
	struct work
		w; /* as a packet that goes out, without a local end; rule, slot and index once it is taken */
	struct sp_flow_key key;
	__u32 index;
	__u16 port; /* of the responder that it is taken to, in network order; 0: none */
	bool can_be_taken;
};

static const __u64 none_before;

/* How many connections to this destination came before, in this window. */
static __always_inline __u32 count_opening(const struct sp_flow_key *key, struct sp_counters *c)
{
	__u64 *n = bpf_map_lookup_elem(&destinations, key);

	if (!n) {
		bpf_map_update_elem(&destinations, key, &none_before, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&destinations, key);
	}
	return n ? __sync_fetch_and_add(n, 1) : __sync_fetch_and_add(&c->untracked, 1);
}

/* By chance, as often as asked for: the local port, which other lots depend on, is not known yet. */
static __always_inline bool opening_drawn(const struct opening *o, const struct sp_rule *r, enum draw what,
					  __u64 below)
{
	return below >= SP_ALWAYS || draw(r->seed, what, key_hash(&o->key), 0, o->index) < below;
}

static __always_inline __u16 responder_port(const struct packet *p, __u32 rule)
{
	__u32 family = p->family == 6 ? ANSWER_V6 : ANSWER_V4;

	return answer_ports[(rule & (SP_MAX_RULES - 1)) * ANSWER_FAMILIES + family];
}

static __always_inline bool is_responder_alive(__u64 now)
{
	__u64 beat = *(volatile __u64 *)&answer_beat_ns;

	return now <= beat || now - beat <= SP_ANSWER_LOST_NS;
}

/* The rule's lot says that it takes the connection. */
static __always_inline enum sp_verdict take(struct opening *o, __u32 rule, struct sp_counters *c)
{
	__u16 port = responder_port(&o->w.p, rule);

	if (!port || !o->can_be_taken || !is_responder_alive(o->w.now)) {
		add(c->failed, 1);
		return SP_PASS;
	}
	o->w.rule = rule;
	o->w.slot = o->key.slot;
	o->w.index = o->index;
	if (!within_budget(&o->w, true))
		return SP_SUPPRESS;
	o->port = port;
	add(c->flows, 1);
	if (!c->first_ns)
		c->first_ns = o->w.now;
	c->last_ns = o->w.now;
	return SP_ALTER;
}

/* The first rule that takes the connection has it; those behind it let it pass. */
static __always_inline void ask_rule(struct opening *o, __u32 rule)
{
	const struct sp_rule *r = rule_at(rule);
	__u32 slot = window_at(r, o->w.now);
	enum sp_verdict verdict = SP_PASS;
	struct sp_counters *c;

	if ((int)slot == WINDOW_CLOSED)
		return;
	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return;
	o->key.slot = slot;
	o->index = count_opening(&o->key, c);
	if (!opening_drawn(o, r, DRAW_SHARE, r->share))
		return;
	add(c->matched, 1);
	if (!o->port && opening_drawn(o, r, DRAW_TAKEN, r->flow_below))
		verdict = r->shadow ? SP_SUPPRESS : take(o, rule, c);
	add(c->verdict[verdict & (SP_VERDICTS - 1)], 1);
}

static long ask_next(__u64 __attribute__((unused)) i, struct opening *o)
{
	__u32 rule = take_bit(&o->w.match);

	if (rule >= SP_MAX_RULES)
		return 1;
	ask_rule(o, rule);
	return 0;
}

static __always_inline void emit_answer(const struct opening *o)
{
	struct sp_answer_event *e = reserve_event(sizeof(*e));
	struct task_struct *task = bpf_get_current_task_btf();

	if (!e)
		return;
	__builtin_memset(e, 0, sizeof(*e));
	e->ns = o->w.now;
	e->type = SP_EVENT_ANSWER;
	e->rule = o->w.rule;
	e->flow = o->key;
	e->flow.slot = o->w.slot;
	e->index = o->w.index;
	e->cgroup = task->cgroups->dfl_cgrp->kn->id;
	e->pid = task->tgid;
	bpf_probe_read_kernel(e->comm, sizeof(e->comm), task->comm);
	bpf_ringbuf_submit(e, ring_wake(&events));
}

/* Whose call it is. */
struct caller {
	struct cgroup *cgroup; /* that the socket was made in */
	__u32 level;           /* of that */
	struct sp_bits owners; /* the rules that name it */
};

static long add_ancestor(__u64 level, struct caller *c)
{
	struct cgroup *cgroup = c->cgroup, *ancestor;

	if (level > c->level)
		return 1;
	if (!bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level & (CGROUP_LEVELS - 1)]))
		add_cgroup(BPF_CORE_READ(ancestor, kn, id), &c->owners);
	return 0;
}

/* Take the rules that name others out of the match; false: none is left. */
static __always_inline bool and_caller(struct bpf_sock *sk, struct sp_bits *match)
{
	struct cgroup *cgroup;
	struct caller c = {};

	if (!without_owners) {
		cgroup = BPF_CORE_READ(kernel_sock(sk), sk_cgrp_data.cgroup);
		c.cgroup = cgroup;
		c.level = BPF_CORE_READ(cgroup, level);
		bpf_loop(CGROUP_LEVELS, add_ancestor, &c, 0);
	}
	if (!without_owners && !without_processes)
		add_process(bpf_get_current_task_btf()->tgid, &c.owners);
	return keep_owned(match, &c.owners);
}

/* The rules for connections to the destination. The interface that it leads through is not known yet. */
static __always_inline bool find_answers(struct bpf_sock *sk, struct opening *o)
{
	struct sp_bits *match = &o->w.match;
	const struct packet *p = &o->w.p;
	__u32 local = local_port(p), remote = remote_port(p);

	*match = meanings[SP_MEANS_ANSWER];
	bits_and(match, &protocols[IPPROTO_TCP]);
	if (control.ports) {
		opaque(local); /* Linux 6.1 forgets how wide they are */
		opaque(remote);
		bits_and(match, &local_ports[local & (SP_PORTS - 1)]);
		bits_and(match, &remote_ports[remote & (SP_PORTS - 1)]);
	}
	if (!bits_any(match))
		return false;
	if (p->family == 4 && control.prefixes4)
		and_prefix4(p, match);
	else if (p->family == 6 && control.prefixes6)
		and_prefix6(p, match);
	return bits_any(match) && (!control.owners || and_caller(sk, match));
}

/* Is this connect() one that rules may be about? */
static __always_inline bool concerns_us(struct bpf_sock_addr *ctx)
{
	return ctx->protocol == IPPROTO_TCP && control.armed & SP_ARMED_FAULTS &&
	       bpf_get_netns_cookie(ctx) == netns_cookie &&
	       (__u32)bpf_get_current_task_btf()->tgid != own_pid;
}

/*
 * The address is in o->w.p. Returns where the destination is to be kept if the connection is taken, to the responder at
 * o->port; NULL: it is not.
 */
static __always_inline struct meant_peer *ask(struct bpf_sock_addr *ctx, struct opening *o)
{
	struct bpf_sock *sk = ctx->sk;
	struct meant_peer *peer;
	__u32 bound = sk->bound_dev_if;

	o->w.p.proto = IPPROTO_TCP;
	o->w.p.dir = SP_DIR_OUT;
	o->w.p.sport = sk->src_port;
	o->w.p.dport = bpf_ntohs(ctx->user_port);
	if (!find_answers(sk, o))
		return NULL;
	peer = bpf_sk_storage_get(&meant_peers, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	o->can_be_taken = peer && (!bound || bound == LOOPBACK_IFINDEX);
	__builtin_memcpy(o->key.remote, o->w.p.dst, sizeof(o->key.remote));
	o->key.remote_port = o->w.p.dport;
	o->key.proto = IPPROTO_TCP;
	o->w.now = bpf_ktime_get_ns();
	o->w.segments = 1;
	bpf_loop(SP_MAX_RULES, ask_next, o, 0);
	if (!o->port || !peer)
		return NULL;
	__builtin_memcpy(peer->addr, o->w.p.dst, sizeof(peer->addr));
	peer->port = ctx->user_port;
	emit_answer(o);
	return peer;
}

SEC("cgroup/connect4")
int answer_connect4(struct bpf_sock_addr *ctx)
{
	struct opening o = {};

	bpf_sk_storage_delete(&meant_peers, ctx->sk); /* of an earlier connect() of the socket */
	if (!concerns_us(ctx))
		return GO_ON;
	o.w.p.family = 4;
	o.w.p.dst[2] = bpf_htonl(0xffff);
	o.w.p.dst[3] = ctx->user_ip4;
	if (!ask(ctx, &o))
		return GO_ON;
	ctx->user_ip4 = bpf_htonl(LOOPBACK);
	ctx->user_port = o.port;
	return GO_ON;
}

SEC("cgroup/connect6")
int answer_connect6(struct bpf_sock_addr *ctx)
{
	struct opening o = {};
	bool mapped;

	bpf_sk_storage_delete(&meant_peers, ctx->sk);
	if (!concerns_us(ctx))
		return GO_ON;
	o.w.p.dst[0] = ctx->user_ip6[0];
	o.w.p.dst[1] = ctx->user_ip6[1];
	o.w.p.dst[2] = ctx->user_ip6[2];
	o.w.p.dst[3] = ctx->user_ip6[3];
	mapped = is_mapped(o.w.p.dst);
	o.w.p.family = mapped ? 4 : 6;
	if (!ask(ctx, &o))
		return GO_ON;
	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = mapped ? bpf_htonl(0xffff) : 0;
	ctx->user_ip6[3] = bpf_htonl(mapped ? LOOPBACK : 1);
	ctx->user_port = o.port;
	return GO_ON;
}

SEC("cgroup/getpeername4")
int answer_peer4(struct bpf_sock_addr *ctx)
{
	struct meant_peer *peer = bpf_sk_storage_get(&meant_peers, ctx->sk, NULL, 0);

	if (!peer || !peer->port)
		return GO_ON;
	ctx->user_ip4 = peer->addr[3];
	ctx->user_port = peer->port;
	return GO_ON;
}

SEC("cgroup/getpeername6")
int answer_peer6(struct bpf_sock_addr *ctx)
{
	struct meant_peer *peer = bpf_sk_storage_get(&meant_peers, ctx->sk, NULL, 0);

	if (!peer || !peer->port)
		return GO_ON;
	ctx->user_ip6[0] = peer->addr[0];
	ctx->user_ip6[1] = peer->addr[1];
	ctx->user_ip6[2] = peer->addr[2];
	ctx->user_ip6[3] = peer->addr[3];
	ctx->user_port = peer->port;
	return GO_ON;
}

#endif
