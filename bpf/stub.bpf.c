/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For kernels without tcx (before 6.6). A clsact filter outlives its owner, so only this stub is attached. The program
 * array is not pinned: when the owner's last descriptor closes, the kernel empties it, the tail call falls through, and
 * the stub passes everything. It can go when no supported kernel is older than 6.6.
 */
#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

#define SP_TC_NEXT (-1)

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SP_HOOKS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

SEC("tc")
int sp_stub_in(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &programs, SP_HOOK_TC_IN);
	return SP_TC_NEXT;
}

SEC("tc")
int sp_stub_out(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &programs, SP_HOOK_TC_OUT);
	return SP_TC_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
