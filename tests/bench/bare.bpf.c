/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs are measured against, and the source of the frames: the least that a program of a type can do. */
#include <linux/types.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

__u32 out_ifindex;

SEC("tc")
int pass_skb(struct __sk_buff __attribute__((unused)) * skb)
{
	return -1; /* next program, else pass */
}

SEC("xdp")
int pass_frame(struct xdp_md __attribute__((unused)) * ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int drop_frame(struct xdp_md __attribute__((unused)) * ctx)
{
	return XDP_DROP;
}

/* In BPF_PROG_TEST_RUN with live frames: sends each of them. */
SEC("xdp")
int send_frame(struct xdp_md __attribute__((unused)) * ctx)
{
	return bpf_redirect(out_ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
