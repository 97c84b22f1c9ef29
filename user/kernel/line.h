/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The delay line: where packets wait. The programs (bpf/line.bpf.h) decide when each is due, leave that in the map `parcels`,
 * and redirect it to a device of the line with a ticket as its source address; when it is due, the line sends it with its
 * ticket past a hook of its TAP, where the program line_return puts it where it belongs. There are two kinds:
 *
 * LINE_FQ    in the kernel: a macvlan on a TAP that nobody reads, netem (which cuts the tie to the sending socket) and fq
 *            as its queueing disciplines; what they let go is taken at the egress hook of the TAP. For kernels that have sch_fq, sch_netem, macvlan and tun.
 * LINE_USER  in this process: a TAP whose frames, with their vnet header, a thread of its own reads, keeps in a heap by
 *            (release time, ticket) and writes back. For every kernel with tun. The only one that can break a checksum or take
 *            GSO packets apart, for which it has a second TAP without offloads.
 *
 * All of it hangs on this process's descriptors: the kernel removes the TAP, and with it the macvlan, when the process ends.
 *
 * Order: line_open, before any BPF program is loaded (the sooner a TAP's descriptor was made, the sooner it goes at
 * SIGKILL) -> line_prepare, between the skeleton's open and load -> line_start, after its load and before the programs are
 * attached anywhere else -> line_flush, after the programs were disarmed -> line_close.
 * Functions return 0 or a negative errno. Everything but the thread is the caller's thread's.
 */
#ifndef SHEARPIN_LINE_H
#define SHEARPIN_LINE_H

#include <linux/types.h>

#include "abi.h"
#include "scenario/plan.h"

struct line;
struct shearpin;

enum line_choice { LINE_CHOICE_AUTO, LINE_CHOICE_USER, LINE_CHOICE_FQ };

/* How the interface names of the line begin: spline0, spline1, ...; a target on one of them is refused. */
#define LINE_NAME "spline"

/*
 * Make the devices that the plan needs; NULL in *ret: it needs none. AUTO takes fq if this kernel has it and the plan allows.
 * ret_reason says for people what was wrong. -EOPNOTSUPP: the kernel, or with FQ the plan, can't.
 */
int line_open(const struct plan *plan, enum line_choice choice, bool realtime, struct line **ret,
	      char *ret_reason, size_t size);

/* "user", "fq"; with NULL "none" */
const char *line_name(const struct line *line);

/* Size the maps, and choose the programs to load; line may be NULL. */
int line_prepare(const struct line *line, struct shearpin *skel);

/* Attach the programs to the line's devices, fill in control, start the thread. */
int line_start(struct line *line, struct shearpin *skel);

/*
 * Look after the devices whenever an interface has changed: once one of them is gone or down, packets pass undelayed. Not by
 * the clock: 50 times a second it cost the bulk TCP beside the line a tenth of its throughput. line may be NULL.
 */
void line_watch(struct line *line);

/* Send back everything that waits, at once. fq can't, and loses it. */
void line_flush(struct line *line);

struct line_stats {
	__u64 device_dropped; /* frames that the TAPs or the macvlan dropped: nobody read them in time, or no room */
	__u64 memory_full; /* frames for which the line's memory had no room */
	__u64 stale; /* frames whose parcel was counted as lost by then, and its place given to another */
	__u64 write_failed;
	__u64 held_max; /* frames at one time; 0 with fq, where nobody sees it */
	__u64 parcels;  /* the line's capacity, in packets */
	__u64 memory;   /* and in bytes; 0 with fq, where the sender's memory counts */
	bool realtime;  /* the thread has a real-time priority */
	bool lost;      /* a device of the line is gone or down; packets have passed undelayed since */
};
int line_stats(struct line *line, struct line_stats *ret);

void line_close(struct line *line); /* accepts NULL */

/*
 * Which kind AUTO would take on this host, for a plan that allows both; found out by trying, in a child process with a
 * network namespace of its own (and, without privilege, a user namespace): LINE_CHOICE_FQ, LINE_CHOICE_USER, or a negative errno:
 * neither (-ENODEV: no /dev/net/tun), or it can't be told by this user (-EPERM).
 */
int line_probe(void);

#endif
