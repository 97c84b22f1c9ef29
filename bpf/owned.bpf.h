/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose flow it is, for rules that name an owner: one more dimension, beside those of classify().
 *
 * A cgroup has the sockets that were made in it, or below it, and those accepted from them. Going out, a packet tells its
 * socket; for one that comes in, the socket is looked up, a listener for a SYN.
 * A process has the TCP connections that it makes calls on, by the last call that a segment left in: a segment that leaves
 * in no call (retransmissions, most ACKs), and those that come in, belong to the process of the call before. A
 * connection without any so far, a listener, and all that is not TCP is of the process that made the socket, or that alone
 * held it when the run began.
 * What a TCP flow was found to be is remembered, also for those of its packets that have no socket any more. A flow without
 * a socket in this network namespace, such as a forwarded one, is nobody's.
 */
#ifndef SHEARPIN_OWNED_BPF_H
#define SHEARPIN_OWNED_BPF_H

#include <bpf/bpf_core_read.h>

#include "work.bpf.h"

#define CGROUP_LEVELS 32 /* bits of control.cgroup_levels */

const volatile bool without_owners, without_processes;

struct sp_bits any_owner;     /* the rules that name none */
struct sp_bits owner_rules;   /* those that name one, as long as it is there */
struct sp_bits process_rules; /* those of them that name a process */

/* By cgroup id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_MAX_RULES);
	__type(key, __u64);
	__type(value, struct sp_bits);
} owner_cgroups SEC(".maps");

/* By process (tgid), in the initial pid namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_MAX_RULES);
	__type(key, __u32);
	__type(value, struct sp_bits);
} owner_processes SEC(".maps");

#define HELD_BY_SEVERAL 0

/* The process that made the socket, or that held it when the run began. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} holders SEC(".maps");

/* The rules that a flow's owners are named by; slot is 0. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SP_MAX_CONNS);
	__type(key, struct sp_flow_key);
	__type(value, struct sp_bits);
} owned_flows SEC(".maps");

static __always_inline void bits_without(struct sp_bits *from, const struct sp_bits *what)
{
	from->w[0] &= ~what->w[0];
	from->w[1] &= ~what->w[1];
	from->w[2] &= ~what->w[2];
	from->w[3] &= ~what->w[3];
}

static __always_inline bool bits_equal(const struct sp_bits *a, const struct sp_bits *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}

static __always_inline void add_cgroup(__u64 id, struct sp_bits *owners)
{
	struct sp_bits *found = bpf_map_lookup_elem(&owner_cgroups, &id);

	if (found)
		bits_or(owners, found);
}

static __always_inline void add_process(__u32 tgid, struct sp_bits *owners)
{
	struct sp_bits *found = bpf_map_lookup_elem(&owner_processes, &tgid);

	if (found)
		bits_or(owners, found);
}

/* The rules of processes: those of `found` in place of what `owners` has. */
static __always_inline void replace_processes(struct sp_bits *owners, const struct sp_bits *found)
{
	struct sp_bits processes = *found;

	bits_and(&processes, &process_rules);
	bits_without(owners, &process_rules);
	bits_or(owners, &processes);
}

/* A socket of the programs' own kind as the kernel knows it: struct bpf_sock does not tell its cgroup. */
static __always_inline struct sock *kernel_sock(struct bpf_sock *sk)
{
	struct sock *address = NULL;

	bpf_probe_read_kernel(&address, sizeof(address), &sk);
	return address;
}

/* The cgroup that the socket was made in, and those above it. */
static __always_inline void add_cgroups(struct sock *sk, struct sp_bits *owners)
{
	struct cgroup *cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup), *ancestor;
	__u32 levels = control.cgroup_levels;
	int level;

	for (level = 0; level < CGROUP_LEVELS; level++) {
		if (!(levels & 1U << level) || level > BPF_CORE_READ(cgroup, level))
			continue;
		if (bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[level]))
			continue;
		add_cgroup(BPF_CORE_READ(ancestor, kn, id), owners);
	}
}

/* False: nothing is known about a holder, or there are several. */
static __always_inline bool add_holder(struct bpf_sock *sk, struct sp_bits *owners)
{
	__u32 *tgid, holder;

	if (without_processes)
		return true;
	tgid = bpf_sk_storage_get(&holders, sk, NULL, 0);
	if (!tgid)
		return false;
	holder = *tgid;
	add_process(holder, owners);
	return holder != HELD_BY_SEVERAL;
}

