/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_DNS: a query becomes the answer of a resolver that fails (RFC 1035, 4.1). It is the query itself with QR, RA and the
 * RCODE set, sent back to its sender. So the question comes back letter by letter, as askers demand; OPT does (RFC 6891, 6.1.1),
 * without which they take it that the server knows no EDNS; and the cookie in it does (RFC 7873, 5.3), without which an asker that
 * knows the server's part holds the answer for forged. Without SOA, NXDOMAIN is not cached (RFC 2308, 5).
 *
 * A query is a message with QR 0, opcode QUERY, one question and no answer, whose name is whole and not compressed. Everything
 * else is none and passes: fragments, GSO packets of several datagrams, and over TCP what does not begin with its segment.
 */
#ifndef SHEARPIN_DNS_BPF_H
#define SHEARPIN_DNS_BPF_H

#include "content.bpf.h"
#include "rewrite.bpf.h"

#define DNS_RESPONSE 0x8000
#define DNS_OPCODE 0x7800
#define DNS_RECURSION_DESIRED 0x0100
#define DNS_RECURSION_AVAILABLE 0x0080
#define DNS_CHECKING_DISABLED 0x0010

#define DNS_LONGEST_NAME 255 /* with the lengths of its labels, and the root's */
#define DNS_LONGEST_LABEL 63 /* what is beyond is a pointer, or no label */
#define DNS_LENGTH_MARK 0x80
#define DNS_TYPE_AND_CLASS 4

