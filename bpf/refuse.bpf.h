/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet becomes the ICMP error that a router or its destination would answer it with (RFC 792, RFC 4443), quoting its
 * headers and sent back to its sender.
 *
 * The quoted transport checksum may still be partial, and then the device completes it after the ICMP checksum over it has
 * been computed. So the quote gets a checksum X that completion leaves alone: completion stores ~(S + X), where S is
 * the sum of the rest, and X = ~(S + X) if 2X = -S in one's complement, that is X = -S * 32768 mod 65535. Receivers find
 * the socket by the quoted ports and sequence number and do not verify that checksum, since a quote is cut short.
 */
#ifndef SHEARPIN_REFUSE_BPF_H
#define SHEARPIN_REFUSE_BPF_H

#include "reset.bpf.h"

#define QUOTE_MAX                                                                                            \
	144 /* IPv4 with options, or IPv6 with 64 bytes of extension headers, and the transport header */

struct icmp_answer {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 mtu; /* of "fragmentation needed" in the lower half (RFC 1191, 4), of "packet too big" (RFC 4443, 3.2) */
};

/* mtu > 0: whatever `refuse` says. */
static __always_inline void icmp_type(const struct packet *p, __u8 refuse, __u32 mtu, struct icmp_answer *ret)
{
	ret->mtu = bpf_htonl(mtu);
	if (mtu) {
		ret->type = p->family == 4 ? 3 : 2;
		ret->code = p->family == 4 ? 4 : 0;
	} else if (p->family == 4) {
		ret->type = 3;
		ret->code = refuse == SP_REFUSE_ICMP_HOST ? 1 : refuse == SP_REFUSE_ICMP_ADMIN ? 13 : 3;
	} else {
		ret->type = 1;
		ret->code = refuse == SP_REFUSE_ICMP_HOST ? 3 : refuse == SP_REFUSE_ICMP_ADMIN ? 1 : 4;
	}
}

/* Too much for the stack, of which the way down to here leaves little. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[QUOTE_MAX]);
} quotes SEC(".maps");

/* The sum of the quoted headers in front of the transport header: an IP header and what follows it. */
static __always_inline __s64 sum_headers(struct __sk_buff *skb, const struct packet *p)
{
	__u32 len = p->l4 - p->l3;
	void *headers = at_work(&quotes);

	if (!headers || !is_within(len, sizeof(struct iphdr), QUOTE_MAX))
		return -1;
	__builtin_memset(headers, 0, QUOTE_MAX);
	if (bpf_skb_load_bytes(skb, p->l3, headers, len))
		return -1;
	return bpf_csum_diff(NULL, 0, headers, QUOTE_MAX, 0);
}

/*
 * Make the quoted checksum one that completion does not change, and return the sum of the whole quote. Of other protocols than
 * TCP and UDP eight bytes are quoted, whose checksum no device completes.
 */
__noinline __s64 settle_quote(struct __sk_buff *skb, const struct packet *p)
{
	bool is_tcp = p && p->proto == IPPROTO_TCP;
	__u32 transport[5] = {};
	__s64 headers;
	__u32 rest;
	__u16 x;

	if (!p)
		return -1;
	headers = sum_headers(skb, p);
	if (headers < 0 || (is_tcp ? bpf_skb_load_bytes(skb, p->l4, transport, sizeof(struct tcphdr))
				   : bpf_skb_load_bytes(skb, p->l4, transport, sizeof(struct udphdr))))
		return -1;
	if (!is_tcp && p->proto != IPPROTO_UDP)
		return headers + csum_add_words(transport, 2);
	transport[is_tcp ? 4 : 1] &= is_tcp ? bpf_htonl(0x0000ffff) : bpf_htonl(0xffff0000);
	rest = csum_fold(csum_add_words(transport, 5));
	x = (__u64)(65535 - rest % 65535) * 32768 % 65535 ?: 0xffff;
	if (bpf_skb_store_bytes(
		    skb, p->l4 + (is_tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check)),
		    &x, sizeof(x), 0))
		return -1;
	return headers + rest + x;
}

static __always_inline int write_icmp4(struct __sk_buff *skb, const struct packet *p, __u32 quoted,
				       struct icmp_answer *icmp, __u64 sum)
{
	struct {
		struct iphdr ip;
		struct icmp_answer icmp;
	} h = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .tot_len = bpf_htons(sizeof(h) + quoted),
		       .frag_off = bpf_htons(0x4000),
		       .ttl = ANSWER_TTL,
		       .protocol = IPPROTO_ICMP,
		       .saddr = p->dst[3],
		       .daddr = p->src[3]},
		.icmp = *icmp,
	};

	h.ip.check = ~csum_fold(csum_add_words((__u32 *)&h.ip, 5));
	h.icmp.check = ~csum_fold(sum + csum_add_words((__u32 *)&h.icmp, 2));
	return bpf_skb_store_bytes(skb, p->l3, &h, sizeof(h), 0);
}

static __always_inline int write_icmp6(struct __sk_buff *skb, const struct packet *p, __u32 quoted,
				       struct icmp_answer *icmp, __u64 sum)
{
	struct {
		struct ipv6hdr ip;
		struct icmp_answer icmp;
	} h = {
		.ip = {.version = 6,
		       .payload_len = bpf_htons(sizeof(*icmp) + quoted),
		       .nexthdr = IPPROTO_ICMPV6,
		       .hop_limit = ANSWER_TTL},
		.icmp = *icmp,
	};

	__builtin_memcpy(&h.ip.saddr, p->dst, 16);
	__builtin_memcpy(&h.ip.daddr, p->src, 16);
	sum += csum_pseudo(p, IPPROTO_ICMPV6, sizeof(*icmp) + quoted);
	h.icmp.check = ~csum_fold(sum + csum_add_words((__u32 *)&h.icmp, 2));
	return bpf_skb_store_bytes(skb, p->l3, &h, sizeof(h), 0);
}

/* Refuse as enum sp_refuse says, or tell the sender that no more than `mtu` bytes pass. Returns the program's return value, or CANNOT. */
__noinline int refuse_icmp(struct __sk_buff *skb, const struct packet *p, __u8 refuse, __u32 mtu)
{
	__u8 eth[ETH_HLEN + 2 * sizeof(struct vlan)];
	struct icmp_answer icmp = {};
	__u32 quoted, room, l2;
	__s64 sum;

	if (!p)
		return CANNOT;
	quoted = p->l4 - p->l3 + (p->proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr));
	room = sizeof(icmp) + (p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	l2 = p->l3;
	icmp_type(p, refuse, mtu, &icmp);
	if (!is_within(l2, ETH_HLEN, sizeof(eth)) || bpf_skb_load_bytes(skb, 0, eth, l2))
		return CANNOT;
	if (bpf_skb_change_tail(skb, l2 + quoted, 0))
		return CANNOT;
	sum = settle_quote(skb, p);
	if (sum < 0 || bpf_skb_change_head(skb, room, 0))
		return CANNOT;
	if (bpf_skb_store_bytes(skb, 0, eth, l2, 0) || write_macs(skb, eth, true))
		return CANNOT;
	if (p->family == 4 ? write_icmp4(skb, p, quoted, &icmp, sum)
			   : write_icmp6(skb, p, quoted, &icmp, sum))
		return CANNOT;
	skb->tc_index = control.magic;
	return bpf_redirect(skb->ifindex, turn_flags(p, skb->ifindex));
}

#endif
