/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One kind of change that a step makes to the host: how it is looked at before the run, made, and told. Taking back is done from
 * what the undo journal has of it (undo_kinds.h), so that it is the same whoever does it.
 *
 * prepare() and apply() of a slow kind are called in a thread of their own; nothing of the run's is touched there but the change.
 */
#ifndef SHEARPIN_CHANGE_H
#define SHEARPIN_CHANGE_H

#include <stdatomic.h>

#include "base/json.h"
#include "drill/child.h"
#include "drill/file_state.h"
#include "drill/process_find.h"
#include "drill/undo_replay.h"
#include "kernel/link_state.h"
#include "scenario/plan.h"

struct change {
	const struct plan_step *step;
	uint32_t instance;        /* from 0 */
	uint64_t seed;            /* of garbage: the plan's, the step's and the window's */
	const char *folder;       /* for copies (undo.h); of kinds that keep some */
	unsigned number;          /* what its copies are called */
	atomic_bool is_cancelled; /* whoever is at it gives up, with -ECANCELED */
	uint64_t done_ns;         /* CLOCK_MONOTONIC: when it was made, and when it was taken back */
	uint64_t begun_ns;        /* the same: when that was begun, of a kind that has poll() */
	struct buf undo;          /* for the journal: a JSON object; empty: there is nothing to take back */
	enum undo_result result;  /* of taking it back */
	char why[320];            /* it can't be made or taken back; or why that was not needed; "" */
	/* Of its kind. */
	struct process_found process;
	struct file_change file;
	struct link_counts link;
	struct {
		struct child *child;
		uint64_t until_ns;
		bool is_undo;
		int status; /* -1: it has none yet, or was killed */
		char output[4096 + 1];
		size_t len;
	} exec;
};

enum change_event {
	CHANGE_MADE, /* of a kind that has poll(): begun */
	CHANGE_RAN,  /* of such a kind: what apply() began is over */
	CHANGE_TAKEN_BACK,
	CHANGE_ENDED, /* what it was about, no more */
};

struct change_kind {
	const char *name; /* also in the undo journal */
	bool slow;        /* it may take longer than the drill's loop can wait */
	bool in_parts;    /* struct undo_late */
	bool keeps_copies;
	/* Before the run: can it be done, as far as can be known by then? 0, or a negative errno and words for people. */
	int (*check)(const struct plan_step *step, char *ret_why, size_t size);
	/* Changes with the same key are of one thing; free() it. NULL: there is none, or no memory. The function may be NULL. */
	char *(*key)(const struct plan_step *step);
	/* Look, keep what is to be put back, compose `undo`. 0, or a negative errno and c->why: nothing has changed. */
	int (*prepare)(struct change *c);
	/*
	 * Make it. `undo` may be composed anew. 0; -EINPROGRESS (and c->begun_ns): ask poll() until that says otherwise; or a negative
	 * errno and c->why: then there may be a part of it.
	 */
	int (*apply)(struct change *c);
	int (*poll)(struct change *c);
	/*
	 * 0 (see c->result, c->why) or -EINPROGRESS, as above. NULL: what the journal's kind does, from the data.
	 */
	int (*take_back)(struct change *c);
	/* What was done, as members of an event's data. */
	void (*tell)(const struct change *c, struct json *data, enum change_event event);
};

/* NULL: the step is no change, one of the clock (clock_step.h), or a shadow. */
const struct change_kind *change_kind_of(const struct plan_step *step);
/* Is there something to be taken back of it? */
bool change_is_undone(const struct plan_step *step);

extern const struct change_kind change_signal, change_exec, change_file, change_link;

#endif
