/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs in the kernel, from one plan: load, attach, arm, read, disarm. Everything the engine puts into the kernel
 * hangs on file descriptors of this process and goes when it goes, in whatever way.
 *
 * Order: engine_open (load; nothing acts) -> rehearse -> engine_attach (still nothing acts) -> engine_set_zero
 * -> engine_arm (from here on the kernel opens and closes the windows) -> engine_disarm -> engine_close.
 * Functions return 0 or a negative errno. One thread uses an engine. Times are CLOCK_MONOTONIC nanoseconds.
 */
#ifndef SHEARPIN_ENGINE_H
#define SHEARPIN_ENGINE_H

#include <linux/types.h>

#include "abi.h"
#include "kernel/flows.h"
#include "kernel/stalls.h"
#include "scenario/plan.h"

struct engine;
struct line;
struct shearpin;

enum attach_mode {
	ATTACH_AUTO, /* tcx, or clsact where the kernel has no tcx (before 6.6) */
	ATTACH_TCX,
	ATTACH_CLSACT,
};

struct engine_interface {
	const char *name;
	int ifindex;
};

/* Load the programs, fill the maps, and start the line, which stays the caller's and may be NULL if the plan needs none. */
int engine_open(const struct plan *plan, const struct engine_interface *interfaces, size_t n,
		struct line *line, struct engine **ret_engine);
void engine_close(struct engine *engine);

/* Attach to the interfaces, at both hooks of tc, and at XDP if a rule of the plan acts there. On failure nothing stays
 * attached, and *ret_culprit is the interface's name (as long as the plan lives). */
int engine_attach(struct engine *engine, enum attach_mode mode, const char **ret_culprit);
const char *engine_attached_as(const struct engine *engine); /* "tcx", "clsact" */

/* Addresses that each of a plan's names (plan_target.hosts) may gain after engine_open(). */
#define ENGINE_HOST_ROOM 64
/* The targets' `remotes` have grown since: match them from here on. What was matched stays so throughout. */
int engine_retarget(struct engine *engine);

/* From here on the observer follows the targets' flows, but for those of this process. */
int engine_observe(struct engine *engine);
/*
 * Set the windows of all rules that begin in a part of the plan's time relative to zero_ns (CLOCK_MONOTONIC), before any of them
 * opens. Until then a rule's windows never open.
 */
void engine_set_zero(struct engine *engine, uint64_t zero_ns, struct plan_span span);
/* Switch on. A window acts from here on, even if it had begun before. */
void engine_arm(struct engine *engine);
/* Switch off, the observer, too: with this store, every packet passes. */
void engine_disarm(struct engine *engine);

/* The counters of a slot, over all CPUs. */
int engine_counters(struct engine *engine, uint32_t slot, struct sp_counters *ret_counters);
/* How well a slot's fault was kept so far; of a plan whose rules have receipts. */
int engine_receipt(struct engine *engine, uint32_t slot, struct sp_receipt *ret_receipt);
int engine_stats(struct engine *engine, uint64_t ret_stats[SP_STATS]);

/* Budget spent: enum sp_budget. */
unsigned engine_spent(const struct engine *engine);

/*
 * Records that wait in the ring buffer, oldest first, some thousands at most; returns their number or a negative errno. The
 * __u32 `type` behind the time says what a record is: struct sp_packet_event, sp_conn_event (from SP_EVENT_CONN on), or
 * sp_event.
 */
typedef void engine_record(void *arg, const void *record, size_t size);
int engine_drain(struct engine *engine, engine_record *call, void *arg);
int engine_events_fd(const struct engine *engine); /* becomes readable when many wait */
/* The same for struct sp_capture, of a plan with a capture. */
int engine_drain_captures(struct engine *engine, engine_record *call, void *arg);
int engine_captures_fd(const struct engine *engine);

/* The target that a bit of sp_conn_event.targets stands for, or -1. */
int engine_observed_target(const struct engine *engine, unsigned bit);
/* All that the observer keeps at this time. Entries that come or go meanwhile may be left out. */
int engine_conns_each(struct engine *engine,
		      void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_conn *conn),
		      void *arg);
/* Forget a connection that has ended. 1; 0: it is gone, or there is another between the same ends by now. */
int engine_conn_delete(struct engine *engine, const struct sp_flow_key *key, const struct sp_conn *ended);

/* The flows of a slot, to be taken out of the flow table; see kernel/flows.h. */
int engine_flows_open(struct engine *engine, uint32_t slot, struct flows **ret);

/* Reset the idle connections of this network namespace that an open reset rule matches, both ends as the rule says;
 * returns how many, or a negative errno. For each, call tells the slot, and the error if it could not be sent. */
int engine_reset_idle(struct engine *engine,
		      void (*call)(void *arg, const struct sp_socket *socket, int error), void *arg);
bool engine_has_resets(const struct engine *engine);

/*
 * What a rule with a meaning keeps of the flows of a window that is closed, or in a pause between bursts, is of no use any more: it is
 * forgotten, and of a stall, who waits is told to go on (kernel/stalls.h). -EAGAIN: the next burst has begun.
 */
int engine_end_states(struct engine *engine, size_t rule, uint32_t slot, struct stalls_told *told);

/* The loaded programs and their maps: for rehearse(), tests and measurements. */
struct shearpin *engine_programs(struct engine *engine);

/* Ids of the maps that `shearpin status` reads from another process. */
struct engine_ids {
	uint32_t counters;
};
int engine_ids(const struct engine *engine, struct engine_ids *ret_ids);

#endif
