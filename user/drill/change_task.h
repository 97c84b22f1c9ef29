/* SPDX-License-Identifier: BSD-2-Clause */
/* One thing that is done about a change without holding up the drill's loop: of a slow kind in a thread of its own. */
#ifndef SHEARPIN_CHANGE_TASK_H
#define SHEARPIN_CHANGE_TASK_H

#include <pthread.h>

#include "drill/change.h"

struct change_task {
	const struct change_kind *kind;
	struct change *change;
	uint64_t since; /* CLOCK_MONOTONIC: when it was begun */
	int result;     /* once it is over */
	int (*work)(const struct change_kind *kind, struct change *c);
	pthread_t thread;
	bool has_thread;
	atomic_bool is_done;
};

/* Begin; the change is the task's until that is over. */
void change_task_begin(struct change_task *task,
		       int (*work)(const struct change_kind *kind, struct change *c));
/* False: it goes on. */
bool change_task_is_over(struct change_task *task);

/* What is done: the kind's prepare(), apply() and take_back(). */
int change_task_prepare(const struct change_kind *kind, struct change *c);
int change_task_apply(const struct change_kind *kind, struct change *c);
int change_task_take_back(const struct change_kind *kind, struct change *c);

#endif