struct dns_header {
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* The question's first bytes: its name, which is rewritten as struct sp_pattern has it, but for the order. */
struct dns_question {
	__u8 bytes[SP_PATTERN_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_question);
} questions SEC(".maps");

struct name_walk {
	struct dns_question *question;
	struct content *content;
	__u32 size; /* bytes of the question that are there */
	__u32 left; /* of the label */
	__u32 root; /* offset of what ends the name */
	bool is_whole;
};

/* Where the message begins in the frame, and how much of it is in there; 0: nothing that may be a query. */
static __always_inline __u32 find_message(struct __sk_buff *skb, const struct packet *p, __u32 *ret_len)
{
	__u32 here = p->ip_len - (p->l4 - p->l3), at, claimed;
	__be16 len;

	if (p->is_bound)
		return 0;
	if (p->proto == IPPROTO_UDP) {
		if (skb->gso_size ||
		    bpf_skb_load_bytes(skb, p->l4 + offsetof(struct udphdr, len), &len, sizeof(len)))
			return 0;
		claimed = bpf_ntohs(len);
		if (claimed < sizeof(struct udphdr) || claimed > here)
			return 0;
		*ret_len = claimed - sizeof(struct udphdr);
		return p->l4 + sizeof(struct udphdr);
	}
	at = p->l3 + p->ip_len - p->payload_len;
	if (p->proto != IPPROTO_TCP || p->payload_len < sizeof(len) ||
	    bpf_skb_load_bytes(skb, at, &len, sizeof(len)))
		return 0;
	claimed = bpf_ntohs(len);
	here = p->payload_len - sizeof(len);
	*ret_len = claimed < here ? claimed : here;
	return at + sizeof(len);
}

static __always_inline bool is_query(const struct dns_header *h)
{
	return !(h->flags & bpf_htons(DNS_RESPONSE | DNS_OPCODE)) && h->questions == bpf_htons(1) &&
	       !h->answers;
}

static long next_byte(__u64 i, struct name_walk *walk)
{
	__u8 *byte = &walk->question->bytes[i & (SP_PATTERN_SIZE - 1)], c = *byte;

	if (i >= walk->size)
		return 1;
	if (walk->left) {
		walk->left--;
		*byte = c & 0x80 ? 0x7f : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
		return 0;
	}
	if (!c || c > DNS_LONGEST_LABEL) {
		walk->root = i;
		walk->is_whole = !c;
		return 1;
	}
	walk->left = c;
	*byte = c | DNS_LENGTH_MARK;
	return 0;
}

static long next_backwards(__u64 i, struct name_walk *walk)
{
	__u32 from = walk->root - 1 - i;

	opaque(from);
	walk->content->pattern.bytes[i & (SP_PATTERN_SIZE - 1)] =
		walk->question->bytes[from & (SP_PATTERN_SIZE - 1)];
	return 0;
}

/* The question at `at`, of which `size` bytes are there: is it one, and which rules have its name? */
static __always_inline bool read_question(struct __sk_buff *skb, __u32 at, __u32 size)
{
	struct name_walk walk = {.question = NULL};
	__u32 loaded = size < SP_PATTERN_SIZE ? size : SP_PATTERN_SIZE;

	walk.content = content_at_work();
	walk.question = at_work(&questions);
	if (!walk.content || !walk.question || !loaded ||
	    bpf_skb_load_bytes(skb, at, walk.question->bytes, one_to(loaded, SP_PATTERN_SIZE)))
		return false;
	walk.size = loaded;
	bpf_loop(DNS_LONGEST_NAME, next_byte, &walk, 0);
	if (!walk.is_whole || walk.root + 1 + DNS_TYPE_AND_CLASS > size)
		return false;
	bpf_loop(walk.root, next_backwards, &walk, 0);
	content_look_up(walk.content, walk.root);
	return true;
}

/* Not static: its stack is not the caller's. */
__noinline int peek_dns(struct __sk_buff *skb, struct work *w)
{
	struct dns_header header;
	__u32 at, len = 0;

	if (!w)
		return 0;
	at = find_message(skb, &w->p, &len);
	if (!at || len <= sizeof(header) || bpf_skb_load_bytes(skb, at, &header, sizeof(header)) ||
	    !is_query(&header))
		return 0;
	if (read_question(skb, at + sizeof(header), len - sizeof(header)))
		w->p.content |= CONTENT_DNS_QUERY;
	return 0;
}

/* A query over TCP is answered with a reset, one to many not at all. Not static: its stack is not the caller's. */
__noinline int dns_verdict(struct work *w, __u32 rule)
{
	struct content *content = content_at_work();
	struct sp_rule *r = rule_at(rule);
	struct passage *a;
	struct bent *bent;
	__u64 seed;

	if (!w || !content || !(w->p.content & CONTENT_DNS_QUERY) ||
	    (r->flags & SP_RULE_NAMED && !is_named(content, rule)))
		return SP_PASS;
	bent = bent_of(w);
	if (!bent)
		return SP_PASS;
	a = &bent->passage;
	seed = window_seed(r->seed, a->key.slot - r->first_slot);
	if (draw(seed, DRAW_QUERY, key_hash(&a->key), w->p.dir, a->seen) >= r->meaning_below)
		return SP_PASS;
	if (r->rcode == SP_DNS_TIMEOUT)
		return SP_DROP;
	if (w->p.proto == IPPROTO_TCP)
		return SP_RESET;
	return is_answerable(&w->p) ? SP_REFUSE : SP_PASS;
}

/* Returns the program's return value, or CANNOT. */
__noinline int answer_query(struct __sk_buff *skb, const struct packet *p, __u8 rcode)
{
	__be16 ports[2], from, to;
	__u8 eth[2 * ETH_ALEN];
	__u32 at;

	if (!p)
		return CANNOT;
	at = p->l4 + sizeof(struct udphdr) + offsetof(struct dns_header, flags);
	if (bpf_skb_load_bytes(skb, 0, eth, sizeof(eth)) || bpf_skb_load_bytes(skb, at, &from, sizeof(from)))
		return CANNOT;
	to = (from & bpf_htons(DNS_RECURSION_DESIRED | DNS_CHECKING_DISABLED)) |
	     bpf_htons(DNS_RESPONSE | DNS_RECURSION_AVAILABLE | rcode);
	ports[0] = bpf_htons(p->dport);
	ports[1] = bpf_htons(p->sport);
	/* Addresses and ports that change places leave the checksum as it is. */
	if (bpf_l4_csum_replace(skb, p->l4 + offsetof(struct udphdr, check), from, to,
				sizeof(to) | BPF_F_MARK_MANGLED_0) ||
	    bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0) ||
	    bpf_skb_store_bytes(skb, p->l4, ports, sizeof(ports), BPF_F_INVALIDATE_HASH))
		return CANNOT;
	if (p->family == 4 ? write_ip4(skb, p, p->ip_len, true) : write_ip6(skb, p, p->ip_len, true))
		return CANNOT;
	if (write_macs(skb, eth, true))
		return CANNOT;
	skb->tc_index = control.magic;
	return bpf_redirect(skb->ifindex, turn_flags(p, skb->ifindex));
}

#endif
