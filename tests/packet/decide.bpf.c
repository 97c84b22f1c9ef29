/* SPDX-License-Identifier: GPL-2.0-only */
/* The deciding and accounting parts of the programs, with the time, the rules that match and the segments from the test. */
#include "account.bpf.h"

struct {
	struct sp_bits match;
	__u64 now;
	__u64 step; /* added to the time by each packet */
	__u32 segments;
	__u32 dir;
} given;

/* Of a packet. */
struct {
	__u32 parsed;
	__u32 rule;
	__u32 slot; /* NO_SLOT: no rule was open */
	__u32 verdict;
	__u32 is_bent; /* otherwise what follows is 0 */
	__u32 n_parts;
	__u64 release;
	__u64 first;
	__u64 requested;
	__u64 spacing;
	__u32 bend_slot;
	__u32 draw;
	__u32 copies;
	__u32 alter;
	__u32 plain;
} taken;

/* What became of each packet of a long run. */
struct fate {
	__u64 release;
	__u64 requested;
	__u32 draw;
	__u8 verdict;
	__u8 copies;
	__u8 alter;
	__u8 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct fate);
} fates SEC(".maps");
__u32 n_fates;

static __always_inline void take(struct work *w)
{
	struct bent *bent = w->is_bent ? bent_of(w) : NULL;
	struct bend bend = {};

	taken.rule = w->rule;
	taken.slot = w->slot;
	taken.verdict = w->verdict;
	taken.is_bent = w->is_bent;
	taken.n_parts = bent ? bent->n_parts : 0;
	if (bent)
		bend = bent->bend;
	taken.release = bend.release;
	taken.first = bend.first;
	taken.requested = bend.requested;
	taken.spacing = bend.spacing;
	taken.bend_slot = bend.slot;
	taken.draw = bend.draw;
	taken.copies = bend.copies;
	taken.alter = bend.alter;
	taken.plain = bend.plain;
}

static __always_inline void keep_fate(void)
{
	__u32 key = n_fates++;
	struct fate *fate = bpf_map_lookup_elem(&fates, &key);

	if (!fate)
		return;
	fate->release = taken.release;
	fate->requested = taken.requested;
	fate->draw = taken.draw;
	fate->verdict = taken.verdict;
	fate->copies = taken.copies;
	fate->alter = taken.alter;
}

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
	take(&w);
	keep_fate();
	given.now += given.step;
	return SP_TC_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
