/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The observer: what becomes of the connections of the targets, whether or not a fault hits them, as the local end meets
 * it. A packet that comes in and that a fault keeps from the local end has not arrived; one that goes out was sent,
 * whatever becomes of it. Nothing here changes a packet.
 */
#ifndef SHEARPIN_OBSERVE_BPF_H
#define SHEARPIN_OBSERVE_BPF_H

#include "account.bpf.h"
#include "owned.bpf.h"

#define NO_DIR SP_DIRS

static const struct sp_conn new_conn = {.state = SP_CONN_OPEN, .opener = NO_DIR, .ended_by = NO_DIR};

/* The targets that the packet belongs to, whoever owns it. Not static: the verifier need not know where the packet comes from. */
__noinline int find_targets(const struct packet *p, __u32 ifindex, struct sp_bits *ret_targets)
{
	return p && ret_targets && classify(p, ifindex, &control.observe, NULL, ret_targets);
}

static __always_inline bool find_own_targets(const struct packet *p, __u32 ifindex,
					     struct sp_bits *ret_targets)
{
	return find_targets(p, ifindex, ret_targets) && (!control.owners || and_known_owner(p, ret_targets));
}

__noinline int emit_conn(const struct work *w, const struct sp_conn *conn, __u32 type, __u64 from_ns)
{
	struct sp_conn_event *e;

	if (!w || !conn)
		return 0;
	e = reserve_event(sizeof(*e));
	if (!e)
		return 0;
	e->ns = w->now;
	e->type = type;
	e->dir = w->p.dir;
	e->verdict = w->verdict;
	e->pad[0] = e->pad[1] = 0;
	flow_key(&w->p, 0, &e->flow);
	e->pad2 = 0;
	e->from_ns = from_ns;
	e->conn = *conn;
	if (!find_own_targets(&w->p, w->ifindex, &e->targets))
		__builtin_memset(&e->targets, 0, sizeof(e->targets));
	bpf_ringbuf_submit(e, ring_wake(&events));
	return 0;
}

/* The first time that the flag is asked for. */
static __always_inline bool once(struct sp_conn *c, __u32 flag)
{
	return !(c->flags & flag) && !(__sync_fetch_and_or(&c->flags, flag) & flag);
}

/* How many windows have opened or closed. Where several have since the last packet, the next packets count them. */
static __always_inline __u32 epoch_at(__u64 now)
{
	__u32 e = *(volatile __u32 *)&epoch;

	opaque(e);
	if (e >= SP_MAX_MARKS || now < marks[e & (SP_MAX_MARKS - 1)])
		return e;
	__sync_val_compare_and_swap(&epoch, e, e + 1);
	return e + 1;
}

static __always_inline bool is_over(const struct sp_conn *c)
{
	return c->flags & SP_CONN_ENDED;
}

/*
 * Take up a connection. BPF_ANY: in place of an earlier one between the same ends; BPF_NOEXIST: unless another CPU just did.
 * NULL: no memory.
 */
static __always_inline struct sp_conn *conn_new(const struct work *w, const struct sp_flow_key *key,
						__u64 flags)
{
	long err = bpf_map_update_elem(&conns, key, &new_conn, flags);
	struct sp_conn *c = bpf_map_lookup_elem(&conns, key);

	if (c && err && flags == BPF_NOEXIST)
		return c;
	if (!c || err) {
		count_stat(SP_STAT_CONNS_LOST);
		return NULL;
	}
	count_stat(SP_STAT_CONNS);
	c->first_ns = w->now;
	return c;
}

static __always_inline void conn_end(const struct work *w, struct sp_conn *c, enum sp_conn_state state,
				     __u8 by)
{
	if (!once(c, SP_CONN_ENDED))
		return;
	c->state = state;
	c->ended_by = by;
	c->end_ns = w->now;
	emit_conn(w, c,
		  state == SP_CONN_REFUSED ? SP_EVENT_CONN_REFUSED
		  : state == SP_CONN_RESET ? SP_EVENT_CONN_RESET
					   : SP_EVENT_CONN_CLOSED,
		  0);
}

/* The process that sends this. */
static __always_inline void note_process(const struct work *w, struct sp_conn *c)
{
	struct task_struct *task;

	if (!w->is_local)
		return;
	task = bpf_get_current_task_btf();
	c->cgroup = task->cgroups->dfl_cgrp->kn->id;
	c->pid = task->tgid;
	bpf_probe_read_kernel(c->comm, sizeof(c->comm), task->comm);
	if (c->pid == own_pid)
		c->flags |= SP_CONN_OWN | SP_CONN_ENDED;
}

/* Run by the loader: who it is. */
SEC("syscall")
int introduce(void __attribute__((unused)) * ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	own_pid = task->tgid;
	own_cred = (__u64)task->cred;
	return 0;
}

