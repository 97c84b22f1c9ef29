/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel types that the programs look into, with just the members they use: CO-RE finds the rest in the running
 * kernel's BTF. vmlinux/check compares this page with a kernel.
 */
#ifndef SHEARPIN_VMLINUX_H
#define SHEARPIN_VMLINUX_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct kernel_in6_addr { /* struct in6_addr of the kernel: UAPI has one by that name */
	__u32 words[4];
};

struct net;

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct kernel_in6_addr skc_v6_daddr;
	struct kernel_in6_addr skc_v6_rcv_saddr;
};

struct net_device {
	int ifindex;
};

struct dst_entry {
	struct net_device *dev;
};

typedef struct {
	int owned;
} socket_lock_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	int level; /* below the root */
	struct kernfs_node *kn;
	struct cgroup *ancestors[]; /* by level, itself the last */
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct dst_entry *sk_dst_cache;
	struct socket *sk_socket;
	int sk_rx_dst_ifindex;
	__u16 sk_protocol;
	struct sock_cgroup_data sk_cgrp_data;
};

struct cred;

struct file {
	const struct cred *f_cred; /* of who opened it */
};

struct socket {
	struct sock *sk;
	struct file *file;
};

struct nsproxy {
	struct net *net_ns;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	int tgid;
	const struct cred *cred; /* each process has its own; its threads share it */
	char comm[16];
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 snd_nxt;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

#pragma clang attribute pop

#endif
