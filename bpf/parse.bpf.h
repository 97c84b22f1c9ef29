/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ethernet, up to two VLAN tags, IPv4, IPv6 with extension headers, TCP, UDP, ICMP. A cursor walks the linear part
 * of the packet; offsets are kept beside it, since pointers don't outlive the helpers that change a packet.
 */
#ifndef SHEARPIN_PARSE_BPF_H
#define SHEARPIN_PARSE_BPF_H

#include "common.bpf.h"

#define IP6_EXTENSIONS 6 /* more than any sane packet has */
#define IP_DONT_FRAGMENT 0x4000
#define IP_MORE 0x2000
#define IP_OFFSET 0x1fff
#define HEADERS_MASK 0x7fff
#define IP6_FRAG_MORE 0x0001
#define IP6_FRAG_OFFSET 0xfff8

enum parsed {
	PARSED,
	PARSED_NOT_IP,   /* ARP and the like: not ours, not counted */
	PARSED_FRAGMENT, /* not the first one: has no ports */
	PARSED_BAD,      /* contradicts itself, or has more headers than we follow */
	PARSED_SHORT,    /* the linear part ends inside the headers */
};

struct packet {
	__u32 src[4]; /* IPv4-mapped for IPv4 */
	__u32 dst[4];
	__u16 sport; /* host order; 0 where the protocol has none */
	__u16 dport;
	__u16 l3; /* offsets from the start of the frame */
	__u16 l4;
	__u32 ip_len;      /* of the whole datagram, from its own header: padding is no payload */
	__u32 payload_len; /* TCP */
	__u32 seq;         /* TCP, host order */
	__u32 ack;
	__u8 proto;
	__u8 tcp_flags;
	__u8 family; /* 4 or 6 */
	__u8 dir;    /* enum sp_dir */
	/* No segment can be put in its place: more fragments follow, or a header vouches for or reroutes the rest. */
	bool is_bound;
	__u8 content; /* enum content_kind, or'ed: see content.bpf.h */
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct vlan {
	__be16 tci;
	__be16 proto;
};

static __always_inline bool is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

static __always_inline enum parsed parse_tcp(void *pos, void *end, struct packet *p)
{
	struct tcphdr *tcp = pos;
	__u32 headers;

	if ((void *)(tcp + 1) > end)
		return PARSED_SHORT;
	p->sport = bpf_ntohs(tcp->source);
	p->dport = bpf_ntohs(tcp->dest);
	p->seq = bpf_ntohl(tcp->seq);
	p->ack = bpf_ntohl(tcp->ack_seq);
	p->tcp_flags = ((__u8 *)tcp)[13];
	headers = p->l4 - p->l3 + tcp->doff * 4;
	if (tcp->doff < 5 || headers > p->ip_len)
		return PARSED_BAD;
	p->payload_len = p->ip_len - headers;
	return PARSED;
}

static __always_inline enum parsed parse_l4(void *pos, void *end, struct packet *p)
{
	struct udphdr *udp = pos;

	p->sport = 0;
	p->dport = 0;
	if (p->proto == IPPROTO_TCP)
		return parse_tcp(pos, end, p);
	if (p->proto == IPPROTO_UDP) {
		if ((void *)(udp + 1) > end)
			return PARSED_SHORT;
		if (p->l4 - p->l3 + sizeof(*udp) > p->ip_len)
			return PARSED_BAD;
		p->sport = bpf_ntohs(udp->source);
		p->dport = bpf_ntohs(udp->dest);
	}
	return PARSED;
}

/* The datagram's length as its header has it: less than is there (padding), never more. */
static __always_inline bool claim_len(struct packet *p, __u32 len)
{
	if (!len) /* a GSO packet beyond 64 KiB (BIG TCP) */
		return true;
	if (len > p->ip_len)
		return false;
	p->ip_len = len;
	return true;
}

static __always_inline enum parsed parse_ip4(void *pos, void *end, struct packet *p)
{
	struct iphdr *ip = pos;
	__u32 headers;

	if ((void *)(ip + 1) > end)
		return PARSED_SHORT;
	headers = ip->ihl * 4;
	if (ip->version != 4 || headers < sizeof(*ip) || !claim_len(p, bpf_ntohs(ip->tot_len)) ||
	    p->ip_len < headers)
		return PARSED_BAD;
	p->family = 4;
	p->proto = ip->protocol;
	p->src[0] = p->src[1] = p->dst[0] = p->dst[1] = 0;
	p->src[2] = p->dst[2] = bpf_htonl(0xffff);
	p->src[3] = ip->saddr;
	p->dst[3] = ip->daddr;
	p->l4 = p->l3 + headers;
	p->is_bound = ip->frag_off & bpf_htons(IP_MORE);
	if (ip->frag_off & bpf_htons(IP_OFFSET))
		return PARSED_FRAGMENT;
	return parse_l4(pos + headers, end, p);
}

struct ip6_extension {
	__u8 next;
	__u8 len;
	__be16 fragment;
};

#define EXTENSIONS                                                                                           \
	(1ULL << IPPROTO_HOPOPTS | 1ULL << IPPROTO_ROUTING | 1ULL << IPPROTO_FRAGMENT | 1ULL << IPPROTO_AH | \
	 1ULL << IPPROTO_DSTOPTS)

static __always_inline bool is_extension(__u32 proto)
{
	return (proto < 64 && EXTENSIONS >> proto & 1) || proto == IPPROTO_MH;
}

/* Its length in bytes; RFC 8200, and RFC 4302 for AH. */
static __always_inline __u32 extension_len(__u32 proto, const struct ip6_extension *ext)
{
	__u32 len = (ext->len + 1) * 8;

	if (proto == IPPROTO_FRAGMENT)
		len = 8;
	if (proto == IPPROTO_AH)
		len = (ext->len + 2) * 4;
	opaque(len);
	return len & 0xfff;
}

struct extension_walk {
	void *ip;
	void *end;
	__u32 headers; /* bytes walked over, the IPv6 header included */
	__u32 proto;
	bool is_bound;
	enum parsed parsed;
};

static long next_extension(__u64 __attribute__((unused)) i, struct extension_walk *w)
{
	struct ip6_extension *ext = w->ip + (w->headers & HEADERS_MASK);

	if (!is_extension(w->proto))
		return 1;
	if ((void *)ext + 8 > w->end) {
		w->parsed = PARSED_SHORT;
		return 1;
	}
	if (w->proto == IPPROTO_FRAGMENT && ext->fragment & bpf_htons(IP6_FRAG_OFFSET)) {
		w->parsed = PARSED_FRAGMENT;
		return 1;
	}
	if (w->proto == IPPROTO_AH || w->proto == IPPROTO_ROUTING ||
	    (w->proto == IPPROTO_FRAGMENT && ext->fragment & bpf_htons(IP6_FRAG_MORE)))
		w->is_bound = true;
	w->headers += extension_len(w->proto, ext);
	w->proto = ext->next;
	return 0;
}

static __always_inline enum parsed parse_ip6(void *pos, void *end, struct packet *p)
{
	struct ipv6hdr *ip = pos;
	struct extension_walk w = {.ip = pos, .end = end, .headers = sizeof(*ip), .parsed = PARSED};
	__u32 headers = sizeof(*ip), len;

	if ((void *)(ip + 1) > end)
		return PARSED_SHORT;
	len = bpf_ntohs(ip->payload_len);
	if (ip->version != 6 || !claim_len(p, len ? len + sizeof(*ip) : 0))
		return PARSED_BAD;
	p->family = 6;
	p->is_bound = false;
	p->proto = ip->nexthdr;
	__builtin_memcpy(p->src, &ip->saddr, sizeof(p->src));
	__builtin_memcpy(p->dst, &ip->daddr, sizeof(p->dst));
	if (is_extension(p->proto)) {
		w.proto = p->proto;
		bpf_loop(IP6_EXTENSIONS, next_extension, &w, 0);
		if (w.parsed != PARSED)
			return w.parsed;
		p->proto = w.proto;
		p->is_bound = w.is_bound;
		headers = w.headers & HEADERS_MASK;
		if (is_extension(p->proto) || headers > p->ip_len)
			return PARSED_BAD;
	}
	p->l4 = p->l3 + headers;
	return parse_l4(pos + headers, end, p);
}

/* frame_len counts the whole frame; [data, end) is its linear part. */
static __always_inline enum parsed parse(void *data, void *end, __u32 frame_len, struct packet *p)
{
	struct ethhdr *eth = data;
	void *pos = eth + 1;
	__be16 proto;
	int i;

	if (pos > end)
		return PARSED_SHORT;
	proto = eth->h_proto;
	p->l3 = sizeof(*eth);
	for (i = 0; i < 2 && is_vlan(proto); i++) {
		struct vlan *tag = pos;

		pos = tag + 1;
		if (pos > end)
			return PARSED_SHORT;
		proto = tag->proto;
		p->l3 += sizeof(*tag);
	}
	p->ip_len = frame_len - p->l3;
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ip4(pos, end, p);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ip6(pos, end, p);
	return PARSED_NOT_IP;
}

static __always_inline const __u32 *local_addr(const struct packet *p)
{
	return p->dir == SP_DIR_OUT ? p->src : p->dst;
}

static __always_inline const __u32 *remote_addr(const struct packet *p)
{
	return p->dir == SP_DIR_OUT ? p->dst : p->src;
}

static __always_inline __u16 local_port(const struct packet *p)
{
	return p->dir == SP_DIR_OUT ? p->sport : p->dport;
}

static __always_inline __u16 remote_port(const struct packet *p)
{
	return p->dir == SP_DIR_OUT ? p->dport : p->sport;
}

static __always_inline __u32 payload_at(const struct packet *p)
{
	if (p->proto == IPPROTO_TCP)
		return p->l3 + p->ip_len - p->payload_len;
	return p->l4 + sizeof(struct udphdr);
}

/* What is behind the transport header; of ICMP and others behind the first eight bytes. */
static __always_inline __u32 payload_len(const struct packet *p)
{
	__u32 at = payload_at(p), end = p->l3 + p->ip_len;

	return at < end ? end - at : 0;
}

#endif
