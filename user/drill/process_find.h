/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that a plan means. A zombie is none: it has ended. */
#ifndef SHEARPIN_PROCESS_FIND_H
#define SHEARPIN_PROCESS_FIND_H

#include <stdint.h>
#include <sys/types.h>

#include "scenario/plan.h"

struct process_found {
	pid_t pid;
	uint64_t
		start_ticks; /* since the boot, proc(5) stat field 22: with the pid, nobody else's for as long as the host is up */
	char comm[64];
};

/*
 * 0 or -ESRCH (there is none), -EEXIST (several have that name; ret is one of them), -EBADMSG (the pidfile holds no pid),
 * -ENOENT (there is no pidfile), -ENOTSUP (it is no regular file), or another negative errno.
 * By name neither this process nor a thread of the kernel is found.
 */
int process_find(const struct plan_process *what, struct process_found *ret);

/* What this pid is now: 0, -ESRCH, or another negative errno. */
int process_look(pid_t pid, struct process_found *ret);

#endif
