/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything before the first packet: interfaces, claims, programs, the operator's own flows, the run directory. */
#ifndef SHEARPIN_SETUP_H
#define SHEARPIN_SETUP_H

#include "drill/answers.h"
#include "drill/findings.h"
#include "drill/hosts.h"
#include "drill/journal.h"
#include "drill/policies.h"
#include "drill/undo.h"
#include "drill/undo_guard.h"
#include "kernel/host.h"
#include "kernel/line.h"
#include "kernel/netdev.h"
#include "kernel/owned.h"

struct setup {
	struct engine_interface *interfaces;
	struct netdev *devices;
	int *claims;         /* descriptors */
	size_t n_interfaces; /* that are claimed: so many of each array above */
	struct policies policies;
	char *mistakes;           /* in them, or what the scenario's checks found missing; NULL: none */
	struct findings findings; /* of those checks, and which alternatives were reached */
	struct hosts *hosts;      /* NULL: no target has a name */
	bool interfaces_given;    /* and not found by the routes to the targets */
	struct lifeline *lifeline;
	struct undo *undo; /* NULL: no step changes anything outside the kernel programs */
	struct undo_guard *guard;
	struct line *line; /* NULL: the plan needs none */
	struct engine *engine;
	struct owned *owned;     /* NULL: no target names an owner */
	struct answers *answers; /* NULL: the plan answers no connections */
	struct host_record *record;
	const char *xdp_taken; /* the interface whose XDP program made the rules move to tc; NULL: none */
	char *directory;
	int dirfd; /* -1: none */
};

/*
 * DRILL_DONE: all is attached, nothing acts yet. DRILL_REFUSED: nothing was touched, and the reason says what to do.
 * DRILL_HOST_FAILED: the run directory could not be made. DRILL_INTERRUPTED: cancel_fd became readable while names were looked
 * up, and nothing was touched. setup_close() in any case.
 */
enum drill_outcome setup_open(struct setup *s, struct plan *plan, const struct drill_options *options,
			      int cancel_fd, char *ret_reason, size_t size);
/*
 * The record for `shearpin status` and `clear`, or its next version. During the baseline zero_ns is a forecast. wait: the next wait,
 * before which zero_ns holds; NULL: none. 0 or a negative errno.
 */
int setup_publish(struct setup *s, const struct plan *plan, const char *directory, uint64_t zero_ns,
		  const struct plan_step *wait);
/* run.start, and what the host made the run do otherwise. */
void setup_tell(const struct setup *s, const struct plan *plan, const struct drill_options *options,
		struct journal *journal);
/* Take the programs off. */
void setup_detach(struct setup *s);
void setup_close(struct setup *s);

#endif
