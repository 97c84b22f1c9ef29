/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In BPF_PROG_TEST_RUN every run gets the same packet. These give each the sequence number behind the one before, so that whoever comes
 * next finds new payload in it.
 */
#include <linux/types.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SEQ_AT(ip) (sizeof(struct ethhdr) + sizeof(ip) + __builtin_offsetof(struct tcphdr, seq))

#define FLOWS 8 /* a power of two */

const volatile __u32 payload;
__u32 which;       /* flow is at work */
__u32 seqs[FLOWS]; /* how far each is */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static __always_inline int advance(struct __sk_buff *skb, __u32 at)
{
	__be32 *seq = (void *)(long)skb->data + at;

	if ((void *)(seq + 1) > (void *)(long)skb->data_end)
		return -1;
	seqs[which & (FLOWS - 1)] += payload;
	*seq = bpf_htonl(seqs[which & (FLOWS - 1)]);
	bpf_tail_call(skb, &next, 0);
	return -1;
}

SEC("tc")
int advance4(struct __sk_buff *skb)
{
	return advance(skb, SEQ_AT(struct iphdr));
}

SEC("tc")
int advance6(struct __sk_buff *skb)
{
	return advance(skb, SEQ_AT(struct ipv6hdr));
}

SEC("tc")
int stay(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &next, 0);
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
