/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the delay line and out of it. What waits is a parcel: the packet goes to a device of the line with its ticket as
 * source address; everything else that it needs to come back is kept in `parcels`. user/kernel/line.h has the other side.
 */
#ifndef SHEARPIN_LINE_BPF_H
#define SHEARPIN_LINE_BPF_H

#include "account.bpf.h"
#include "histogram.bpf.h"

#define PARCEL_TRIES 16
#define PARCEL_STRIDE 1021 /* odd: away from places that were taken one after the other, for long */
#define TICKET_BITS 48

struct line_header { /* of a frame in the line */
	__u8 to[ETH_ALEN];
	__u8 ticket[ETH_ALEN];
};

static __always_inline void write_ticket(struct line_header *header, __u64 ticket)
{
	int i;

	__builtin_memcpy(header->to, control.line_mac, ETH_ALEN);
	for (i = 0; i < ETH_ALEN; i++)
		header->ticket[i] = ticket >> (TICKET_BITS - 8 - 8 * i);
}

static __always_inline __u64 read_ticket(const struct line_header *header)
{
	__u64 ticket = 0;
	int i;

	for (i = 0; i < ETH_ALEN; i++)
		ticket = ticket << 8 | header->ticket[i];
	return ticket;
}

static __always_inline bool is_to_line(const struct line_header *header)
{
	bool same = true;
	int i;

	for (i = 0; i < ETH_ALEN; i++)
		same &= header->to[i] == control.line_mac[i];
	return same;
}

/* When the last segment is due, and then some. */
static __always_inline bool is_given_up(const struct sp_parcel *parcel, __u64 now)
{
	return now > parcel->release_ns + parcel->spacing_ns * parcel->total + SP_PARCEL_LOST_NS;
}

/* A place for a parcel, or NULL: all that were tried are taken. */
static __always_inline struct sp_parcel *parcel_new(__u64 now, __u64 *ret_ticket)
{
	int try;

	for (try = 0; try < PARCEL_TRIES; try++) {
		__u64 ticket = add(tickets, try ? PARCEL_STRIDE : 1) + 1, old;
		__u32 place = ticket & control.parcel_mask;
		struct sp_parcel *parcel = bpf_map_lookup_elem(&parcels, &place);

		if (!parcel)
			return NULL;
		old = parcel->ticket;
		if (old && !is_given_up(parcel, now))
			continue;
		if (__sync_val_compare_and_swap(&parcel->ticket, old, ticket) != old)
			continue;
		*ret_ticket = ticket;
		return parcel;
	}
	return NULL;
}

static __always_inline void parcel_fill(const struct __sk_buff *skb, const struct work *w,
					const struct bend *bend, struct sp_parcel *parcel, __u8 alter)
{
	parcel->spacing_ns = bend->plain ? bend->spacing : 0;
	parcel->release_ns = (bend->plain ? bend->first : bend->release) ?: w->now;
	parcel->entered_ns = w->now;
	parcel->ifindex = skb->ifindex;
	parcel->slot = bend->slot;
	parcel->mark = skb->mark;
	parcel->priority = skb->priority;
	parcel->segments = parcel->total = skb->gso_size ? w->segments : 1; /* `limit` may have left one */
	parcel->draw = bend->draw;
	parcel->l4 = w->p.l4;
	parcel->payload = payload_at(&w->p);
	parcel->alter = alter;
	parcel->dir = w->p.dir;
	parcel->proto = w->p.proto;
}

static __always_inline void count_entry(const struct bend *bend, const struct sp_parcel *parcel)
{
	__u32 slot = parcel->slot, segments = parcel->total;
	struct sp_receipt *receipt = bpf_map_lookup_elem(&receipts, &slot);
	__u32 bucket = bucket_of(bend->requested);

	if (!receipt)
		return;
	add(receipt->entered, segments);
	add(receipt->requested_sum_ns, bend->requested * segments);
	if (bucket < SP_BUCKETS)
		add(receipt->requested[bucket], segments);
}

static __always_inline void count_full(const struct work *w, const struct bend *bend)
{
	__u32 slot = bend->slot;
	struct sp_receipt *receipt = bpf_map_lookup_elem(&receipts, &slot);

	if (receipt)
		add(receipt->full, w->segments);
}

#define LINE_FULL (-3)

/* Send the packet, or a copy of it, into the line. A program's return value, LINE_FULL, or CANNOT. */
__noinline int line_send(struct __sk_buff *skb, const struct work *w, const struct bend *bend, __u8 alter,
			 __u8 copy)
{
	struct line_header header;
	struct sp_parcel *parcel;
	__u32 ifindex;
	__u64 ticket;

	if (!w || !bend)
		return CANNOT;
	ifindex = bend->plain || alter == SP_ALTER_WRONG ? control.plain_ifindex : control.line_ifindex;
	parcel = parcel_new(w->now, &ticket);
	if (!parcel) {
		count_full(w, bend);
		return LINE_FULL;
	}
	parcel_fill(skb, w, bend, parcel, alter);
	__builtin_memcpy(parcel->macs, bend->macs, sizeof(parcel->macs));
	write_ticket(&header, ticket);
	if (bpf_skb_store_bytes(skb, 0, &header, sizeof(header), 0))
		goto cannot;
	if (control.line == SP_LINE_FQ) {
		/* On Linux 6.1 fq lets what has priority 7 pass undelayed. */
		skb->priority = 0;
		if (bpf_skb_set_tstamp(skb, parcel->release_ns, BPF_SKB_TSTAMP_DELIVERY_MONO))
			goto cannot;
	}
	count_entry(bend, parcel);
	if (copy)
		return bpf_clone_redirect(skb, ifindex, 0) ? SP_TC_NEXT : 0;
	return bpf_redirect(ifindex, 0);
cannot:
	skb->priority = parcel->priority;
	parcel->ticket = 0;
	return CANNOT;
}