/*
 * In a call of the current process on the socket; see is_in_call(). That a listener is held by one says nothing about its
 * SYN-ACK.
 */
static __always_inline bool has_caller(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && sk->state != BPF_TCP_LISTEN && ((struct sock *)tcp)->sk_lock.owned;
}

static __always_inline void remember(const struct sp_flow_key *key, const struct sp_bits *known,
				     const struct sp_bits *owners)
{
	if (!known || !bits_equal(known, owners))
		bpf_map_update_elem(&owned_flows, key, owners, BPF_ANY);
}

static __always_inline void add_cgroups_of_skb(struct __sk_buff *skb, struct sp_bits *owners)
{
	__u32 levels = control.cgroup_levels;
	int level;

	for (level = 0; level < CGROUP_LEVELS; level++)
		if (levels & 1U << level)
			add_cgroup(bpf_skb_ancestor_cgroup_id(skb, level), owners);
}

/* Of a packet that goes out. False: it is nobody's. */
static __noinline int find_sender(struct __sk_buff *skb, const struct packet *p, struct sp_bits *owners)
{
	struct bpf_sock *sk = skb->sk, *full = NULL;
	struct sp_flow_key key;
	struct sp_bits *known, called = {};

	flow_key(p, 0, &key);
	known = bpf_map_lookup_elem(&owned_flows, &key);
	if (sk) {
		full = bpf_sk_fullsock(sk);
		if (!full)
			full = bpf_get_listener_sock(sk); /* of a SYN-ACK */
	}
	if (!full) {
		if (known)
			*owners = *known;
		return bits_any(owners);
	}
	add_cgroups_of_skb(skb, owners);
	add_holder(full, owners);
	if (p->proto == IPPROTO_TCP && !without_processes) {
		if (has_caller(full)) {
			add_process(bpf_get_current_task_btf()->tgid, &called);
			replace_processes(owners, &called);
		} else if (known && !is_syn(p)) {
			replace_processes(owners, known);
		}
	}
	if (known || bits_any(owners))
		remember(&key, known, owners);
	return bits_any(owners);
}

/* The socket of this end, with a reference; a listener, if that is all there is. */
static __always_inline struct bpf_sock *look_up_socket(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = sizeof(tuple.ipv6);

	if (p->family == 4) {
		size = sizeof(tuple.ipv4);
		tuple.ipv4.saddr = remote_addr(p)[3];
		tuple.ipv4.daddr = local_addr(p)[3];
		tuple.ipv4.sport = bpf_htons(remote_port(p));
		tuple.ipv4.dport = bpf_htons(local_port(p));
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, remote_addr(p), sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, local_addr(p), sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = bpf_htons(remote_port(p));
		tuple.ipv6.dport = bpf_htons(local_port(p));
	}
	if (p->proto == IPPROTO_TCP)
		return bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (p->proto == IPPROTO_UDP)
		return bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	return NULL;
}

/* False: there is no such socket. */
static __noinline int add_receiver(struct __sk_buff *skb, const struct packet *p, struct sp_bits *owners)
{
	struct bpf_sock *sk = look_up_socket(skb, p);

	if (!sk)
		return false;
	add_cgroups(kernel_sock(sk), owners);
	add_holder(sk, owners);
	bpf_sk_release(sk);
	return true;
}

/* Of a packet that comes in. False: it is nobody's. */
static __noinline int find_receiver(struct __sk_buff *skb, const struct packet *p, struct sp_bits *owners)
{
	bool is_tcp = p->proto == IPPROTO_TCP, is_new = is_syn(p);
	struct sp_flow_key key;
	struct sp_bits *known;

	flow_key(p, 0, &key);
	known = bpf_map_lookup_elem(&owned_flows, &key);
	if (known && is_tcp && !is_new) {
		*owners = *known;
		return bits_any(owners);
	}
	if (!add_receiver(skb, p, owners) && known && !is_new)
		*owners = *known;
	if (known || is_tcp || bits_any(owners))
		remember(&key, known, owners);
	return bits_any(owners);
}

