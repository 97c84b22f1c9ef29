/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A run: claim the interfaces, load, check the operator's flows, attach, observe the baseline, arm, let the kernel open and
 * close the windows, observe the recovery, and clear. The kernel keeps the windows; this only watches, writes the
 * evidence, and resets idle connections at each opening.
 *
 * The recovery ends with the plan's time for it; before that once every probe has been healthy since the last closing, and
 * every path that was hit is back (conns.h). Where there are probes, a path that nobody tries to restore is not waited for.
 *
 * One thread, one epoll loop; signals come in through a signalfd. Whatever way drill_run() returns, nothing of the run acts
 * any more.
 */
#ifndef SHEARPIN_DRILL_H
#define SHEARPIN_DRILL_H

#include "evidence/log.h"
#include "kernel/engine.h"
#include "kernel/line.h"
#include "scenario/plan.h"

enum drill_outcome {
	DRILL_DONE,
	DRILL_REFUSED, /* before anything was touched */
	DRILL_ABORTED,
	DRILL_INTERRUPTED,
	DRILL_HOST_FAILED,
};

enum drill_phase {
	PHASE_BASELINE,
	PHASE_STEPS,
	PHASE_RECOVERY,
};

/* What a progress display shows. */
struct drill_window {
	const struct plan_step *step;
	const struct plan_target *target;
	uint32_t instance;            /* from 0 */
	uint64_t opens_ns, closes_ns; /* CLOCK_MONOTONIC; 0 before the run is armed */
	bool open, closed;
	uint64_t hit;                   /* packets not passed */
	uint64_t verdicts[SP_VERDICTS]; /* packets by what became of them */
};

struct drill_probe {
	const char *name;
	bool known, healthy;
	uint64_t samples, latency_ns;
};

struct drill_target {
	const char *name;
	uint64_t open;     /* connections and flows */
	uint64_t attempts; /* in the last second */
};

struct drill_progress {
	enum drill_phase phase;
	uint64_t now_ns, phase_ends_ns;
	const char *wait; /* the step at which the plan's time stands still; NULL: none */
	const struct drill_window *windows;
	size_t n_windows;
	const struct drill_probe *probes;
	size_t n_probes;
	const struct drill_target *targets;
	size_t n_targets;
};

struct drill_options {
	const char *out;           /* the run directory; NULL: runs/<UTC time>-<name> */
	const char *scenario_text; /* to be kept verbatim; NULL: none (inject) */
	size_t scenario_len;
	char **command;
	size_t n_command;
	enum attach_mode attach;
	enum line_choice line; /* where delayed packets wait */
	bool realtime;         /* the line's thread gets a real-time priority */
	bool allow_exec;       /* the plan may start programs; otherwise one that does is refused */
	const char *const *protect;
	size_t n_protect;
	const char *const *policies; /* files, kept besides the host's own */
	size_t n_policies;
	void (*on_event)(void *arg, const struct log_event *event, uint64_t ts_ns); /* may be NULL */
	void (*on_tick)(void *arg,
			const struct drill_progress *progress); /* may be NULL; ten times a second */
	void *arg;
};

struct drill_result {
	enum drill_outcome outcome;
	char reason[320]; /* why, unless DRILL_DONE */
	char *directory;  /* of the run; NULL if none was made; free() it */
	char *mistakes;   /* in a policy, one a line; NULL: none; free() it */
};

void drill_run(struct plan *plan, const struct drill_options *options, struct drill_result *ret_result);

/* Look up the names among the plan's targets, as a run does when it starts: their addresses are written into the plan.
 * False: ret_reason says what is wrong. */
bool drill_resolve(struct plan *plan, char *ret_reason, size_t size);

/* The interfaces of a plan: its own, or those that the routes to its targets lead through (then written into the plan).
 * False: ret_reason says what is wrong. */
bool drill_interfaces(struct plan *plan, char *ret_reason, size_t size);

#endif