/* A packet's time is for IP only: a tag that lies in the frame moves into its description. */
static __always_inline void move_tag(struct __sk_buff *skb, struct packet *p)
{
	__be16 proto;
	__u16 tci;

	if (skb->vlan_present || p->l3 != ETH_HLEN + sizeof(struct vlan) ||
	    bpf_skb_load_bytes(skb, 2 * ETH_ALEN, &proto, sizeof(proto)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &tci, sizeof(tci)) || bpf_skb_vlan_pop(skb))
		return;
	p->l3 -= sizeof(struct vlan);
	p->l4 -= sizeof(struct vlan);
	bpf_skb_vlan_push(skb, proto, bpf_ntohs(tci));
}

/* How many segments came back in this frame: of those that are still out, since a device may have put the tag into it. */
static __always_inline __u32 returned_segments(const struct __sk_buff *skb, const struct sp_parcel *parcel)
{
	__u32 size = skb->gso_size, payload = skb->len - parcel->payload, n;

	if (!size || skb->len < parcel->payload)
		return 1;
	n = (payload + size - 1) / size ?: 1;
	return n < parcel->segments ? n : parcel->segments;
}

static __always_inline void count_return(const struct sp_parcel *parcel, __u64 now, __u64 due, __u32 segments)
{
	__u32 slot = parcel->slot, bucket;
	struct sp_receipt *receipt = bpf_map_lookup_elem(&receipts, &slot);
	__u64 late = now > due ? now - due : 0, achieved = now - parcel->entered_ns;

	if (!receipt)
		return;
	add(receipt->returned, segments);
	add(receipt->achieved_sum_ns, achieved * segments);
	bucket = bucket_of(achieved);
	if (bucket < SP_BUCKETS)
		add(receipt->achieved[bucket], segments);
	bucket = bucket_of(late);
	if (bucket < SP_BUCKETS)
		add(receipt->late[bucket], segments);
	if (late > receipt->late_max_ns)
		receipt->late_max_ns = late;
}

/* The parcel that the frame is, or NULL: it isn't one, or is one that was given up. */
static __always_inline struct sp_parcel *parcel_of(struct __sk_buff *skb, __u32 *ret_place)
{
	struct line_header header;
	struct sp_parcel *parcel;
	__u64 ticket;

	if (bpf_skb_load_bytes(skb, 0, &header, sizeof(header)) || !is_to_line(&header))
		return NULL;
	ticket = read_ticket(&header);
	if (!ticket)
		return NULL;
	*ret_place = ticket & control.parcel_mask;
	parcel = bpf_map_lookup_elem(&parcels, ret_place);
	if (!parcel || (parcel->ticket & ((1ULL << TICKET_BITS) - 1)) != ticket)
		return NULL;
	return parcel;
}

/* Put the packet back to where it was taken. lo wants a route, which a packet from elsewhere does not have. */
static __always_inline int line_back(__u32 ifindex, __u8 dir)
{
	if (ifindex == LOOPBACK_IFINDEX)
		return bpf_redirect_neigh(ifindex, NULL, 0, 0);
	return bpf_redirect(ifindex, dir == SP_DIR_IN ? BPF_F_INGRESS : 0);
}

static __always_inline int line_take_back(struct __sk_buff *skb)
{
	__u64 now = bpf_ktime_get_ns(), due;
	__u32 place, segments, left, ifindex;
	struct sp_parcel *parcel;
	__u64 macs[2] = {};
	__u8 dir;

	parcel = parcel_of(skb, &place);
	if (!parcel)
		return TC_ACT_SHOT;
	if (is_given_up(parcel, now)) {
		parcel->ticket = 0;
		return TC_ACT_SHOT;
	}
	segments = returned_segments(skb, parcel);
	left = __sync_fetch_and_sub(&parcel->segments, segments);
	due = parcel->release_ns + parcel->spacing_ns * (parcel->total - left);
	count_return(parcel, now, due, segments);
	__builtin_memcpy(macs, parcel->macs, sizeof(parcel->macs));
	ifindex = parcel->ifindex;
	dir = parcel->dir;
	skb->mark = parcel->mark;
	skb->priority = parcel->priority;
	if (left <= segments)
		parcel->ticket = 0;
	skb->tc_index = control.magic;
	skb->queue_mapping = 0;
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	if (control.line == SP_LINE_FQ)
		bpf_skb_set_tstamp(skb, 0, BPF_SKB_TSTAMP_UNSPEC);
	if (bpf_skb_store_bytes(skb, 0, macs, 2 * ETH_ALEN, 0))
		return TC_ACT_SHOT;
	return line_back(ifindex, dir);
}

#endif
