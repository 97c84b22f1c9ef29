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
#define SP_MAX_CONNS 65536 /* that the observer keeps at one time */
#define SP_MAX_MARKS (2 * SP_MAX_SLOTS)
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
	SP_SUPPRESS, /* a budget was spent, or the rule is a shadow: passed, and counted apart */
	SP_DELAY,    /* held in the line, perhaps for no time at all */
	SP_DUPLICATE,
	SP_ALTER,
	SP_REFUSE,
	SP_RESET,
	SP_DROP,
	SP_VERDICTS,
};
_Static_assert((SP_VERDICTS & (SP_VERDICTS - 1)) == 0, "a mask bounds an index");

enum sp_rule_flags {
	SP_RULE_LOSS_LOCAL = 1 << 0, /* loss shows to the local sender as NET_XMIT_DROP */
	SP_RULE_GEMODEL = 1 << 1,    /* loss as Gilbert and Elliott have it, by ge_*; not by drop_below */
	SP_RULE_BENDS = 1 << 2,      /* it delays, duplicates or alters: any of what follows ge_good */
	SP_RULE_HOLDS =
		1 << 3, /* every packet goes through the line, the undelayed ones too, to keep its place */
	SP_RULE_CORRUPT_VALID = 1 << 4,  /* altered packets get a checksum that is right */
	SP_RULE_REORDER_JITTER = 1 << 5, /* jitter may reorder a flow */
	SP_RULE_RECEIPT = 1 << 6,        /* its lots and delays are counted in `receipts` */
	SP_RULE_NAMED = 1 << 7,          /* SP_MEANS_DNS, _HTTP: only what `patterns` has */
};

/* What a rule does that takes more than the headers to know, or more than one packet. One of them at most. */
enum sp_meaning {
	SP_MEANS_NOTHING,
	SP_MEANS_DNS,   /* queries are answered in the resolver's place (rcode), or lost */
	SP_MEANS_HTTP,  /* responses of HTTP/1.x in the clear get another status */
	SP_MEANS_NTP,   /* a server's answers are off */
	SP_MEANS_STALL, /* the receive window is 0 */
	SP_MEANS_LIMIT, /* a connection ends after `amount` bytes of payload, as `then` says */
	SP_MEANS_MTU, /* packets of more than `amount` bytes don't pass; with SP_THEN_ICMP the sender is told */
	SP_MEANS_SLOW_CLOSE, /* FIN is held back for delay_ns */
	SP_MEANS_HALF_OPEN,  /* FIN and RST don't pass */
	SP_MEANS_RATE_LIMIT, /* connections beyond `amount` in a second of the window are ended as `then` says */
	SP_MEANS_DISCONNECTS, /* each connection is reset at a time drawn by chance, after `amount` ns in the mean */
	SP_MEANS_ANSWER, /* new connections are taken to a responder of this process: no packet is touched */
	SP_MEANINGS,
};

/* How SP_MEANS_LIMIT and SP_MEANS_RATE_LIMIT end a connection; of SP_MEANS_MTU, whether its sender is told. */
enum sp_then {
	SP_THEN_DROP,
	SP_THEN_RESET,
	SP_THEN_FIN,
	SP_THEN_REFUSE,
	SP_THEN_ICMP,
};

#define SP_DNS_TIMEOUT 0xff /* as rcode: no answer at all */

/* Of the time that jitter adds. */
enum sp_distribution {
	SP_UNIFORM,
	SP_NORMAL,
	SP_PARETO,
	SP_PARETONORMAL,
	SP_DISTRIBUTIONS, /* a power of two */
};

