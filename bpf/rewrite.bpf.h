/* SPDX-License-Identifier: GPL-2.0-only */
/* Pieces for turning a packet into an answer to it: checksums, Ethernet and IP headers. tc only. */
#ifndef SHEARPIN_REWRITE_BPF_H
#define SHEARPIN_REWRITE_BPF_H

#include "work.bpf.h"

#define ANSWER_TTL 64

static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum;
}

/* Words in network order, as they lie in memory. */
static __always_inline __u64 csum_add_words(const __u32 *words, int n)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += words[i];
	return sum;
}

/* The same for both families: an IPv4 address is summed without its mapping. */
static __always_inline __u64 csum_pseudo(const struct packet *p, __u8 proto, __u16 len)
{
	__u64 sum = bpf_htonl(proto) + (__u64)bpf_htonl(len);

	if (p->family == 4)
		return sum + p->src[3] + p->dst[3];
	return sum + csum_add_words(p->src, 4) + csum_add_words(p->dst, 4);
}

/*
 * Is the checksum at `at` still to be completed by the device (CHECKSUM_PARTIAL)? No field of the context says so, but
 * bpf_l4_csum_replace() without BPF_F_PSEUDO_HDR leaves such a checksum alone. The packet is as before afterwards.
 */
static __always_inline bool csum_is_partial(struct __sk_buff *skb, __u32 at)
{
	__u16 before = 0, after = 0;

	if (bpf_skb_load_bytes(skb, at, &before, sizeof(before)) ||
	    bpf_l4_csum_replace(skb, at, 0, bpf_htons(1), sizeof(before)) ||
	    bpf_skb_load_bytes(skb, at, &after, sizeof(after)))
		return false;
	if (before == after)
		return true;
	bpf_skb_store_bytes(skb, at, &before, sizeof(before), 0);
	return false;
}

/* MAC addresses as they are, or swapped. eth holds them as they were on arrival. */
static __always_inline int write_macs(struct __sk_buff *skb, const __u8 *eth, bool swap)
{
	__u8 macs[2 * ETH_ALEN];

	__builtin_memcpy(macs, swap ? eth + ETH_ALEN : eth, ETH_ALEN);
	__builtin_memcpy(macs + ETH_ALEN, swap ? eth : eth + ETH_ALEN, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

/* The IPv4 header's own checksum after `len` bytes of it changed; it is not part of CHECKSUM_COMPLETE's trouble. */
static __always_inline int write_ip4(struct __sk_buff *skb, const struct packet *p, __u16 total, bool swap)
{
	__u32 at = p->l3;
	__be32 addrs[2] = {swap ? p->dst[3] : p->src[3], swap ? p->src[3] : p->dst[3]};
	__be16 len = bpf_htons(total), old_len, old_ttl, ttl;

	if (bpf_skb_load_bytes(skb, at + offsetof(struct iphdr, tot_len), &old_len, sizeof(old_len)) ||
	    bpf_skb_load_bytes(skb, at + offsetof(struct iphdr, ttl), &old_ttl, sizeof(old_ttl)))
		return -1;
	ttl = bpf_htons(ANSWER_TTL << 8 | (bpf_ntohs(old_ttl) & 0xff));
	if (bpf_l3_csum_replace(skb, at + offsetof(struct iphdr, check), old_len, len, sizeof(len)) ||
	    bpf_l3_csum_replace(skb, at + offsetof(struct iphdr, check), old_ttl, ttl, sizeof(ttl)))
		return -1;
	if (bpf_skb_store_bytes(skb, at + offsetof(struct iphdr, tot_len), &len, sizeof(len), 0) ||
	    bpf_skb_store_bytes(skb, at + offsetof(struct iphdr, ttl), &ttl, sizeof(ttl), 0))
		return -1;
	return bpf_skb_store_bytes(skb, at + offsetof(struct iphdr, saddr), addrs, sizeof(addrs), 0);
}

/* No checksum in the header makes up for a change of it, so that a device's sum over the packet has to be kept true. */
static __always_inline int write_ip6(struct __sk_buff *skb, const struct packet *p, __u16 total, bool swap)
{
	__be16 len = bpf_htons(total - sizeof(struct ipv6hdr));
	__u8 hops = ANSWER_TTL;
	__u32 addrs[8];

	__builtin_memcpy(addrs, swap ? p->dst : p->src, 16);
	__builtin_memcpy(addrs + 4, swap ? p->src : p->dst, 16);
	if (bpf_skb_store_bytes(skb, p->l3 + offsetof(struct ipv6hdr, payload_len), &len, sizeof(len),
				BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(skb, p->l3 + offsetof(struct ipv6hdr, hop_limit), &hops, sizeof(hops),
				BPF_F_RECOMPUTE_CSUM))
		return -1;
	return bpf_skb_store_bytes(skb, p->l3 + offsetof(struct ipv6hdr, saddr), addrs, sizeof(addrs), 0);
}

/* Send the packet back where it came from: up the stack on egress, out on ingress. */
static __always_inline __u64 turn_flags(const struct packet *p, __u32 ifindex)
{
	return p->dir == SP_DIR_OUT && ifindex != LOOPBACK_IFINDEX ? BPF_F_INGRESS : 0;
}

#endif
