/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies of the packets that are hit, for capture.pcapng, as they came. */
#ifndef SHEARPIN_CAPTURE_BPF_H
#define SHEARPIN_CAPTURE_BPF_H

#include "account.bpf.h"

static __always_inline void describe(struct sp_capture *c, const struct work *w, __u32 len, __u32 captured,
				     __u32 vlan)
{
	c->ns = w->now;
	c->delay_ns = w->verdict < SP_REFUSE && w->release > w->now ? w->release - w->now : 0;
	c->rule = w->rule;
	c->slot = w->slot;
	c->ifindex = w->ifindex;
	c->len = len;
	c->captured = captured;
	c->vlan = vlan;
	c->verdict = w->verdict;
	c->hook = w->hook;
	c->dir = w->p.dir;
	__builtin_memset(c->pad, 0, sizeof(c->pad));
}

/* The verifier wants a size that it knows, and a length from 1 to that: room is a power of two. */
#define CAPTURE(ctx, w, len, vlan, room, load_bytes)                                                         \
	({                                                                                                   \
		struct sp_capture *c_ = bpf_ringbuf_reserve(&captures, sizeof(*c_) + (room), 0);             \
		__u32 n_ = (len) < (room) ? (len) : (room);                                                  \
                                                                                                             \
		if (!c_) {                                                                                   \
			count_stat(SP_STAT_CAPTURE_LOST);                                                    \
		} else {                                                                                     \
			n_--;                                                                                \
			opaque(n_);                                                                          \
			n_ = (n_ & ((room)-1)) + 1;                                                          \
			if (load_bytes(ctx, 0, c_->data, n_))                                                \
				n_ = 0;                                                                      \
			describe(c_, w, len, n_, vlan);                                                      \
			bpf_ringbuf_submit(c_, ring_wake(&captures));                                        \
		}                                                                                            \
	})

__noinline int capture_skb(struct __sk_buff *skb, const struct work *w)
{
	__u32 len = skb->len, vlan = 0;

	if (!w)
		return 0;
	if (skb->vlan_present)
		vlan = (__u32)bpf_ntohs(skb->vlan_proto) << 16 | skb->vlan_tci;
	if (len <= SP_CAPTURE_SMALL)
		CAPTURE(skb, w, len, vlan, SP_CAPTURE_SMALL, bpf_skb_load_bytes);
	else
		CAPTURE(skb, w, len, vlan, SP_CAPTURE_LARGE, bpf_skb_load_bytes);
	return 0;
}

__noinline int capture_xdp(struct xdp_md *ctx, const struct work *w)
{
	__u32 len;

	if (!w)
		return 0;
	len = w->p.l3 + w->p.ip_len; /* without padding */
	if (len <= SP_CAPTURE_SMALL)
		CAPTURE(ctx, w, len, 0, SP_CAPTURE_SMALL, bpf_xdp_load_bytes);
	else
		CAPTURE(ctx, w, len, 0, SP_CAPTURE_LARGE, bpf_xdp_load_bytes);
	return 0;
}

#endif
