/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules with a meaning need of a packet beside its headers. It is read before the rules decide, which know no
 * skb, and only of packets that such a rule matches. tc only: of what XDP sees there is none.
 */
#ifndef SHEARPIN_CONTENT_BPF_H
#define SHEARPIN_CONTENT_BPF_H

#include "work.bpf.h"

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
	__u16 window;              /* STALL: as in the header */
	bool may_fragment;         /* MTU: a router that it is too long for would take it apart */
	__u8 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct content);
} contents SEC(".maps");

static __always_inline struct content *content_at_work(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&contents, &key);
}

#endif
