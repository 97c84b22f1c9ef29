/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SP_MEANS_NTP: in a server's answers (RFC 5905, 7.3: mode 4) the times at which it got the question and sent the answer are
 * off, so that the client finds the server's clock wrong by so much. A MAC behind the answer no longer vouches for it.
 */
#ifndef SHEARPIN_NTP_BPF_H
#define SHEARPIN_NTP_BPF_H

#include "content.bpf.h"

#define NTP_SIZE 48
#define NTP_SERVER 4
#define NTP_TIMES 32 /* offset of the receive time stamp, with the transmit time stamp behind it */

struct ntp_times {
	__be64 receive;
	__be64 transmit;
};

struct ntp_answer { /* from its start on */
	__u8 kind;  /* leap indicator, version, mode */
	__u8 stratum;
};

/* An answer with a time in it: the kiss-o'-death (stratum 0) has none. */
static __always_inline bool is_ntp_answer(struct __sk_buff *skb, const struct packet *p)
{
	__u32 at = payload_at(p), version;
	struct ntp_answer answer;
	__u64 transmit;

	if (p->proto != IPPROTO_UDP || payload_len(p) < NTP_SIZE ||
	    bpf_skb_load_bytes(skb, at, &answer, sizeof(answer)) ||
	    bpf_skb_load_bytes(skb, at + NTP_TIMES + offsetof(struct ntp_times, transmit), &transmit,
			       sizeof(transmit)))
		return false;
	version = answer.kind >> 3 & 7;
	return (answer.kind & 7) == NTP_SERVER && (version == 3 || version == 4) && answer.stratum &&
	       transmit;
}

/* x * part / whole, for part < whole, to within 2^-32 of x: a long division with digits of 16 bits. */
static __always_inline __u64 share_of(__u64 x, __u64 part, __u64 whole)
{
	__u64 share;

	if (whole >> 48) { /* three days, in ns */
		whole >>= 16;
		part >>= 16;
	}
	part <<= 16;
	share = part / whole << 16 | (part % whole << 16) / whole;
	return (x >> 32) * share + ((x & 0xffffffff) * share >> 32);
}

/* How far off the server is `since` ns after the window's opening. */
static __always_inline __s64 ntp_offset(const struct sp_rule *r, __u64 since)
{
	if (!r->ntp_over_ns)
		return r->ntp_from;
	if (since >= r->ntp_over_ns)
		return r->ntp_to;
	if (r->ntp_to < r->ntp_from)
		return r->ntp_from - share_of(r->ntp_from - r->ntp_to, since, r->ntp_over_ns);
	return r->ntp_from + share_of(r->ntp_to - r->ntp_from, since, r->ntp_over_ns);
}

static __always_inline enum sp_verdict ntp_verdict(const struct work *w, __u32 rule, const struct passage *a)
{
	const struct sp_rule *r = rule_at(rule);

	if (!(w->p.content & CONTENT_NTP_ANSWER))
		return SP_PASS;
	if (w->p.is_bound)
		return count_failed(w, a);
	return r->meaning_below >= SP_ALWAYS ||
			       draw(window_seed(r->seed, a->key.slot - r->first_slot), DRAW_ANSWER,
				    key_hash(&a->key), w->p.dir, a->seen) < r->meaning_below
		       ? SP_ALTER
		       : SP_PASS;
}

/* In 32.32 bits, which begin again at 0 every 136 years; 0 itself is no time. */
static __always_inline __be64 ntp_shift(__be64 time, __s64 offset)
{
	__u64 to = bpf_be64_to_cpu(time) + offset;

	return time ? bpf_cpu_to_be64(to ?: 1) : 0;
}

/* 0 or a negative number. */
__noinline int alter_ntp(struct __sk_buff *skb, struct work *w, __u32 rule)
{
	struct sp_rule *r = rule_at(rule);
	struct ntp_times from, to;
	__s64 offset, diff;
	__u32 at;
	int err;

	if (!w || !r->every_ns)
		return -1;
	at = payload_at(&w->p) + NTP_TIMES;
	offset = ntp_offset(r, (w->now - r->start_ns) % r->every_ns);
	err = bpf_skb_pull_data(skb, at + sizeof(from));
	if (!err)
		err = bpf_skb_load_bytes(skb, at, &from, sizeof(from));
	if (err)
		return err;
	to.receive = ntp_shift(from.receive, offset);
	to.transmit = ntp_shift(from.transmit, offset);
	diff = bpf_csum_diff((__be32 *)&from, sizeof(from), (__be32 *)&to, sizeof(to), 0);
	err = bpf_l4_csum_replace(skb, w->p.l4 + offsetof(struct udphdr, check), 0, diff,
				  BPF_F_MARK_MANGLED_0);
	return err ?: bpf_skb_store_bytes(skb, at, &to, sizeof(to), 0);
}

#endif
