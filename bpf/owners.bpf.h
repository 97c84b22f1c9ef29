/* SPDX-License-Identifier: GPL-2.0-only */
/* A walk over all open files: which process holds the sockets of the observed flows of this network namespace. */
#ifndef SHEARPIN_OWNERS_BPF_H
#define SHEARPIN_OWNERS_BPF_H

#include "sockets.bpf.h"

SEC("iter/task_file")
int owners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct sp_owner owner = {};
	struct socket *socket;
	struct sp_bits match = {};
	struct packet p;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6) ||
	    sk->__sk_common.skc_net.net != bpf_get_current_task_btf()->nsproxy->net_ns)
		return 0;
	packet_of_socket(&sk->__sk_common, &p);
	p.proto = sk->sk_protocol;
	if ((p.proto != IPPROTO_TCP && p.proto != IPPROTO_UDP) || !p.dport ||
	    !find_targets(&p, socket_ifindex(sk), &match))
		return 0;
	if (control.owners && !and_socket_owner(sk, &p, &match))
		return 0;
	flow_key(&p, 0, &owner.flow);
	owner.pid = task->tgid;
	owner.cgroup = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel(owner.comm, sizeof(owner.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &owner, sizeof(owner));
	return 0;
}

#endif
