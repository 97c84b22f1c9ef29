/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules with a meaning need of a packet beside its headers. It is read before the rules decide, which know no
 * skb, and only of packets that such a rule matches. tc only: of what XDP sees there is none.
 */
#ifndef SHEARPIN_CONTENT_BPF_H
#define SHEARPIN_CONTENT_BPF_H

#include "work.bpf.h"

#define MOST_OPTIONS 64 /* bytes of TCP options, and more: a power of two */

/* packet.content: what the packet is. Where a bit is not set, the packet is nothing of the kind, or was not looked at. */
enum content_kind {
	CONTENT_DNS_QUERY = 1 << 0,
	CONTENT_HTTP_REQUEST = 1 << 1,
	CONTENT_HTTP_RESPONSE = 1 << 2,
	CONTENT_NTP_ANSWER = 1 << 3,
};

/* Of the packet at work; filled as far as packet.content, or the matching rules' meanings, say. */
struct content {
	struct sp_bits named;      /* DNS, HTTP: the rules of a pattern that covers the name or the path */
	struct sp_pattern pattern; /* the name or path to look up */
	__u32 size;                /* MTU: bytes of the IP packet; of a GSO packet, of its longest segment */
	__u16 window;              /* STALL: see sp_state */
	bool may_fragment;         /* MTU: a router that it is too long for would take it apart */
	bool is_cut;               /* HTTP: the path goes on in the next segment */
	__u16 date_at; /* HTTP: of the response's Date, from the payload's start; 0: none is in sight */
	bool may_tell; /* MTU: its sender may be sent an ICMP error */
	__u8 shift;    /* STALL: of the window (RFC 7323), from a SYN */
	__u32 tsval;   /* STALL: with is_stamped */
	__u32 tsecr;
	bool is_stamped;
	bool has_no_body; /* HTTP: so says the status; another one would say otherwise */
	__u8 pad[2];
	__u8 options[MOST_OPTIONS + 16]; /* STALL: as read */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct content);
} contents SEC(".maps");

static __always_inline struct content *content_at_work(void)
{
	return at_work(&contents);
}

/* What should be altered and can't be passes. */
static __always_inline enum sp_verdict count_failed(const struct work *w, const struct passage *a)
{
	__u32 slot = a->key.slot;
	struct sp_counters *c = bpf_map_lookup_elem(&counters, &slot);

	if (c)
		c->failed += w->segments;
	return SP_PASS;
}

/* Does a pattern of the rule cover the name or path? */
static __always_inline bool is_named(const struct content *content, __u32 rule)
{
	return content->named.w[rule / 64 & (SP_WORDS - 1)] >> (rule & 63) & 1;
}

/*
 * The rules of the patterns that cover content->pattern: into content->named. `size` bytes of a name or a path are in
 * pattern.bytes; what ends it, and pattern.len, is put there. What is longer than a pattern can be is looked up as far as it goes.
 */
static __always_inline void content_look_up(struct content *content, __u32 size)
{
	struct sp_bits *found;

	opaque(size);
	if (size < SP_PATTERN_SIZE) {
		content->pattern.bytes[size & (SP_PATTERN_SIZE - 1)] = SP_PATTERN_END;
		size++;
	}
	content->pattern.len = (size < SP_PATTERN_SIZE ? size : SP_PATTERN_SIZE) * 8;
	found = bpf_map_lookup_elem(&patterns, &content->pattern);
	if (found)
		content->named = *found;
}

#endif
