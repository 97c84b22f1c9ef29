/* SPDX-License-Identifier: GPL-2.0-only */
/* The deciding and accounting parts of the programs, with the time, the rules that match and the segments from the test. */
#include "account.bpf.h"

struct {
	struct sp_bits match;
	__u64 now;
	__u32 segments;
	__u32 dir;
} given;

struct {
	__u32 parsed;
	__u32 rule;
	__u32 slot; /* NO_SLOT: no rule was open */
	__u32 verdict;
} taken;

SEC("tc")
int decide_given(struct __sk_buff *skb)
{
	struct work w;

	w.p.dir = given.dir;
	taken.parsed = parse((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, &w.p);
	if (taken.parsed != PARSED)
		return SP_TC_NEXT;
	w.match = given.match;
	w.now = given.now;
	w.segments = given.segments;
	w.bytes = w.p.ip_len;
	w.hook = given.dir == SP_DIR_OUT ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN;
	decide(&w);
	if (w.slot != NO_SLOT)
		account(&w, false);
	taken.rule = w.rule;
	taken.slot = w.slot;
	taken.verdict = w.verdict;
	return SP_TC_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
