/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The types that the programs in the kernel and the loader share. Nothing else is shared, and this file
 * includes nothing: both sides have __u8..__u64 from <linux/types.h> before they come here.
 *
 * All times are CLOCK_MONOTONIC in nanoseconds (bpf_ktime_get_ns). Ports are in host order, addresses in
 * network order. An IPv4 address is kept IPv4-mapped (::ffff:a.b.c.d), so that one key serves both families.
 */
#ifndef SHEARPIN_ABI_H
#define SHEARPIN_ABI_H

#define SP_MAX_RULES 256
#define SP_WORDS (SP_MAX_RULES / 64)
#define SP_MAX_SLOTS 4096 /* window instances of all rules together */
#define SP_MAX_FLOWS 131072
#define SP_PORTS 65536
#define SP_ALWAYS (1ULL << 32) /* a threshold that every 32-bit draw is below */

/* One bit a rule. Classification ANDs one such vector for every dimension of the packet. */
struct sp_bits {
	__u64 w[SP_WORDS];
};
_Static_assert(sizeof(struct sp_bits) == 32, "ABI");

/* Where a program is attached. Each rule acts at the hooks that the plan chose for it and at no other. */
enum sp_hook {
	SP_HOOK_XDP,
	SP_HOOK_TC_IN,
	SP_HOOK_TC_OUT,
	SP_HOOKS,
};

enum sp_dir {
	SP_DIR_IN,
	SP_DIR_OUT,
	SP_DIRS,
};

/* Which ends of a connection a reset reaches. */
enum sp_ends {
	SP_END_LOCAL = 1,
	SP_END_REMOTE = 2,
};

enum sp_refuse {
	SP_REFUSE_NONE,
	SP_REFUSE_TCP_RESET,
	SP_REFUSE_ICMP_PORT,
	SP_REFUSE_ICMP_HOST,
	SP_REFUSE_ICMP_ADMIN,
};

/* What became of a packet, from the mildest to the hardest; the hardest of all matching rules wins. */
enum sp_verdict {
	SP_PASS,
	SP_SUPPRESS, /* a budget was spent: passed, and counted apart */
	SP_REFUSE,
	SP_RESET,
	SP_DROP,
	SP_VERDICTS,
};

enum sp_rule_flags {
	SP_RULE_LOSS_LOCAL = 1 << 0, /* loss shows to the local sender as NET_XMIT_DROP */
};

/*
 * A rule: when it acts, on whom, and what it does. A rule has `times` windows, each `length_ns` long, opening
 * `every_ns` apart from start_ns on; within a window a burst is `burst_on_ns` of fault and `burst_off_ns` of
 * none, starting with on. Instance i of the rule counts in slot first_slot + i.
 */
struct sp_rule {
	__u64 start_ns;
	__u64 length_ns;
	__u64 every_ns; /* > 0, also when times is 1 */
	__u64 burst_on_ns;
	__u64 burst_off_ns; /* 0: no bursts */
	__u64 seed;         /* of this rule; the scenario's seed mixed with the rule's number */
	__u64 share;        /* a flow takes part if its draw is below this; SP_ALWAYS: every flow */
	__u64 drop_below;   /* a packet is dropped if its draw is below this; 0: no loss by chance */
	__u64 flow_below;   /* reset, refuse: a connection is hit if its draw is below this */
	__u32 drop_every;   /* every n-th packet of a flow is dropped; 0: no such loss */
	__u32 times;
	__u32 first_slot;
	__u8 reset_ends; /* enum sp_ends, or'ed; 0: no reset */
	__u8 refuse;     /* enum sp_refuse */
	__u8 flags;      /* enum sp_rule_flags */
	__u8 pad;
};
_Static_assert(sizeof(struct sp_rule) == 88, "ABI");

/*
 * Per instance of a rule, per CPU. matched = passed + suppressed + refused + reset + dropped, always: a packet
 * is counted for every rule that it matches, under the verdict for the rule whose verdict won and as passed
 * for the others. A GSO packet counts as its segments.
 */
struct sp_counters {
	__u64 matched;
	__u64 bytes; /* of the matched packets, as on the wire without the Ethernet header */
	__u64 verdict[SP_VERDICTS];
	__u64 first_ns; /* first and last packet that was not passed; 0: none */
	__u64 last_ns;
	__u64 flows;     /* whose first packet that was not passed was this instance's */
	__u64 untracked; /* matched packets whose flow found no room in the flow table */
	__u64 failed;    /* packets that could not be rewritten (out of memory); dropped instead */
};
_Static_assert(sizeof(struct sp_counters) == 96, "ABI");

