/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet at work: what is known of it, and what the rules make of it. */
#ifndef SHEARPIN_WORK_BPF_H
#define SHEARPIN_WORK_BPF_H

#include "chance.bpf.h"
#include "classify.bpf.h"
#include "lots.bpf.h"

#define NO_SLOT 0xffffffffU
#define NO_COUNT 0xffffffffU
/* What is too many lets the packet pass, and counts it as failed. */
#define MOST_MEANT 4 /* rules whose meaning alters one packet */
#define MOST_PARTS 8 /* rules that delay, duplicate or alter one packet */

/* What a rule's verdict depends on beside the packet. */
struct passage {
	struct sp_flow_key key;
	__u32 seen; /* packets of the flow in this direction before this one */
	__u32 lost; /* and how many of them drop_every took; NO_COUNT: the flow found no room */
	bool owed;  /* and this one, too */
};

/* What one of several rules does to a packet that no rule answers or drops. */
struct part {
	__u32 slot;
	__u32 index;
	__u16 rule;
	__u8 verdict;
	__u8 pad;
};

/* What all rules together do to such a packet. */
struct bend {
	__u64 release;   /* when it is due, of a GSO packet its last segment; 0: it is not held */
	__u64 requested; /* ns of delay as drawn */
	__u64 first;     /* and its first segment */
	__u64 arrives;   /* at the next narrow path: behind those before it, and no delays; 0: now */
	__u64 spacing;   /* ns between its segments */
	__u32 slot;      /* whose receipt has it: of the last rule that holds it */
	__u32 draw;      /* chooses the bit to alter */
	__u8 copies;
	__u8 alter;              /* enum sp_alter */
	__u8 plain;              /* it must come out of the line in segments with their checksums */
	__u8 split;              /* its payload goes ahead, without the FIN that is held */
	__u8 macs[2 * ETH_ALEN]; /* the packet's own */
};

/* Too much for the stack: all that the functions that call each other down to a lot need is 512 bytes. */
struct bent {
	struct bend bend;
	__u32 n_meant;
	__u32 n_parts;
	__u16 meant[MOST_MEANT]; /* rules */
	struct part parts[MOST_PARTS];
	struct lots lots;       /* of the rule at work */
	struct passage passage; /* the same, where there are several, or it has a meaning */
};

/* Of the packet at work: few packets have one, and the stack is small. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bent);
} bends SEC(".maps");

struct work {
	struct packet p;
	struct sp_bits match;
	__u64 now;
	__u64 release; /* when it is due, if it is held; otherwise 0 */
	__u32 ifindex;
	__u32 segments; /* what a GSO packet counts for */
	__u32 bytes;
	__u32 index;  /* of the packet in its flow, as the winner's window counts */
	__u32 rule;   /* the winner so far */
	__u32 slot;   /* its window; NO_SLOT: no rule was open */
	__u8 verdict; /* enum sp_verdict, its */
	__u8 hook;
	__u8 is_bent;  /* there is a bend of it */
	__u8 is_local; /* it opens a connection of the current process, or is a datagram of the loader's */
};

static __always_inline void undecided(struct work *w)
{
	w->slot = NO_SLOT;
	w->verdict = SP_PASS;
	w->is_bent = false;
	w->release = 0;
	w->index = 0;
}

static __always_inline struct sp_rule *rule_at(__u32 rule)
{
	return &rules[rule & (SP_MAX_RULES - 1)];
}

/* The packet's; a fresh one, when it is the first rule that asks. */
static __always_inline struct bent *bent_of(struct work *w)
{
	struct bent *bent = at_work(&bends);

	if (bent && !w->is_bent) {
		__builtin_memset(bent, 0, offsetof(struct bent, parts));
		w->is_bent = true;
	}
	return bent;
}

/* Does another rule's like verdict leave room for this one? */
static __always_inline bool is_mild(__u8 verdict)
{
	return verdict == SP_DELAY || verdict == SP_DUPLICATE || verdict == SP_ALTER;
}

static __always_inline void flow_key(const struct packet *p, __u32 slot, struct sp_flow_key *ret_key)
{
	__builtin_memcpy(ret_key->local, local_addr(p), sizeof(ret_key->local));
	__builtin_memcpy(ret_key->remote, remote_addr(p), sizeof(ret_key->remote));
	ret_key->slot = slot;
	ret_key->local_port = local_port(p);
	ret_key->remote_port = remote_port(p);
	ret_key->proto = p->proto;
	__builtin_memset(ret_key->pad, 0, sizeof(ret_key->pad));
}

static __always_inline bool is_syn(const struct packet *p)
{
	return p->proto == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* What is sent to many, or by nobody, gets no answer (RFC 1122, 3.2.2; RFC 4443, 2.4). */
static __always_inline bool is_answerable(const struct packet *p)
{
	if (p->family == 4)
		return bpf_ntohl(p->dst[3]) < 0xe0000000 && p->src[3];
	return bpf_ntohl(p->dst[0]) < 0xff000000 && (p->src[0] | p->src[1] | p->src[2] | p->src[3]);
}

static __always_inline __u64 key_hash(const struct sp_flow_key *k)
{
	return flow_hash(k->local, k->remote, k->local_port, k->remote_port, k->proto);
}

static __always_inline bool flow_drawn(const struct sp_rule *r, const struct sp_flow_key *k, enum draw what,
				       __u64 below)
{
	return below >= SP_ALWAYS || control.rehearsal || draw(r->seed, what, key_hash(k), 0, 0) < below;
}

/* Of the packet, in this window. */
static __always_inline struct lots lots_of(const struct sp_rule *r, const struct passage *a, __u8 dir)
{
	return (struct lots){.seed = window_seed(r->seed, a->key.slot - r->first_slot),
			     .flow = key_hash(&a->key),
			     .dir = dir,
			     .index = a->seen};
}

#endif
