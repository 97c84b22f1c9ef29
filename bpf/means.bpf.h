/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules with a meaning (enum sp_meaning), in three steps: peek_skb() reads what they need of a packet; mean_verdict() says what
 * a rule whose window is open does to it; alter_meant() and answer_meant() carry that out. A packet that should be altered and
 * can't be passes, and counts as failed.
 */
#ifndef SHEARPIN_MEANS_BPF_H
#define SHEARPIN_MEANS_BPF_H

#include "closing.bpf.h"
#include "dns.bpf.h"
#include "http.bpf.h"
#include "limit.bpf.h"
#include "mtu.bpf.h"
#include "ntp.bpf.h"
#include "stall.bpf.h"

/* What the matching rules need of the packet. */
__noinline int peek_skb(struct __sk_buff *skb, struct work *w)
{
	struct content *content = content_at_work();

	if (!w || !content)
		return 0;
	__builtin_memset(&content->named, 0, sizeof(content->named));
	if (bits_meet(&w->match, &meanings[SP_MEANS_HTTP]))
		peek_http(skb, w);
	if (bits_meet(&w->match, &meanings[SP_MEANS_NTP]) && is_ntp_answer(skb, &w->p))
		w->p.content |= CONTENT_NTP_ANSWER;
	peek_mtu(skb, &w->p, content);
	if (w->p.proto == IPPROTO_TCP && bits_meet(&w->match, &meanings[SP_MEANS_STALL]))
		peek_window(skb, &w->p);
	if (bits_meet(&w->match, &meanings[SP_MEANS_DNS]))
		peek_dns(skb, w);
	return 0;
}

static __always_inline enum sp_verdict meant(struct work *w, __u32 rule, struct bent *bent)
{
	struct sp_rule *r = rule_at(rule);

	switch (r->meaning) {
	case SP_MEANS_DNS:
		return dns_verdict(w, rule);
	case SP_MEANS_HTTP:
		return http_verdict(w, rule);
	case SP_MEANS_NTP:
		return ntp_verdict(w, rule, &bent->passage);
	case SP_MEANS_STALL:
		return stall(w, bent);
	case SP_MEANS_LIMIT:
		return limit(w, rule);
	case SP_MEANS_HALF_OPEN:
		return half_open(&w->p);
	case SP_MEANS_RATE_LIMIT:
		return rate_limit(w, rule, bent);
	case SP_MEANS_MTU:
		return too_long(r);
	case SP_MEANS_DISCONNECTS:
		return disconnect(w, rule, bent);
	default:
		return SP_PASS;
	}
}

/* What a rule does to a packet that it neither loses nor answers. Not static: the verifier looks at it once. */
__noinline int mean_verdict(struct work *w, __u32 rule, const struct passage *a)
{
	struct sp_rule *r = rule_at(rule);
	enum sp_verdict verdict;
	struct bent *bent;
	__u32 n;

	if (!w || !a || !flow_drawn(r, &a->key, DRAW_FLOW, r->flow_below))
		return SP_PASS;
	bent = bent_of(w);
	if (!bent)
		return SP_PASS;
	bent->passage = *a;
	verdict = meant(w, rule, bent);
	if (verdict != SP_ALTER)
		return verdict;
	n = bent->n_meant;
	opaque(n);
	if (n >= MOST_MEANT)
		return count_failed(w, a);
	bent->meant[n] = rule;
	bent->n_meant = n + 1;
	return SP_ALTER;
}

struct meant_work {
	struct __sk_buff *skb;
	struct work *w;
	int err;
};

/* What a rule that makes SP_ALTER of a packet does to it. 0 or a negative number. */
static __always_inline int alter_by(struct __sk_buff *skb, struct work *w, __u32 rule)
{
	struct sp_rule *r = rule_at(rule);

	switch (r->meaning) {
	case SP_MEANS_HTTP:
		return alter_http(skb, w, rule);
	case SP_MEANS_NTP:
		return alter_ntp(skb, w, rule);
	case SP_MEANS_STALL:
		return shut_window(skb, &w->p);
	case SP_MEANS_LIMIT:
		return limit_cut(skb, w, rule);
	case SP_MEANS_HALF_OPEN:
		return clear_fin(skb, &w->p);
	default:
		return -1;
	}
}

static long alter_next(__u64 i, struct meant_work *m)
{
	struct bent *bent = bent_of(m->w);

	opaque(i);
	if (!bent || i >= MOST_MEANT || i >= bent->n_meant)
		return 1;
	m->err = alter_by(m->skb, m->w, bent->meant[i]);
	return m->err != 0;
}

/* All that rules with a meaning alter of the packet. 0 or a negative number. */
__noinline int alter_meant(struct __sk_buff *skb, struct work *w)
{
	struct meant_work m = {.skb = skb, .w = w};

	if (!w)
		return -1;
	bpf_loop(MOST_MEANT, alter_next, &m, 0);
	return m.err;
}

/* SP_RESET or SP_REFUSE of a rule with a meaning. Returns the program's return value, or CANNOT. */
__noinline int answer_meant(struct __sk_buff *skb, struct work *w)
{
	if (!w)
		return CANNOT;
	switch (rule_at(w->rule)->meaning) {
	case SP_MEANS_LIMIT:
		return limit_end(skb, w);
	case SP_MEANS_DNS:
		if (w->p.proto == IPPROTO_UDP)
			return answer_query(skb, &w->p, rule_at(w->rule)->rcode);
		break;
	case SP_MEANS_MTU:
		return tell_mtu(skb, &w->p, rule_at(w->rule));
	case SP_MEANS_RATE_LIMIT:
		if (is_syn(&w->p))
			return w->p.is_bound ? CANNOT : refuse_syn(skb, &w->p);
		break;
	default:
		break;
	}
	return w->p.is_bound ? CANNOT : reset_segment(skb, &w->p, SP_END_LOCAL | SP_END_REMOTE);
}

#endif