/*
 * In rehearsal. A flow that has a connected socket here is its owner's; any other might yet be anybody's, and so might one
 * whose holder is not known.
 */
static __noinline int rehearse_owner(struct __sk_buff *skb, const struct packet *p, struct sp_bits *owners)
{
	struct bpf_sock *sk = look_up_socket(skb, p);

	*owners = owner_rules;
	if (!sk)
		return true;
	if (sk->state != BPF_TCP_LISTEN && sk->dst_port) {
		__builtin_memset(owners, 0, sizeof(*owners));
		add_cgroups(kernel_sock(sk), owners);
		if (!add_holder(sk, owners))
			bits_or(owners, &process_rules);
	}
	bpf_sk_release(sk);
	return bits_any(owners);
}

static __always_inline int find_owner(struct __sk_buff *skb, const struct packet *p, struct sp_bits *owners)
{
	if (control.rehearsal)
		return rehearse_owner(skb, p, owners);
	return p->dir == SP_DIR_OUT ? find_sender(skb, p, owners) : find_receiver(skb, p, owners);
}

static __always_inline bool keep_owned(struct sp_bits *match, struct sp_bits *owners)
{
	bits_and(owners, &owner_rules);
	bits_or(owners, &any_owner);
	bits_and(match, owners);
	return bits_any(match);
}

/* Take the rules of others out of the match; false: none is left. Not static: the verifier looks at it once. */
__noinline int and_owner(struct __sk_buff *skb, struct work *w)
{
	struct sp_bits owners = {};

	if (!w)
		return false;
	if (without_owners || !bits_meet(&w->match, &owner_rules) || !find_owner(skb, &w->p, &owners))
		__builtin_memset(&owners, 0, sizeof(owners));
	return keep_owned(&w->match, &owners);
}

/* The same where there is no packet at hand, or no socket: by what is remembered. */
static __noinline int and_known_owner(const struct packet *p, struct sp_bits *match)
{
	struct sp_bits owners = {}, *known;
	struct sp_flow_key key;

	flow_key(p, 0, &key);
	known = without_owners ? NULL : bpf_map_lookup_elem(&owned_flows, &key);
	if (known)
		owners = *known;
	return keep_owned(match, &owners);
}

/* The same for a socket that a walk comes by; p is a packet that it would send. */
static __noinline int and_socket_owner(struct sock *sk, const struct packet *p, struct sp_bits *match)
{
	struct sp_bits owners = {}, *known;
	struct sp_flow_key key;
	__u32 *holder;

	if (without_owners)
		return keep_owned(match, &owners);
	add_cgroups(sk, &owners);
	if (!without_processes) {
		flow_key(p, 0, &key);
		known = bpf_map_lookup_elem(&owned_flows, &key);
		holder = bpf_sk_storage_get(&holders, sk, NULL, 0);
		if (known && p->proto == IPPROTO_TCP)
			replace_processes(&owners, known);
		else if (holder)
			add_process(*holder, &owners);
	}
	return keep_owned(match, &owners);
}

/* A process that a target names makes a socket. */
SEC("cgroup/sock_create")
int note_maker(struct bpf_sock *sk)
{
	__u32 tgid = bpf_get_current_task_btf()->tgid;

	if (bpf_map_lookup_elem(&owner_processes, &tgid))
		bpf_sk_storage_get(&holders, sk, &tgid, BPF_SK_STORAGE_GET_F_CREATE);
	return 1;
}

/* Once, at the start: who holds the sockets of this network namespace. */
SEC("iter/task_file")
int note_holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	__u32 tgid, *holder;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	sk = socket ? socket->sk : NULL;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6) ||
	    sk->__sk_common.skc_net.net != bpf_get_current_task_btf()->nsproxy->net_ns)
		return 0;
	tgid = task->tgid;
	holder = bpf_sk_storage_get(&holders, sk, &tgid, BPF_SK_STORAGE_GET_F_CREATE);
	if (holder && *holder != tgid)
		*holder = HELD_BY_SEVERAL;
	return 0;
}

/* What the one process that this walk is about is called in the initial pid namespace. */
SEC("iter/task")
int name_process(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 tgid;

	if (!task)
		return 0;
	tgid = task->tgid;
	bpf_seq_write(ctx->meta->seq, &tgid, sizeof(tgid));
	return 0;
}

#endif
