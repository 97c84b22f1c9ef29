/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_MTU: a link on the way whose packets are at most so long. A GSO packet passes or not as a whole, by its longest
 * segment.
 */
#ifndef SHEARPIN_MTU_BPF_H
#define SHEARPIN_MTU_BPF_H

#include "content.bpf.h"
#include "refuse.bpf.h"

#define ICMP4_ECHO_REPLY 0
#define ICMP4_ECHO 8
#define ICMP6_ECHO 128
#define ICMP6_ECHO_REPLY 129

static __always_inline __u32 longest_segment(const struct __sk_buff *skb, const struct packet *p)
{
	__u32 headers = p->ip_len - p->payload_len;

	if (!skb->gso_size)
		return p->ip_len;
	if (p->proto == IPPROTO_UDP)
		headers = p->l4 - p->l3 + sizeof(struct udphdr);
	return headers + skb->gso_size;
}

static __always_inline bool may_fragment(struct __sk_buff *skb, const struct packet *p)
{
	__be16 frag_off;

	return p->family == 4 &&
	       !bpf_skb_load_bytes(skb, p->l3 + offsetof(struct iphdr, frag_off), &frag_off,
				   sizeof(frag_off)) &&
	       !(frag_off & bpf_htons(IP_DONT_FRAGMENT));
}

/* No ICMP error about an ICMP error. */
static __always_inline bool may_tell(struct __sk_buff *skb, const struct packet *p)
{
	__u8 type;

	if (!is_answerable(p))
		return false;
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
		return true;
	if (bpf_skb_load_bytes(skb, p->l4, &type, sizeof(type)))
		return false;
	if (p->family == 4)
		return p->proto == IPPROTO_ICMP && (type == ICMP4_ECHO || type == ICMP4_ECHO_REPLY);
	return p->proto == IPPROTO_ICMPV6 && (type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY);
}

static __always_inline void peek_mtu(struct __sk_buff *skb, const struct packet *p, struct content *content)
{
	content->size = longest_segment(skb, p);
	content->may_fragment = may_fragment(skb, p);
	content->may_tell = may_tell(skb, p);
}

static __always_inline enum sp_verdict too_long(const struct sp_rule *r)
{
	const struct content *content = content_at_work();

	if (!content || content->size <= r->amount || content->may_fragment)
		return SP_PASS;
	return r->then == SP_THEN_ICMP && content->may_tell ? SP_REFUSE : SP_DROP;
}

static __always_inline int write_be16(struct __sk_buff *skb, __u32 at, __u16 value)
{
	__be16 be = bpf_htons(value);

	return bpf_skb_store_bytes(skb, at, &be, sizeof(be), 0);
}

/* The headers of the quoted packet are those of one segment. 0 or a negative number. */
static __always_inline int quote_segment(struct __sk_buff *skb, const struct packet *p, __u32 size)
{
	__u32 at = p->l3 + offsetof(struct iphdr, tot_len);
	__be16 from;

	if (p->proto == IPPROTO_UDP &&
	    write_be16(skb, p->l4 + offsetof(struct udphdr, len), size - (p->l4 - p->l3)))
		return -1;
	if (p->family == 6)
		return write_be16(skb, p->l3 + offsetof(struct ipv6hdr, payload_len),
				  size - sizeof(struct ipv6hdr));
	if (bpf_skb_load_bytes(skb, at, &from, sizeof(from)) ||
	    bpf_l3_csum_replace(skb, p->l3 + offsetof(struct iphdr, check), from, bpf_htons(size),
				sizeof(from)))
		return -1;
	return write_be16(skb, at, size);
}

/* "Fragmentation needed", "packet too big". Returns the program's return value, or CANNOT. */
static __always_inline int tell_mtu(struct __sk_buff *skb, const struct packet *p, const struct sp_rule *r)
{
	const struct content *content = content_at_work();

	if (!content || (skb->gso_size && quote_segment(skb, p, content->size)))
		return CANNOT;
	return refuse_icmp(skb, p, SP_REFUSE_NONE, r->amount);
}

#endif
