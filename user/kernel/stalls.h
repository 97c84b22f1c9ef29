/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a stall (bpf/stall.bpf.h). A sender whose peer's window is 0 asks again with probes that come ever more rarely (RFC
 * 9293, 3.8.6.1), so that seconds would pass until it learns that the fault is over. Instead it is sent the acknowledgement that it was kept
 * from, in its peer's name.
 */
#ifndef SHEARPIN_STALLS_H
#define SHEARPIN_STALLS_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "kernel/raw.h"

/* A sender whose peer was silent for more windows of another stall than these, the open one too, is not known to be held by it. */
#define STALLS_WINDOWS_BACK 16

struct stalls {
	int states_fd, conns_fd;        /* the maps */
	const struct raw *raw;          /* NULL: nobody is told anything */
	size_t rule;                    /* that ends */
	const struct sp_rule *rules;    /* all of the plan */
	const struct sp_bits *stalling; /* those that stall */
	/* The slot of the rule's window that is open now; -1: none is. Asked for each connection: this process may have been stopped. */
	int (*window)(const void *arg, size_t rule);
	const void *arg;
};

struct stalls_told {
	uint64_t sent, failed; /* acknowledgements */
};

/*
 * Take the flows of a slot out of the table of states, and tell their senders, unless the connection has ended, or another
 * stall still holds it: they are told at its end. Adds to *told. 0 or a negative errno: -EAGAIN, if it was not over any more and
 * there is somebody to tell; the rest of the flows stay.
 */
int stalls_end(const struct stalls *stalls, uint32_t slot, struct stalls_told *told);

#endif
