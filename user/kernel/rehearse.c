/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/rehearse.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "kernel/vectors.h"
#include "shearpin.skel.h"

static int test_run_skb(int fd, int ifindex, const void *frame, size_t len)
{
	struct __sk_buff skb = {.ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .repeat = 1);

	return bpf_prog_test_run_opts(fd, &opts);
}

static int test_run_xdp(int fd, int ifindex, const void *frame, size_t len)
{
	struct xdp_md xdp = {.data_end = len, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &xdp,
		    .ctx_size_in = sizeof(xdp), .repeat = 1);

	return bpf_prog_test_run_opts(fd, &opts);
}

int rehearse(struct shearpin *skel, enum sp_hook hook, int ifindex, const void *frame, size_t len,
	     int *ret_rule)
{
	struct shearpin__bss *bss = skel->bss;
	int err;

	*ret_rule = -1;
	if (!bits_any_set(&bss->control.hook[hook]))
		return 0;
	bss->rehearsed.verdict = SP_PASS;
	bss->control.rehearsal = 1;
	bss->control.armed = SP_ARMED_FAULTS;
	if (hook == SP_HOOK_XDP)
		err = test_run_xdp(bpf_program__fd(skel->progs.xdp_in), ifindex, frame, len);
	else
		err = test_run_skb(
			bpf_program__fd(hook == SP_HOOK_TC_IN ? skel->progs.tc_in : skel->progs.tc_out),
			ifindex, frame, len);
	bss->control.armed = 0;
	bss->control.rehearsal = 0;
	if (!err && bss->rehearsed.verdict > SP_SUPPRESS)
		*ret_rule = bss->rehearsed.rule;
	return err;
}