#define SP_TABLE_SIZE 4096
#define SP_TABLE_SCALE 8192 /* an entry of so much is one time the jitter; as netem's NETEM_DIST_SCALE */

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
	__u8 reset_ends;   /* enum sp_ends, or'ed; 0: no reset */
	__u8 refuse;       /* enum sp_refuse */
	__u8 flags;        /* enum sp_rule_flags */
	__u8 distribution; /* enum sp_distribution */
	/*
	 * All that is drawn by chance below has a correlation beside it: the share of packets whose lot is that of the
	 * packet before; SP_ALWAYS is 100 %.
	 */
	__u64 loss_correlation;
	__u64 ge_p; /* from good to bad, from bad to good; the share that is lost in either */
	__u64 ge_r;
	__u64 ge_bad;
	__u64 ge_good;
	__u64 delay_ns;
	__u64 jitter_ns;
	__u64 delay_below; /* share of packets that are delayed; those behind them in the flow wait */
	__u64 delay_correlation;
	__u64 rate;     /* bytes per second, Ethernet header included; 0: any */
	__u64 burst_ns; /* that the path may be ahead of its rate */
	__u64 queue_ns; /* that a packet may wait for its turn; where it would wait longer it is dropped */
	__u64 duplicate_below;
	__u64 duplicate_correlation;
	__u64 corrupt_below;
	__u64 corrupt_correlation;
	__u64 reorder_below;
	__u64 reorder_correlation;
	__u64 reorder_by_ns; /* held back by so much; 0: sent at once, without the delay */
	__u32 reorder_gap;   /* only every n-th packet of a flow; 0: any */
	__u8 meaning;        /* enum sp_meaning */
	__u8 then;           /* enum sp_then */
	__u8 rcode;          /* SP_MEANS_DNS: RFC 1035, 4.1.1 */
	__u8 shadow;         /* what it would look into or hit is counted as suppressed; nothing is touched */
	/* SP_MEANS_DNS, _HTTP, _NTP: share of queries, responses, answers. All others go by connection: flow_below. */
	__u64 meaning_below;
	__u64 amount;
	__u32 status;      /* SP_MEANS_HTTP: 100 to 999 */
	__u32 retry_after; /* seconds and one; 0: none */
	/* SP_MEANS_NTP: seconds in 32.32 bits, from the window's opening on the first, after ntp_over_ns the second. */
	__s64 ntp_from;
	__s64 ntp_to;
	__u64 ntp_over_ns; /* 0: ntp_from throughout */
};
_Static_assert(sizeof(struct sp_rule) == 296, "ABI");

/*
 * Per instance of a rule, per CPU. matched is the sum of all verdicts, always: a packet is counted for every
 * rule that it matches. Where one of them refuses, resets or drops it, it is counted so for that rule and as passed for the
 * others; otherwise each rule counts it under the hardest that it did itself. A GSO packet counts as its segments.
 */
struct sp_counters {
	__u64 matched;
	__u64 bytes; /* of the matched packets, as on the wire without the Ethernet header */
	__u64 verdict[SP_VERDICTS];
	__u64 first_ns; /* first and last packet that was not passed; 0: none */
	__u64 last_ns;
	__u64 flows;     /* whose first packet that was not passed was this instance's */
	__u64 untracked; /* matched packets whose flow found no room in the flow table */
	/* Packets that could not be rewritten (out of memory): dropped instead of an answer, passed instead of all else. */
	__u64 failed;
};
_Static_assert(sizeof(struct sp_counters) == 120, "ABI");

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
	__u32 lost[SP_DIRS];    /* packets that drop_every took */
	__u32 pad;
	__u64 release[SP_DIRS]; /* of the last packet that keeps its order */
};
_Static_assert(sizeof(struct sp_flow) == 72, "ABI");

/* What a rule with a meaning keeps of a flow, by the same key as struct sp_flow; [direction of the packet]. */
struct sp_state {
	__u64 due_ns;            /* DISCONNECTS: when it is to be reset; 0: not drawn so far */
	__u64 bytes;             /* LIMIT: of payload of both directions, sent again or not counted once */
	__u32 top[SP_DIRS];      /* LIMIT: the sequence number behind them */
	__u32 next_seq[SP_DIRS]; /* STALL: the segment that says the true window to whom it was kept from */
	__u32 ack[SP_DIRS];      /* STALL: ... its acknowledgement; HTTP: of the newest request, response */
	__u16 window[SP_DIRS];   /* as in the header of a segment behind the handshake */
	__u32 responses;         /* HTTP: so far; the index of the draw */
	__u32 response_seq;      /* of the newest */
	__u32 request_seq;       /* HTTP: of the newest request */
	__u32 isn;               /* RATE_LIMIT: of the SYN that was judged */
	__u16 flags[SP_DIRS];    /* enum sp_state_flags */
	__u32 ifindex;           /* STALL: where it was seen */
	__u32 tsval[SP_DIRS];    /* STALL: of the same segment (RFC 7323), with SP_STATE_STAMPED */
	__u32 tsecr[SP_DIRS];
	__u8 pad[4];
};
_Static_assert(sizeof(struct sp_state) == 88, "ABI");

