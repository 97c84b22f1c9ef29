/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/setup_aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "drill/clock_step.h"
#include "drill/leftovers.h"

static void ignore(void *arg, const struct undone *undone)
{
	(void)arg;
	(void)undone;
}

/* In the guard: nobody is there to be told. What fails stays for `shearpin clear`. */
static void take_back(void)
{
	(void)leftovers_take_back(UNDO_DIRECTORY, ignore, NULL);
}

static bool take_late(void *arg, const struct undo_late *late)
{
	bool stepped;

	if (clock_take_back(&clock_of_host, late->before_ns, late->offset_ns, &stepped) || !stepped)
		return false;
	(void)undo_done_beside(arg, late->id);
	return true;
}

static void explain(int err, const struct plan_step *step, char *ret_reason, size_t size)
{
	if (err == -ERANGE)
		snprintf(ret_reason, size, "the step %s would move the clock out of what the kernel allows",
			 step->name);
	else if (err == -EINVAL)
		snprintf(ret_reason, size,
			 "the step %s moves the clock while another offset is on it; the windows of clock "
			 "steps must not overlap",
			 step->name);
	else
		snprintf(ret_reason, size,
			 "this process may not move the clock: %s; that needs CAP_SYS_TIME on the host "
			 "itself, "
			 "which containers don't give",
			 strerror(-err));
}

enum drill_outcome setup_clock(struct setup *s, const struct plan *plan, char *ret_reason, size_t size)
{
	const struct plan_step *step;
	int err = clock_steps_check(plan, &step);

	if (err) {
		explain(err, step, ret_reason, size);
		return DRILL_REFUSED;
	}
	if (!clock_steps_wanted(plan))
		return DRILL_DONE;
	err = undo_open(UNDO_DIRECTORY, &s->undo);
	if (!err)
		err = undo_guard_start(&(struct undo_guard_work){take_back, take_late, s->undo}, &s->guard);
	if (!err)
		return DRILL_DONE;
	if (err == -EBUSY)
		snprintf(ret_reason, size, "another run moves this host's clock; see `shearpin status`");
	else
		snprintf(ret_reason, size, "can't make an undo journal in " UNDO_DIRECTORY ": %s",
			 strerror(-err));
	return DRILL_REFUSED;
}

enum drill_outcome setup_names(struct setup *s, struct plan *plan, int cancel_fd, char *ret_reason,
			       size_t size)
{
	int err = hosts_open(plan, answer_find, cancel_fd, &s->hosts, ret_reason, size);

	if (!err)
		return DRILL_DONE;
	if (err == -ECANCELED) {
		snprintf(ret_reason, size, "interrupted while the names of the targets were looked up");
		return DRILL_INTERRUPTED;
	}
	if (err != -ENOENT && err != -ETIMEDOUT)
		snprintf(ret_reason, size, "can't look up the names of the targets: %s", strerror(-err));
	return DRILL_REFUSED;
}

bool drill_resolve(struct plan *plan, char *ret_reason, size_t size)
{
	struct setup s = {0};
	bool done = setup_names(&s, plan, -1, ret_reason, size) == DRILL_DONE;

	hosts_close(s.hosts);
	return done;
}
