/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A segment becomes the RST that its receiver believes, and a copy goes back as the RST that its sender believes (RFC 9293,
 * 3.10.7.4: the sequence number must be exactly the next one expected; RFC 5961, 3.2). The segment itself tells both
 * numbers: its receiver expects seg.seq, its sender expects seg.ack. Where one end has moved on meanwhile, it answers
 * with a challenge ACK, which comes past here with the right number.
 *
 * The headers below TCP stay as they are, options and extension headers included, so that the checksum of a
 * CHECKSUM_PARTIAL packet stays where the device looks for it.
 */
#ifndef SHEARPIN_RESET_BPF_H
#define SHEARPIN_RESET_BPF_H

#include "rewrite.bpf.h"

struct rst {
	__u32 seq;
	__u32 ack;
	bool swap; /* to the sender of the segment */
	bool partial;
	bool fin;               /* and no RST */
	__u8 eth[2 * ETH_ALEN]; /* MAC addresses as they were */
};

__noinline int write_rst(struct __sk_buff *skb, const struct packet *p, const struct rst *rst)
{
	__u32 tcp[5];
	__u16 total, sum;

	if (!p || !rst)
		return -1;
	total = p->l4 - p->l3 + sizeof(tcp);
	tcp[0] = bpf_htonl(rst->swap ? (__u32)p->dport << 16 | p->sport : (__u32)p->sport << 16 | p->dport);
	tcp[1] = bpf_htonl(rst->seq);
	tcp[2] = bpf_htonl(rst->ack);
	tcp[3] = bpf_htonl(5 << 28 | (TCP_RST | TCP_ACK) << 16); /* doff 5, window 0 */
	if (rst->fin)
		tcp[3] = bpf_htonl(5 << 28 | (TCP_FIN | TCP_ACK) << 16 | 0xffff);
	tcp[4] = 0;
	sum = csum_fold(csum_pseudo(p, IPPROTO_TCP, sizeof(tcp)));
	if (!rst->partial)
		sum = ~csum_fold(sum + csum_add_words(tcp, 5));
	*(__u16 *)&tcp[4] = sum;
	if (bpf_skb_store_bytes(skb, p->l4, tcp, sizeof(tcp), BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH))
		return -1;
	if (p->family == 4 ? write_ip4(skb, p, total, rst->swap) : write_ip6(skb, p, total, rst->swap))
		return -1;
	return write_macs(skb, rst->eth, rst->swap);
}

/* Cut the packet down to its headers; returns whether its checksum is partial, or a negative number. */
static __always_inline int cut_to_tcp(struct __sk_buff *skb, const struct packet *p, __u8 *ret_eth)
{
	bool partial = csum_is_partial(skb, p->l4 + offsetof(struct tcphdr, check));

	if (bpf_skb_load_bytes(skb, 0, ret_eth, 2 * ETH_ALEN) ||
	    bpf_skb_change_tail(skb, p->l4 + sizeof(struct tcphdr), 0))
		return -1;
	return partial;
}

/* Returns the program's return value, or CANNOT. */
__noinline int reset_segment(struct __sk_buff *skb, const struct packet *p, __u8 ends)
{
	bool to_sender, to_receiver;
	struct rst rst = {};
	int partial;

	if (!p)
		return CANNOT;
	to_sender = ends & (p->dir == SP_DIR_OUT ? SP_END_LOCAL : SP_END_REMOTE);
	to_receiver = ends & (p->dir == SP_DIR_OUT ? SP_END_REMOTE : SP_END_LOCAL);
	partial = cut_to_tcp(skb, p, rst.eth);
	if (partial < 0)
		return CANNOT;
	rst.seq = p->ack;
	rst.ack = p->seq + p->payload_len + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
	rst.swap = true;
	rst.partial = partial;
	skb->tc_index = control.magic;
	if (to_sender) {
		if (write_rst(skb, p, &rst))
			return CANNOT;
		if (!to_receiver)
			return bpf_redirect(skb->ifindex, turn_flags(p, skb->ifindex));
		if (bpf_clone_redirect(skb, skb->ifindex, turn_flags(p, skb->ifindex)))
			return CANNOT;
	}
	rst.seq = p->seq;
	rst.ack = p->ack;
	rst.swap = false;
	if (write_rst(skb, p, &rst))
		return CANNOT;
	if (skb->ifindex != LOOPBACK_IFINDEX)
		skb->tc_index = 0;
	return SP_TC_NEXT;
}

/* A SYN is answered as a closed port would: RST, acknowledging it. */
__noinline int refuse_syn(struct __sk_buff *skb, const struct packet *p)
{
	struct rst rst = {.swap = true};
	int partial;

	if (!p)
		return CANNOT;
	partial = cut_to_tcp(skb, p, rst.eth);
	rst.ack = p->seq + 1 + p->payload_len;
	rst.partial = partial > 0;
	if (partial < 0 || write_rst(skb, p, &rst))
		return CANNOT;
	skb->tc_index = control.magic;
	return bpf_redirect(skb->ifindex, turn_flags(p, skb->ifindex));
}

#endif
