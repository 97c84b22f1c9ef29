/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/change_task.h"

#include <errno.h>

#include "base/timeutil.h"
#include "drill/leftovers.h"

static void work(struct change_task *t)
{
	t->result = t->work(t->kind, t->change);
	atomic_store(&t->is_done, true);
}

static void *run_thread(void *arg)
{
	work(arg);
	return NULL;
}

void change_task_begin(struct change_task *t, int (*what)(const struct change_kind *kind, struct change *c))
{
	t->since = clock_mono_ns();
	t->work = what;
	atomic_store(&t->is_done, false);
	t->has_thread = t->kind->slow && !pthread_create(&t->thread, NULL, run_thread, t);
	if (!t->has_thread) /* for want of memory at the latest here */
		work(t);
}

bool change_task_is_over(struct change_task *t)
{
	if (!atomic_load(&t->is_done))
		return false;
	if (t->has_thread)
		pthread_join(t->thread, NULL);
	t->has_thread = false;
	if (t->result == -EINPROGRESS)
		t->result = t->kind->poll(t->change);
	return t->result != -EINPROGRESS;
}

int change_task_prepare(const struct change_kind *kind, struct change *c)
{
	return kind->prepare(c);
}

int change_task_apply(const struct change_kind *kind, struct change *c)
{
	return kind->apply(c);
}

int change_task_take_back(const struct change_kind *kind, struct change *c)
{
	c->why[0] = '\0';
	if (kind->take_back)
		return kind->take_back(c);
	c->result = leftovers_take_data(kind->name, c->undo.data, c->why, sizeof(c->why));
	c->done_ns = clock_mono_ns();
	return 0;
}
