/* SPDX-License-Identifier: BSD-2-Clause */
/* What is active on this host at one moment, as `status` and `watch` show it. */
#ifndef SHEARPIN_STATUS_SCENE_H
#define SHEARPIN_STATUS_SCENE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "abi.h"
#include "drill/record.h"
#include "kernel/host.h"
#include "kernel/netns.h"

/* A rule as it stands. */
struct rule_view {
	const struct record_rule *rule;
	struct record_window window;
	struct sp_counters counters; /* of all its windows */
};

/* A step that moves the clock, as it stands. */
struct clock_view {
	const struct record_clock *clock;
	struct record_window window;
};

struct run_view {
	const struct host_run *run;
	struct record *record; /* NULL: unreadable */
	enum record_phase phase;
	uint64_t left_ns; /* of the phase, at most */
	struct rule_view *rules;
	struct clock_view *clocks;
	uint32_t open, over, windows;
	int counters_error; /* 0: the counters hold */
};

/* What there is to be seen; the namespaces are kept for their names. */
struct scene {
	struct run_view *runs;
	size_t n;
	struct host_run *records; /* what the rest points into */
	size_t n_records;
	const struct host_run **removed; /* records of dead runs, */
	int *errors;                     /* and why one could not be removed */
	size_t n_removed;
	struct netns *netns;
	size_t n_netns;
	uint64_t own_netns;
};

/* Words by enum record_phase and enum window_state. */
extern const char *const scene_phase_names[], *const scene_state_names[];

/*
 * Look at what there is, and remove the records of runs that were killed. netns: the inode of the only network namespace that
 * is meant; 0: all. 0 or a negative errno; scene_free() in any case.
 */
int scene_take(uint64_t netns, struct scene *ret);
void scene_free(struct scene *scene);
/* The name of a network namespace; NULL: it has none. */
const char *scene_netns_name(const struct scene *scene, uint64_t inode);

/* For people: the runs; the records that were removed. */
void scene_print(FILE *out, const struct scene *scene, bool colour);
void scene_print_removed(FILE *out, const struct scene *scene);

#endif
