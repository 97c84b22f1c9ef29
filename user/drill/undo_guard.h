/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process beside the run that outlives it, by a moment: when the run is killed, what it had in its undo journal is taken
 * back at once, and not only by the next `shearpin clear`. When the run is stopped (SIGSTOP), a change that has an end is taken
 * back UNDO_GUARD_GRACE_NS behind it. The guard holds nothing of the run's, and sleeps.
 *
 * The run and its guard share a page, on which either claims a change before it takes it back.
 */
#ifndef SHEARPIN_UNDO_GUARD_H
#define SHEARPIN_UNDO_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define UNDO_GUARD_GRACE_NS (1 * NS_PER_S)

#define UNDO_GUARD_MOST 1024 /* changes with an end, at one time */

/* A change that ends. What it is, of any kind but the clock's, is in the journal. */
struct undo_late {
	uint64_t ends_ns;             /* CLOCK_MONOTONIC */
	int64_t before_ns, offset_ns; /* of the clock; offset_ns is 0: it is another change */
	unsigned id;                  /* in the undo journal, which gives each but once */
	bool in_parts; /* it takes time: what the guard takes back meanwhile is not all of it, and is looked at again */
};

/* Called in the guard. */
struct undo_guard_work {
	void (*take_back)(void); /* the run is dead */
	/* The run is late. True: the change was there, and is gone. */
	bool (*take_late)(void *arg, const struct undo_late *late);
	void *arg;
};

struct undo_guard;

/* To be called before the process has threads. 0 or a negative errno. */
int undo_guard_start(const struct undo_guard_work *work, struct undo_guard **ret);
/* Nothing is left to be taken back. Accepts NULL. */
void undo_guard_stop(struct undo_guard *guard);

/*
 * Before the change, and again behind it: a guard that was there too early looks again, and what it took back in between stays to
 * be claimed. 0, or -ENOSPC: UNDO_GUARD_MOST are watched. Accepts NULL.
 */
int undo_guard_watch(struct undo_guard *guard, const struct undo_late *late);
/* From here on the change is the run's. True: the guard has taken it back, at *ret_ns. Accepts NULL, and what is not watched. */
bool undo_guard_claim(struct undo_guard *guard, unsigned id, uint64_t *ret_ns);

#endif