enum sp_state_flags {
	/* LIMIT: top is set; STALL: the three are; HTTP: the direction's request_seq or response_seq is */
	SP_STATE_SEEN = 1 << 0,
	/* LIMIT (of SP_DIR_IN, for both), RATE_LIMIT: the connection has been ended; STALL: FIN was seen */
	SP_STATE_ENDED = 1 << 1,
	SP_STATE_WAITING = 1 << 2, /* HTTP: for the response to one request */
	SP_STATE_WANTED = 1 << 3,  /* HTTP: ... whose path is among the rule's */
	SP_STATE_UNCLEAR =
		1 << 4, /* HTTP: requests were sent ahead of responses, which can't be told apart any more */
	SP_STATE_ADMITTED = 1 << 5, /* RATE_LIMIT: the connection is within the rate */
	SP_STATE_DOOMED = 1 << 6,   /* RATE_LIMIT: it is to be reset with its first payload */
	SP_STATE_ALTERED = 1 << 7,  /* HTTP: the newest response is; it will be again if it is sent again */
	SP_STATE_STAMPED = 1 << 8,  /* STALL: tsval and tsecr are set */
	SP_STATE_WHOLE = 1 << 9,    /* LIMIT: all that lies before the limit has been acknowledged */
};

/*
 * Names and paths, in one trie of bytes; the value is the rules that the longest entry covers. A pattern that is matched as a
 * whole ends with SP_PATTERN_END. len is in bits.
 * A name is read backwards, from the root: each label's bytes in reverse order, in lower case, and behind them the label's
 * length | 0x80. A byte of a label that has the top bit set is kept as 0x7f.
 * A path is kept as in the request line, up to its query.
 */
#define SP_PATTERN_SIZE 256
#define SP_PATTERN_END 0xff

struct sp_pattern {
	__u32 len;
	__u8 bytes[SP_PATTERN_SIZE];
};
_Static_assert(sizeof(struct sp_pattern) == 260, "ABI");

#define SP_COMM 16
#define SP_ANSWER_LOST_NS                                                                                    \
	1000000000ULL /* without a sign of life of the responders for so long, connections pass */

/* Records in the ring buffer. */
enum sp_event_type {
	SP_EVENT_FLOW_HIT = 1, /* the first packet of a flow that was not passed */
	SP_EVENT_BUDGET = 2,   /* a budget was spent; every rule is suppressed from here on */
	/*
	 * A local SYN was answered with an ICMP error. TCP ignores one that comes while connect() still holds the
	 * socket, as it does here; the loader, which is asleep on this, sends it again.
	 */
	SP_EVENT_UNREACHABLE = 3,
	/* With `evidence: packets`, a packet that was not passed: struct sp_packet_event. */
	SP_EVENT_PACKET = 4,
	SP_EVENT_ANSWER = 5, /* a connection was taken to the responder: struct sp_answer_event */
	/* From here on, of the observer: struct sp_conn_event. */
	SP_EVENT_CONN = 16,
	SP_EVENT_CONN_ATTEMPT = SP_EVENT_CONN, /* its first SYN */
	SP_EVENT_CONN_ESTABLISHED,             /* the opener's first ACK behind the SYN-ACK */
	SP_EVENT_CONN_FIRST_DATA,              /* the first payload in the direction */
	SP_EVENT_CONN_DATA, /* a later one: the first in the direction since a window opened or closed */
	SP_EVENT_CONN_RETRANSMIT, /* the first in the direction since a window opened or closed */
	SP_EVENT_CONN_STALL, /* payload goes on, after SP_STALL_NS or more in which something was sent again */
	SP_EVENT_CONN_FIN,   /* the first of the two */
	SP_EVENT_CONN_REFUSED, /* ... and these end it */
	SP_EVENT_CONN_RESET,
	SP_EVENT_CONN_CLOSED, /* the second FIN */
	SP_EVENT_CONN_END,
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
	__u8 is_own;  /* SP_EVENT_FLOW_HIT: a SYN of the loader itself, a probe's */
	__u8 pad[2];
};
_Static_assert(sizeof(struct sp_event) == 72, "ABI");

