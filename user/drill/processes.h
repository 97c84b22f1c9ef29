/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process holds the local end of a connection, where its SYN didn't say: connections that come in, and those that were
 * there before the run. A walk over all open files finds out: one at the start, then only while there is a connection to ask
 * for, at most one a second, and no more of them than take a twentieth of the time. Bounded: the connections asked for last
 * are kept.
 */
#ifndef SHEARPIN_PROCESSES_H
#define SHEARPIN_PROCESSES_H

#include <linux/types.h>
#include <stdint.h>

#include "abi.h"

/* The result is the number found, or a negative errno, after which no more walks are made. */
typedef int processes_walk(void *arg, void (*call)(void *arg, const struct sp_owner *owner), void *call_arg);

struct processes;

/* 0 or a negative errno. */
int processes_open(processes_walk *walk, void *arg, struct processes **ret);
void processes_close(struct processes *processes); /* accepts NULL */

/* Walk if it is time, and if, by the last walk, another will be over well before `until`, when there is other work. */
void processes_run(struct processes *processes, uint64_t now, uint64_t until);

/*
 * NULL: unknown (so far). Holds until the next call. Of several that share the socket it is the first that was found. The
 * flow's slot is 0 here and below.
 */
const struct sp_owner *processes_find(struct processes *processes, const struct sp_flow_key *flow);
/* Look for it in the next walks. */
void processes_want(struct processes *processes, const struct sp_flow_key *flow);
/* The connection has ended: the next one between the same ends may be another's. */
void processes_forget(struct processes *processes, const struct sp_flow_key *flow);

#endif