static __always_inline struct sp_conn *take_syn(const struct work *w, const struct sp_flow_key *key,
						struct sp_conn *c)
{
	__u8 dir = w->p.dir & 1;

	if (c && c->attempt_ns && c->isn == w->p.seq && c->opener == dir) {
		add(c->syns, 1);
		if (c->state == SP_CONN_REFUSED) { /* it did not take no for an answer */
			c->state = SP_CONN_NEW;
			__sync_fetch_and_and(&c->flags, ~SP_CONN_ENDED);
		}
		return c;
	}
	c = conn_new(w, key, BPF_ANY);
	if (!c)
		return NULL;
	c->attempt_ns = w->now;
	c->isn = w->p.seq;
	c->syns = 1;
	c->state = SP_CONN_NEW;
	c->opener = dir;
	c->next_seq[dir] = w->p.seq + 1;
	c->flags = SP_CONN_SEEN << dir;
	note_process(w, c);
	emit_conn(w, c, SP_EVENT_CONN_ATTEMPT, 0);
	return c;
}

static __always_inline void establish(const struct work *w, struct sp_conn *c)
{
	if (!once(c, SP_CONN_GREETED))
		return;
	c->established_ns = w->now;
	c->state = SP_CONN_OPEN;
	emit_conn(w, c, SP_EVENT_CONN_ESTABLISHED, 0);
}

/* Payload that was not seen before. */
static __always_inline void take_payload(const struct work *w, struct sp_conn *c, __u32 len)
{
	__u8 dir = w->p.dir & 1;
	__u32 now_epoch = epoch_at(w->now), resent = c->resent[0] + c->resent[1];
	__u64 before = c->last_ns[dir],
	      gap = w->now > before ? w->now - before : 0; /* two CPUs at once: none */
	bool stalled = gap >= SP_STALL_NS && resent != c->resent_before[dir];

	c->last_ns[dir] = before + gap;
	c->resent_before[dir] = resent;
	add(c->bytes[dir], len);
	if (!before) {
		c->payload_ns[dir] = w->now;
		c->epoch[dir] = now_epoch;
		emit_conn(w, c, SP_EVENT_CONN_FIRST_DATA, 0);
		return;
	}
	if (stalled)
		emit_conn(w, c, SP_EVENT_CONN_STALL, before);
	if (c->epoch[dir] != now_epoch)
		emit_conn(w, c, SP_EVENT_CONN_DATA, before);
	else if (gap <= c->gap_ns[dir])
		return;
	c->epoch[dir] = now_epoch;
	c->gap_ns[dir] = gap;
	c->gap_from_ns[dir] = before;
}

static __always_inline void take_resent(const struct work *w, struct sp_conn *c)
{
	__u32 mark = epoch_at(w->now) + 1; /* 0: nothing was sent again so far */
	__u8 dir = w->p.dir & 1;

	add(c->resent[dir], w->segments);
	if (c->resent_epoch[dir] == mark)
		return;
	c->resent_epoch[dir] = mark;
	emit_conn(w, c, SP_EVENT_CONN_RETRANSMIT, 0);
}

/* A segment of one byte or none behind which nothing is new is a keep-alive, or a probe of a zero window (RFC 9293, 3.8). */
static __always_inline void take_segment(const struct work *w, struct sp_conn *c)
{
	__u32 len = w->p.payload_len, end = w->p.seq + len;
	__u8 dir = w->p.dir & 1;
	bool seen = c->flags & SP_CONN_SEEN << dir;

	if (!len)
		return;
	if (seen && (__s32)(end - c->next_seq[dir]) <= 0) {
		if (len > 1)
			take_resent(w, c);
		return;
	}
	if (!seen)
		__sync_fetch_and_or(&c->flags, SP_CONN_SEEN << dir);
	c->next_seq[dir] = end;
	if (c->state == SP_CONN_NEW)
		establish(w, c); /* its handshake went another way */
	take_payload(w, c, len);
}

static __always_inline void take_fin(const struct work *w, struct sp_conn *c)
{
	__u8 dir = w->p.dir & 1;

	if (c->fin_ns[dir])
		return;
	c->fin_ns[dir] = w->now;
	if (!once(c, SP_CONN_LEFT)) {
		conn_end(w, c, SP_CONN_CLOSED, !dir);
		return;
	}
	c->ended_by = dir;
	emit_conn(w, c, SP_EVENT_CONN_FIN, 0);
}

/*
 * Of an earlier connection between the same ends, which only the other end still knows, and the opener's answer to that: the
 * SYN has no answer yet (RFC 9293, 3.5.1).
 */