/* One rule's part in one packet. The sum of the segments of a window's events is what its counters say was not passed. */
struct sp_packet_event {
	__u64 ns;
	__u32 type;
	__u32 rule;
	struct sp_flow_key flow;
	__u8 verdict; /* enum sp_verdict */
	__u8 hook;    /* enum sp_hook */
	__u8 dir;     /* enum sp_dir */
	__u8 pad;
	__u32 index; /* packets of the flow in this direction before it, in this window: what the draws use */
	__u32 segments;
	__u32 bytes;    /* as in sp_counters */
	__u64 delay_ns; /* that it is held for; 0: it is not */
};
_Static_assert(sizeof(struct sp_packet_event) == 88, "ABI");

/* SP_EVENT_ANSWER. */
struct sp_answer_event {
	__u64 ns; /* of connect() */
	__u32 type;
	__u32 rule;
	struct sp_flow_key flow; /* where it was meant to go; the local end is not known yet, and 0 */
	__u32 index; /* connections to the same address and port before it, in this window: what the draws use */
	__u64 cgroup;
	__u32 pid; /* of the process, in the initial pid namespace */
	__u32 pad;
	char comm[SP_COMM]; /* not always terminated */
};
_Static_assert(sizeof(struct sp_answer_event) == 96, "ABI");

/*
 * With `capture: true`, in the ring buffer `captures`: a packet that is not passed, as it came, before anything is done to
 * it. `data` has room for SP_CAPTURE_SMALL or SP_CAPTURE_LARGE bytes; the record's size in the ring buffer tells which.
 */
#define SP_CAPTURE_SMALL 256 /* powers of two */
#define SP_CAPTURE_LARGE 2048

struct sp_capture {
	__u64 ns;
	__u64 delay_ns;
	__u32 rule;
	__u32 slot;
	__u32 ifindex;
	__u32 len;      /* of the frame */
	__u32 captured; /* bytes of it in `data` */
	__u32 vlan;     /* the tag that the kernel keeps apart from the frame: TPID << 16 | TCI; 0: none */
	__u8 verdict;   /* enum sp_verdict, as decided */
	__u8 hook;
	__u8 dir;
	__u8 pad[5];
	__u8 data[];
};
_Static_assert(sizeof(struct sp_capture) == 48, "ABI");

/* The observer: connections and flows of the targets, whether or not a rule hits them. */

#define SP_STALL_NS 200000000ULL

enum sp_conn_state {
	SP_CONN_NEW, /* a SYN was seen */
	SP_CONN_OPEN, /* established; also a flow that was there before the observer, and any that is not TCP */
	SP_CONN_REFUSED, /* the end of it, from here on */
	SP_CONN_RESET,
	SP_CONN_CLOSED,
};

/*
 * A connection as seen at the hooks, from the local end's side: a packet that comes in and that a fault keeps from the local
 * end is not counted; one that goes out is, whatever becomes of it. Payload is of TCP and UDP; a TCP segment that
 * has no byte beyond the highest sequence number so far is sent again, and is no payload. 0 ns: it has not happened.
 */
struct sp_conn {
	__u64 first_ns;
	__u64 attempt_ns;          /* first SYN */
	__u64 established_ns;      /* the opener's first ACK behind the SYN-ACK */
	__u64 end_ns;              /* of the packet that refused, reset or closed it */
	__u64 payload_ns[SP_DIRS]; /* the first */
	__u64 last_ns[SP_DIRS];    /* the last payload */
	__u64 fin_ns[SP_DIRS];
	__u64 gap_ns[SP_DIRS]; /* the longest time between two payloads since a window opened or closed */
	__u64 gap_from_ns[SP_DIRS]; /* when it began */
	__u64 bytes[SP_DIRS];       /* of payload */
	__u64 cgroup; /* the id of the cgroup (v2) of the process that sent the SYN; 0: unknown */
	__u32 packets[SP_DIRS];
	__u32 resent[SP_DIRS]; /* segments sent again */
	__u32 next_seq[SP_DIRS];
	__u32 resent_before[SP_DIRS]; /* of both directions, at the last payload */
	__u32 epoch[SP_DIRS];         /* of the last payload: how many windows had opened or closed */
	__u32 resent_epoch[SP_DIRS];
	__u32 isn;   /* of the SYN */
	__u32 flags; /* enum sp_conn_flags */
	__u32 pid;   /* of the process that sent the SYN, in the initial pid namespace; 0: unknown */
	__u32 syns;
	__u8 state;    /* enum sp_conn_state */
	__u8 opener;   /* enum sp_dir: the SYN's direction; SP_DIRS: unknown */
	__u8 ended_by; /* enum sp_dir: of the RST, or of the first FIN; SP_DIRS: the fault */
	__u8 pad[5];
	char comm[SP_COMM]; /* of the process; not always terminated */
};
_Static_assert(sizeof(struct sp_conn) == 224, "ABI");

