/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of the targets as the kernel's observer tells of them: each record becomes a conn.* event of
 * docs/run-directory.md, connections that have ended are taken out of the kernel's table after a while, and at the end of
 * the run what is still there is told of. What is kept here is bounded; for one record there is no system call and, once
 * the tables have grown, no allocation. Connections of this run's own probes are not told of, nor waited for.
 */
#ifndef SHEARPIN_CONNS_H
#define SHEARPIN_CONNS_H

#include "drill/conn_paths.h"
#include "drill/processes.h"
#include "drill/windows.h"

/* After the end of a connection its last segments, sent again, must not be taken for another one. */
#define CONNS_LINGER_NS (5 * NS_PER_S)

typedef void conns_entry(void *arg, const struct sp_flow_key *key, const struct sp_conn *conn);

/* The kernel's side: drill/conns_kernel.h, or what a test makes up. Results are as of the functions of these names. */
struct conns_kernel {
	void *arg;
	int (*observed_target)(void *arg, unsigned bit);
	int (*conn_delete)(void *arg, const struct sp_flow_key *key, const struct sp_conn *ended);
	int (*conns_each)(void *arg, conns_entry *call, void *call_arg);
	processes_walk *owners_walk;
	const char *(*cgroup_path)(void *arg, uint64_t id, uint32_t pid);
};

struct conns;

/* What is passed stays the caller's, and must outlive the conns. 0 or a negative errno. */
int conns_open(const struct plan *plan, const struct windows *windows, const struct conns_kernel *kernel,
	       struct journal *journal, struct conns **ret);
void conns_close(struct conns *conns); /* accepts NULL */

/* A record of the observer. */
void conns_event(struct conns *conns, const struct sp_conn_event *event);
/* Is this a connection of a probe of this run, or a flow that one keeps? */
bool conns_is_own(const struct conns *conns, const struct sp_flow_key *flow);
/*
 * Connections of probes leave the table when their timeout is over; is_held tells, by the port at this end, those that a probe still
 * has: they stay.
 */
typedef bool conns_held(void *arg, uint8_t proto, uint16_t local_port);
void conns_ask(struct conns *conns, conns_held *is_held, void *arg);
/* A record of the type SP_EVENT_FLOW_HIT: its path is to recover. */
void conns_hit(struct conns *conns, const struct sp_event *event);
/*
 * Do what is due: ask who holds sockets, take out what has ended. To be called every 20 ms or so; `until` is when there is
 * other work. 0 or a negative errno.
 */
int conns_run(struct conns *conns, uint64_t now, uint64_t until);

/*
 * Is every path that a fault has hit back, by its payload since the last window that hit it closed? (conn_paths.h) True if
 * none was hit; false for good if there were more paths than are kept and one that wasn't back is forgotten. tried_only: a
 * path that never had payload, or gave no sign of life after it was hit, is not waited for.
 */
bool conns_recovered(struct conns *conns, uint64_t now, bool tried_only);
/* conn_paths_back() */
bool conns_back(struct conns *conns, uint64_t now, const struct conn_paths_of *of);

/*
 * At the end of the run, with the observer switched off: conn.open for each that is still there, and `conns`. 0 or a negative
 * errno.
 */
int conns_tell(struct conns *conns, const uint64_t stats[SP_STATS], uint64_t now);

/* By target, in their order: for the display. */
const struct drill_target *conns_view(struct conns *conns, uint64_t now, size_t *ret_n);

#endif