static __always_inline bool is_stale(const struct work *w, const struct sp_conn *c)
{
	__u8 flags = w->p.tcp_flags;

	if (c->state != SP_CONN_NEW || c->flags & SP_CONN_ANSWERED)
		return false;
	return (w->p.dir & 1) == c->opener ? flags & TCP_RST : !(flags & (TCP_RST | TCP_SYN));
}

static __always_inline void take_flags(const struct work *w, struct sp_conn *c)
{
	__u8 dir = w->p.dir & 1, flags = w->p.tcp_flags;

	if (flags & TCP_RST) {
		conn_end(w, c, c->state == SP_CONN_NEW && dir != c->opener ? SP_CONN_REFUSED : SP_CONN_RESET,
			 dir);
		return;
	}
	if (flags & TCP_SYN) { /* with ACK */
		c->next_seq[dir] = w->p.seq + 1;
		__sync_fetch_and_or(&c->flags, SP_CONN_ANSWERED | SP_CONN_SEEN << dir);
		return;
	}
	if (c->state == SP_CONN_NEW && dir == c->opener && flags & TCP_ACK && c->flags & SP_CONN_ANSWERED)
		establish(w, c);
	take_segment(w, c);
	if (flags & TCP_FIN)
		take_fin(w, c);
}

/* Has the fault ended the connection? */
static __always_inline bool is_cut(const struct work *w)
{
	return w->verdict == SP_RESET || w->verdict == SP_REFUSE;
}

static __always_inline bool has_arrived(const struct work *w)
{
	return w->p.dir == SP_DIR_OUT || w->verdict < SP_REFUSE;
}

static __always_inline void observe_tcp(const struct work *w, const struct sp_flow_key *key,
					struct sp_conn *c)
{
	bool syn = is_syn(&w->p);

	if (syn)
		c = take_syn(w, key, c);
	else if (!c && w->p.payload_len && !(w->p.tcp_flags & (TCP_RST | TCP_SYN)) &&
		 (has_arrived(w) || is_cut(w)))
		c = conn_new(w, key, BPF_NOEXIST); /* it was there before */
	if (!c || is_over(c))
		return;
	if (has_arrived(w)) {
		add(c->packets[w->p.dir & 1], w->segments);
		if (!syn && !is_stale(w, c))
			take_flags(w, c);
	}
	if (is_cut(w))
		conn_end(w, c, syn ? SP_CONN_REFUSED : SP_CONN_RESET, NO_DIR);
}

/* The loader's port is another's by now. */
static __always_inline bool is_passed_on(const struct work *w, const struct sp_conn *c)
{
	return c->flags & SP_CONN_OWN && w->p.dir == SP_DIR_OUT && !w->is_local;
}

static __always_inline struct sp_conn *take_flow(const struct work *w, const struct sp_flow_key *key,
						 __u64 flags)
{
	struct sp_conn *c = conn_new(w, key, flags);

	if (c && w->is_local) {
		__sync_fetch_and_or(&c->flags, SP_CONN_OWN | SP_CONN_ENDED);
		emit_conn(w, c, SP_EVENT_CONN_ATTEMPT, 0);
	}
	return c;
}

static __always_inline void observe_udp(const struct work *w, const struct sp_flow_key *key,
					struct sp_conn *c)
{
	__u32 headers = w->p.l4 - w->p.l3 + sizeof(struct udphdr);

	if (!has_arrived(w))
		return;
	if (!c || is_passed_on(w, c))
		c = take_flow(w, key, c ? BPF_ANY : BPF_NOEXIST);
	if (!c || is_over(c))
		return;
	add(c->packets[w->p.dir & 1], w->segments);
	take_payload(w, c, w->p.ip_len > headers ? w->p.ip_len - headers : 0);
}

/* After the verdict. Not static: the verifier looks at it once. */
__noinline int observe(const struct work *w)
{
	struct sp_flow_key key;
	struct sp_conn *c;

	if (!w || (w->p.proto != IPPROTO_TCP && w->p.proto != IPPROTO_UDP))
		return 0;
	flow_key(&w->p, 0, &key);
	c = bpf_map_lookup_elem(&conns, &key);
	if (w->p.proto == IPPROTO_TCP)
		observe_tcp(w, &key, c);
	else
		observe_udp(w, &key, c);
	return 0;
}

/* A connection that the walk over the sockets has found, and that the loader has reset. */
__noinline int observe_idle_reset(const struct work *w)
{
	struct sp_flow_key key;
	struct sp_conn *c;

	if (!w || !(control.armed & SP_ARMED_OBSERVER))
		return 0;
	flow_key(&w->p, 0, &key);
	c = bpf_map_lookup_elem(&conns, &key) ?: conn_new(w, &key, BPF_NOEXIST);
	if (c)
		conn_end(w, c, SP_CONN_RESET, NO_DIR);
	return 0;
}

#endif
