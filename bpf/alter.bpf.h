/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A wrong bit that the receiver's stack believes: it is flipped, and the transport checksum is made to agree. tc only. A
 * checksum that the device is yet to fill in takes care of itself.
 */
#ifndef SHEARPIN_ALTER_BPF_H
#define SHEARPIN_ALTER_BPF_H

#include "line.bpf.h"

#define MOST_SEGMENTS 2048

/* Where the checksum lies; 0: the protocol has none that is known here. */
static __always_inline __u32 checksum_at(const struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return p->l4 + offsetof(struct tcphdr, check);
	case IPPROTO_UDP:
		return p->l4 + offsetof(struct udphdr, check);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return p->l4 + 2;
	default:
		return 0;
	}
}

struct alteration {
	struct __sk_buff *skb;
	__u64 csum_flags;
	__u32 checksum; /* where it lies; 0: none */
	__u32 l4;
	__u32 draw;
	__u32 left; /* payload of the segments still to come */
	__u32 at;
	__u32 size; /* of a segment's payload */
	int err;
	__u32 pad;
};

/* Flip a bit of the byte at `at`. 0 or a negative errno. */
static __always_inline int flip_bit(const struct alteration *a, __u32 at, __u32 bit)
{
	__u16 from, to, shift = (at - a->l4) & 1 ? 0 : 8; /* of the byte in its 16-bit word */
	__u8 byte;
	int err = bpf_skb_load_bytes(a->skb, at, &byte, sizeof(byte));

	if (err)
		return err;
	from = bpf_htons(byte << shift);
	byte ^= 1 << (bit & 7);
	to = bpf_htons(byte << shift);
	if (a->checksum) {
		err = bpf_l4_csum_replace(a->skb, a->checksum, from, to, a->csum_flags);
		if (err)
			return err;
	}
	return bpf_skb_store_bytes(a->skb, at, &byte, sizeof(byte), 0);
}

static long alter_segment(__u64 i, struct alteration *a)
{
	__u32 len = a->left < a->size ? a->left : a->size;
	__u64 lot = mix64(a->draw + (i << 32));

	if (!len)
		return 1;
	a->err = flip_bit(a, a->at + (__u32)lot % len, lot >> 32);
	a->left -= len;
	a->at += len;
	return a->err != 0;
}

/* One bit of each segment's payload. 0 or a negative errno. */
__noinline int alter_payload(struct __sk_buff *skb, const struct packet *p, __u32 draw)
{
	struct alteration a = {.skb = skb, .draw = draw};

	if (!p)
		return -1;
	a.checksum = checksum_at(p);
	a.csum_flags = sizeof(__u16) | (p->proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
	a.l4 = p->l4;
	a.at = payload_at(p);
	a.left = payload_len(p);
	a.size = skb->gso_size ?: a.left;
	if (skb->gso_size && bpf_skb_pull_data(skb, skb->len)) /* once, and not for each segment */
		return -1;
	bpf_loop(MOST_SEGMENTS, alter_segment, &a, 0);
	return a.err;
}

#endif