enum sp_conn_flags {
	SP_CONN_ANSWERED = 1 << 0, /* by a SYN-ACK */
	SP_CONN_SEEN = 1 << 1,     /* << direction: next_seq is set */
	SP_CONN_GREETED = 1 << 3,  /* established */
	SP_CONN_LEFT = 1 << 4,     /* by a FIN */
	SP_CONN_ENDED = 1 << 5,
	SP_CONN_OWN =
		1 << 6, /* of the loader itself, a probe's: not followed; its attempt is the only event */
};

struct sp_conn_event {
	__u64 ns;
	__u32 type;
	__u8 dir;     /* enum sp_dir: of the packet */
	__u8 verdict; /* enum sp_verdict: what became of it */
	__u8 pad[2];
	struct sp_flow_key flow; /* slot is 0 */
	__u32 pad2;
	__u64 from_ns;          /* CONN_DATA, CONN_STALL: of the payload before */
	struct sp_bits targets; /* the observer's bits of the targets that it matches: see control.observe */
	struct sp_conn conn; /* with this packet in it; but gap_ns of CONN_DATA is that of the time before */
};
_Static_assert(sizeof(struct sp_conn_event) == 328, "ABI");

/* Who holds a socket, by the walk over all open files. */
struct sp_owner {
	struct sp_flow_key flow;
	__u32 pid;
	__u64 cgroup;
	char comm[SP_COMM];
};
_Static_assert(sizeof(struct sp_owner) == 72, "ABI");

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

/*
 * The delay line. A packet that is to be delayed is redirected to a device of ours with a ticket in place of its source
 * address; what it was and when it is due waits here, by the ticket's low bits. It comes by again at the TAP, with its ticket.
 * A parcel that has not come back SP_PARCEL_LOST_NS after it was due counts as lost, and its place is taken again.
 */
#define SP_MAX_PARCELS (1024 * 1024) /* a power of two */
#define SP_PARCEL_LOST_NS 1000000000ULL
#define SP_HEARTBEAT_NS                                                                                      \
	300000000ULL /* without a sign of life of the line's thread for so long, packets pass undelayed */

enum sp_line {
	SP_LINE_NONE,
	SP_LINE_USER, /* frames wait in this process, which reads and writes a TAP */
	SP_LINE_FQ,   /* in sch_fq, on a macvlan on a TAP that nobody reads */
};

enum sp_alter {
	SP_ALTER_NONE,
	SP_ALTER_VALID, /* done by the programs */
	SP_ALTER_WRONG, /* by the line: see sp_parcel.alter */
};

struct sp_parcel {
	__u64 ticket; /* 0: free */
	__u64 release_ns;
	__u64 entered_ns;
	__u64 spacing_ns; /* between the segments of a GSO packet, which come one by one from the plain TAP */
	__u32 ifindex;    /* where it was taken */
	__u32 slot;
	__u32 mark;
	__u32 priority;
	__u32 segments; /* that are still to come back */
	__u32 draw;     /* SP_ALTER_WRONG: chooses the bit */
	__u32 total;    /* segments in all */
	__u16 l4;       /* offsets in the frame: of the transport header, and of what is behind it */
	__u16 payload;
	__u8 alter; /* enum sp_alter: SP_ALTER_WRONG, and the line flips a bit of what the checksum covers */
	__u8 dir;
	__u8 proto;
	__u8 pad;
	__u8 macs[12]; /* destination and source */
};
_Static_assert(sizeof(struct sp_parcel) == 80, "ABI");

/* Histograms of times: 16 buckets an octave, from 2^10 ns on; the first and the last take what is beyond. */
#define SP_BUCKETS 448

enum sp_chance {
	SP_CHANCE_LOSS,
	SP_CHANCE_DUPLICATE,
	SP_CHANCE_CORRUPT,
	SP_CHANCE_REORDER,
	SP_CHANCES,
};
_Static_assert((SP_CHANCES & (SP_CHANCES - 1)) == 0, "a mask bounds an index");

/*
 * How well a window's fault was kept. Lots are counted as drawn, one a GSO packet; the rest in segments, as everywhere. Where
 * several rules delay a packet, the last of them has it in its receipt, with the sum of all delays.
 */
