/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel and this process's privileges allow, found out by trying rather than by version. Trials take place in a
 * child process with a network namespace of its own, so that nothing of this host is touched.
 */
#ifndef SHEARPIN_CAPABILITIES_H
#define SHEARPIN_CAPABILITIES_H

#include <stdbool.h>
#include <stddef.h>

/* The names of effective capabilities that a run needs and this process lacks, "CAP_BPF, CAP_NET_ADMIN"; "" if none.
 * CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON. 0 or a negative errno. */
int capabilities_missing(char *text, size_t size);

/* Does the kernel have it? 1, 0, or a negative errno if it can't be told (-EPERM: not by this user). */
int capabilities_ring_buffer(void);
int capabilities_bpf_loop(void);
int capabilities_jit(void);

bool capabilities_btf(void);

/* The programs of a run, loaded and attached to an interface of the child's. */
enum trial {
	TRIAL_TCX,
	TRIAL_CLSACT,
	TRIAL_RESET, /* tc programs, and the walk over idle connections */
	TRIAL_XDP,
};

struct trial_result {
	int load;   /* 0 or a negative errno */
	int attach; /* the same, if loaded */
};

/* 0 and the result, or a negative errno if there could be no trial. */
int capabilities_try(enum trial trial, struct trial_result *ret_result);

#endif
