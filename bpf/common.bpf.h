/* SPDX-License-Identifier: GPL-2.0-only */
/* What every part of the programs needs: types, helpers, the mapped control page and the maps. */
#ifndef SHEARPIN_COMMON_BPF_H
#define SHEARPIN_COMMON_BPF_H

#include <linux/types.h>
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "vmlinux.h"

#ifndef IPPROTO_HOPOPTS
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60
#endif
#ifndef IPPROTO_MH
#define IPPROTO_MH 135
#endif
#define AF_INET 2
#define AF_INET6 10

/*
 * 'Next program, else pass' under tcx and TC_ACT_UNSPEC under clsact are the same number. TCX_PASS would hide the
 * packet from the programs behind ours and overwrite skb->tc_index.
 */
#define SP_TC_NEXT (-1)
#define CANNOT (-2) /* no return value: the packet could not be rewritten */

#define LOOPBACK_IFINDEX 1

/* What no rule of the plan does, the verifier need not look at: set before the programs are loaded. */
const volatile bool without_bends, without_answers, without_meanings, without_shadows;
const volatile bool without_datagrams; /* the loader sends none, to name servers or as a probe */

struct sp_control control;
struct sp_spent spent;
struct sp_rehearsed rehearsed;
struct sp_rule rules[SP_MAX_RULES];
struct sp_bits protocols[256];
struct sp_bits any_prefix4, any_prefix6; /* the rules that name no remote prefix of the family */
struct sp_bits meanings[SP_MEANINGS];    /* the rules of each */
struct sp_bits local_ports[SP_PORTS];
struct sp_bits remote_ports[SP_PORTS];
__u64 rate_next[SP_MAX_RULES][SP_DIRS]; /* when a narrow path is free again */
__s16 distributions[SP_DISTRIBUTIONS *
		    SP_TABLE_SIZE]; /* by enum sp_distribution; the uniform one needs none */
__u64 tickets;                      /* given out so far */
__u64 marks[SP_MAX_MARKS];          /* when windows open and close, in order; ~0 behind the last */
__u32 epoch;                        /* how many of them are over */
__u32 own_pid;                      /* of the loader, in the initial pid namespace */
__u64 own_cred;                     /* the address of its struct cred, which no other process has */

/* By ifindex; the loader sizes it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sp_bits);
} interfaces SEC(".maps");

/* Each entry holds the rules of the shorter prefixes that cover it, too: one lookup is enough. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_prefix4);
	__type(value, struct sp_bits);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_prefix6);
	__type(value, struct sp_bits);
} prefixes6 SEC(".maps");

/* By slot: one a window of each rule. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sp_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SP_STATS);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SP_MAX_FLOWS);
	__type(key, struct sp_flow_key);
	__type(value, struct sp_flow);
} flows SEC(".maps");

/* The loader sizes these two, where a rule asks for them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sp_flow_key);
	__type(value, struct sp_state);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sp_pattern);
	__type(value, struct sp_bits);
} patterns SEC(".maps");

/* By the low bits of the ticket. The line in user space reads them, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sp_parcel);
} parcels SEC(".maps");

/* By slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sp_receipt);
} receipts SEC(".maps");

/* The observer's; slot is 0. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SP_MAX_CONNS);
	__type(key, struct sp_flow_key);
	__type(value, struct sp_conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} events SEC(".maps");

/* The loader sizes it, where there is a capture. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} captures SEC(".maps");

/*
 * The one value of a map that has one for each CPU: what is too large for the stack, of the packet that this CPU is at work on.
 * Never NULL, which the verifier doesn't know.
 */
static __always_inline void *at_work(void *map)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(map, &key);
}

#define RING_WAKE_BYTES                                                                                      \
	(1024 * 1024) /* the loader polls; for most events it is woken only when this much waits */

/*
 * Never written. Linux 6.1 looks at the body of a bpf_loop() with what its context holds before the first round, and takes the
 * branches out that no such round goes into: what later rounds branch on must be no constant that it knows.
 */
__u32 unknown_zero;

/* Keep the compiler from proving a bound in a way that the verifier can't follow. */
#define opaque(x) asm volatile("" : "+r"(x))

/* Two comparisons, which the compiler would fold into one that Linux 6.1's verifier learns nothing from. */
#define is_within(x, low, high)                                                                              \
	({                                                                                                   \
		bool within_ = false;                                                                        \
		opaque(x);                                                                                   \
		if ((x) <= (high)) {                                                                         \
			opaque(x);                                                                           \
			within_ = (x) >= (low);                                                              \
		}                                                                                            \
		within_;                                                                                     \
	})

/*
 * A length that is known to be 1 to `most`, a power of two, in a way that Linux 6.1's verifier knows it, too: it learns nothing
 * from a comparison with 0.
 */
#define one_to(x, most)                                                                                      \
	({                                                                                                   \
		__u32 less_ = (x)-1;                                                                         \
		opaque(less_);                                                                               \
		(less_ & ((most)-1)) + 1;                                                                    \
	})

#define add(where, n) __sync_fetch_and_add(&(where), n)

static __always_inline void count_stat(__u32 stat)
{
	__u64 *n = bpf_map_lookup_elem(&stats, &stat);

	if (n)
		__sync_fetch_and_add(n, 1);
}

#endif
