/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of a run (setup_publish() writes it, kernel/host keeps it) as another process reads it. Pure. Times are
 * CLOCK_MONOTONIC nanoseconds.
 */
#ifndef SHEARPIN_RECORD_H
#define SHEARPIN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

struct record_rule {
	char *step, *target;
	struct plan_window window;
	uint32_t first_slot;
};

/* A step that moves the clock. */
struct record_clock {
	char *step;
	int64_t offset_ns;
	struct plan_window window;
};

struct record {
	char *name, *directory, *attach;
	uint64_t netns; /* inode, as of host_netns() */
	uint64_t zero_ns;
	uint64_t length_ns, recovery_ns;
	char *wait; /* the next wait, at which the plan's time stands still; NULL: none */
	uint64_t wait_at_ns, wait_timeout_ns;
	uint32_t counters_map;
	char **interfaces;
	size_t n_interfaces;
	struct record_rule *rules;
	size_t n_rules;
	struct record_clock *clocks;
	size_t n_clocks;
};

/* 0; -EBADMSG: it is no record of this version; -ENOMEM. */
int record_read(const char *json, struct record **ret);
void record_free(struct record *record); /* accepts NULL */

enum record_phase {
	RECORD_BASELINE,
	RECORD_FAULTS,
	RECORD_RECOVERY,
	RECORD_WAIT, /* the plan's time stands still */
};

/* *ret_ends_ns: when the phase ends at the latest. */
enum record_phase record_phase(const struct record *record, uint64_t now, uint64_t *ret_ends_ns);

enum window_state {
	WINDOW_WAITS,
	WINDOW_OPEN,
	WINDOW_PAUSED, /* open, between two bursts */
	WINDOW_OVER,
};

/*
 * The window of a rule or a clock step that is open; else the next one to open; else the last one. What lies behind a wait is
 * as far away as it is by the plan's time.
 */
struct record_window {
	enum window_state state;
	uint32_t instance; /* from 0 */
	uint64_t opens_ns, closes_ns;
	uint64_t left_ns; /* until it opens or closes; 0: over */
	uint32_t over;    /* windows of the same that are over */
};

struct record_window record_window(const struct record *record, const struct plan_window *window,
				   uint64_t now);

#endif