/* A flow as one instance of one rule sees it. */
struct sp_flow_key {
	__u32 local[4];
	__u32 remote[4];
	__u32 slot;
	__u16 local_port;
	__u16 remote_port;
	__u8 proto;
	__u8 pad[3];
};
_Static_assert(sizeof(struct sp_flow_key) == 44, "ABI");

struct sp_flow {
	__u64 first_ns;
	__u64 last_ns;
	__u64 bytes;
	__u32 packets[SP_DIRS]; /* seen while the window was open; also the index that the draw uses */
	__u32 hits[SP_DIRS];    /* packets that were not passed */
	__u32 announced;        /* its SP_EVENT_FLOW_HIT is out */
	__u32 pad;
};
_Static_assert(sizeof(struct sp_flow) == 48, "ABI");

/* Records in the ring buffer. */
enum sp_event_type {
	SP_EVENT_FLOW_HIT = 1, /* the first packet of a flow that was not passed */
	SP_EVENT_BUDGET = 2,   /* a budget was spent; every rule is suppressed from here on */
	/*
	 * A local SYN was answered with an ICMP error. TCP ignores one that comes while connect() still holds the
	 * socket, as it does here; the loader, which is asleep on this, sends it again.
	 */
	SP_EVENT_UNREACHABLE = 3,
};

#define SP_HOOK_SOCKETS SP_HOOKS /* in an event: found by the walk over the sockets, not by a packet */

enum sp_budget {
	SP_BUDGET_NONE,
	SP_BUDGET_PACKETS,
	SP_BUDGET_FLOWS,
	SP_BUDGET_DURATION,
};

struct sp_event {
	__u64 ns;
	__u32 type; /* enum sp_event_type */
	__u32 rule;
	struct sp_flow_key flow;
	__u8 verdict; /* enum sp_verdict */
	__u8 hook;    /* enum sp_hook */
	__u8 dir;     /* enum sp_dir */
	__u8 budget;  /* enum sp_budget */
	__u32 seq;    /* SP_EVENT_UNREACHABLE: of the SYN */
	__u8 refuse;  /* SP_EVENT_UNREACHABLE: enum sp_refuse */
	__u8 pad[3];
};
_Static_assert(sizeof(struct sp_event) == 72, "ABI");

/* Keys of the prefix tries; len is in bits, the address in network order. */
struct sp_prefix4 {
	__u32 len;
	__u32 addr;
};
_Static_assert(sizeof(struct sp_prefix4) == 8, "ABI");

struct sp_prefix6 {
	__u32 len;
	__u32 addr[4];
};
_Static_assert(sizeof(struct sp_prefix6) == 20, "ABI");

/* What the programs read on every packet, in one mapped page; the loader writes it without a system call. */
struct sp_control {
	__u32 armed;     /* 0: every packet passes at the cost of this one load */
	__u32 rehearsal; /* 1: every window counts as open, nothing is touched; the match goes to `rehearsed` */
	__u32 ports;     /* 0: no rule names a port, the port vectors are not looked up */
	__u32 prefixes4; /* 0: no rule names an IPv4 prefix */
	__u32 prefixes6;
	__u32 spent;       /* enum sp_budget; written by the kernel, once */
	__u64 max_packets; /* budgets; 0: none */
	__u64 max_flows;
	__u64 deadline_ns;
	__u32 mark;  /* skb->mark of the resets that the loader itself sends: let through, not counted */
	__u16 magic; /* skb->tc_index of the packets that the programs themselves made */
	__u16 pad;
	struct sp_bits hook[SP_HOOKS];
};
_Static_assert(sizeof(struct sp_control) == 152, "ABI");

/* What the programs write that is about no rule, per CPU. */
enum sp_stat {
	SP_STAT_FRAGMENT,   /* a non-first fragment, passed */
	SP_STAT_UNPARSABLE, /* passed */
	SP_STAT_RING_LOST,  /* an event that found no room in the ring buffer */
	SP_STAT_OWN,        /* packets that shearpin itself made, passed */
	SP_STATS,
};

struct sp_spent {
	__u64 packets; /* not passed, all rules together; kept only while max_packets is set */
	__u64 flows;
};

/* An idle connection that a reset rule hits: what two RST segments for it need. Host order but for addresses. */
struct sp_socket {
	struct sp_flow_key flow;
	__u32 snd_nxt; /* the sequence number that the remote end expects */
	__u32 rcv_nxt; /* ... that the local end expects */
	__u32 rule;
	__u32 ifindex;
	__u8 ends; /* enum sp_ends */
	__u8 family;
	__u8 pad[2];
};
_Static_assert(sizeof(struct sp_socket) == 64, "ABI");

/* The answer of a program in rehearsal. */
struct sp_rehearsed {
	__u32 rule;    /* whose verdict won */
	__u32 verdict; /* enum sp_verdict */
};

#endif