struct sp_receipt {
	struct {
		__u64 drawn;
		__u64 hit;
	} chance[SP_CHANCES];
	__u64 entered; /* into the line, copies included */
	__u64 returned;
	__u64 full;     /* found no place in the line, and were lost */
	__u64 stale;    /* the line's thread gave no sign of life: passed undelayed */
	__u64 overflow; /* found the queue of the narrow path (rate) full, and were dropped */
	__u64 clipped;  /* released at the window's end, before their time */
	__u64 raised;   /* delayed longer than drawn, to stay behind the packet before */
	__u64 requested_sum_ns;
	__u64 achieved_sum_ns;
	__u64 late_max_ns;
	__u64 requested[SP_BUCKETS]; /* the delay as drawn */
	__u64 achieved[SP_BUCKETS];  /* from the packet's arrival to its return */
	__u64 late[SP_BUCKETS];      /* its return after the time it was due at */
};
_Static_assert(sizeof(struct sp_receipt) == 144 + 24 * SP_BUCKETS, "ABI");

enum sp_armed {
	SP_ARMED_FAULTS = 1 << 0,
	SP_ARMED_OBSERVER = 1 << 1,
};

enum sp_evidence {
	SP_EVIDENCE_PACKETS = 1 << 0,
	SP_EVIDENCE_CAPTURE = 1 << 1,
};

/* What the programs read on every packet, in one mapped page; the loader writes it without a system call. */
struct sp_control {
	__u32 armed;     /* enum sp_armed, or'ed; 0: every packet passes at the cost of this one load */
	__u32 rehearsal; /* 1: every window counts as open, nothing is touched; the match goes to `rehearsed` */
	__u32 ports;     /* 0: no rule names a port, the port vectors are not looked up */
	__u32 prefixes4; /* 0: no rule names an IPv4 prefix */
	__u32 prefixes6;
	__u32 spent;       /* enum sp_budget; written by the kernel, once */
	__u64 max_packets; /* budgets; 0: none */
	__u64 max_flows;
	__u64 deadline_ns;
	__u32 mark;    /* skb->mark of the resets that the loader itself sends: let through, not counted */
	__u16 magic;   /* skb->tc_index of the packets that the programs themselves made */
	__u16 line;    /* enum sp_line */
	__u64 beat_ns; /* the last sign of life of the line's thread; ~0: it needs none */
	__u32 line_ifindex; /* where parcels are sent: the TAP, or the macvlan */
	__u32 plain_ifindex; /* SP_LINE_USER: a TAP without offloads, for what must not come as GSO or without checksum */
	__u32 parcel_mask;
	__u8 line_mac[6]; /* the destination address of a parcel */
	__u8 pad[2];
	__u32 evidence;      /* enum sp_evidence, or'ed */
	__u32 owners;        /* 0: no rule names a process or a cgroup */
	__u32 cgroup_levels; /* bit n: a rule names a cgroup that lies n levels below the root */
	struct sp_bits hook[SP_HOOKS];
	struct sp_bits observe; /* one bit a target: its first rule's, or one that is no rule's */
	struct sp_bits
		content; /* the rules with a meaning that asks for more of a packet than parse() has read */
};
_Static_assert(sizeof(struct sp_control) == 256, "ABI");

/* What the programs write that is about no rule, per CPU. */
enum sp_stat {
	SP_STAT_FRAGMENT,     /* a non-first fragment, passed */
	SP_STAT_UNPARSABLE,   /* passed */
	SP_STAT_RING_LOST,    /* an event that found no room in the ring buffer */
	SP_STAT_OWN,          /* packets that shearpin itself made, passed */
	SP_STAT_CONNS,        /* connections and flows that the observer took up */
	SP_STAT_CONNS_LOST,   /* ... that it could not, for want of memory */
	SP_STAT_CAPTURE_LOST, /* packets that found no room in the ring buffer of the capture */
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

/* What the loader has done about one. */
struct sp_reset {
	struct sp_socket socket;
	__u64 ns; /* CLOCK_MONOTONIC, before its segments were sent */
};
_Static_assert(sizeof(struct sp_reset) == 72, "ABI");

/* The answer of a program in rehearsal. */
struct sp_rehearsed {
	__u32 rule;    /* whose verdict won */
	__u32 verdict; /* enum sp_verdict */
};

#endif
