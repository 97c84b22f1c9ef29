/* SPDX-License-Identifier: BSD-2-Clause */
/* A process gets a signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/change.h"
#include "drill/undo_kinds.h"
#include "drill/undo_signal.h"
#include "kernel/ancestors.h"

/* Without init the host goes down, without the others there is nobody to take anything back. NULL: it may be hit. */
static const char *why_not(pid_t pid)
{
	pid_t ancestors[ANCESTORS_MOST];
	size_t n = ancestors_find(ancestors);

	if (pid == 1)
		return "which is init";
	if (pid == getpid())
		return "which is this run itself";
	if (ancestors_parent(pid) == getpid())
		return "which belongs to this run";
	for (size_t i = 0; i < n; i++)
		if (ancestors[i] == pid)
			return "from which this run was started";
	return NULL;
}

static void name_process(const struct plan_process *p, char *text, size_t size)
{
	if (p->pidfile)
		snprintf(text, size, "the process of the pidfile %s", p->pidfile);
	else if (p->name)
		snprintf(text, size, "the process called %s", p->name);
	else
		snprintf(text, size, "the process %u", p->pid);
}

static void explain(const struct plan_process *p, int err, char *ret_why, size_t size)
{
	static const struct {
		int err;
		const char *words;
	} all[] = {{-ESRCH, "there is none"},
		   {-EEXIST, "several have that name; a pidfile or a pid tells them apart"},
		   {-EBADMSG, "it holds no pid"},
		   {-ENOENT, "there is no such file"},
		   {-ENOTSUP, "it is no regular file"}};
	const char *words = strerror(-err);
	char name[200];

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].err == err)
			words = all[i].words;
	name_process(p, name, sizeof(name));
	snprintf(ret_why, size, "%s: %s", name, words);
}

static int find(const struct plan_process *p, struct process_found *ret, char *ret_why, size_t size)
{
	const char *forbidden;
	int err = process_find(p, ret);

	if (err) {
		explain(p, err, ret_why, size);
		return err;
	}
	forbidden = why_not(ret->pid);
	if (!forbidden)
		return 0;
	snprintf(ret_why, size, "the process %d (%.15s), %s, gets no signal", ret->pid, ret->comm, forbidden);
	return -EPERM;
}

/* It may be started by the time that it is wanted; who must not be hit is told at once. */
static int check(const struct plan_step *step, char *ret_why, size_t size)
{
	struct process_found found;
	int err = find(&step->signal.process, &found, ret_why, size);

	return err == -EPERM ? err : 0;
}

static char *key(const struct plan_step *step)
{
	char name[4200];

	name_process(&step->signal.process, name, sizeof(name));
	return strdup(name);
}

static int prepare(struct change *c)
{
	struct json j;
	int err = find(&c->step->signal.process, &c->process, c->why, sizeof(c->why));

	/* Who stands still already stays as he is. */
	if (err || !change_is_undone(c->step) || undo_signal_is_stopped(c->process.pid))
		return err;
	json_begin(&j, &c->undo);
	json_object(&j, NULL);
	json_i64(&j, "pid", c->process.pid);
	json_u64(&j, "start_ticks", c->process.start_ticks);
	json_string(&j, "comm", c->process.comm);
	json_end_object(&j);
	return 0;
}

static int apply(struct change *c)
{
	struct process_found now = {0};
	int fd = pidfd_open(c->process.pid, 0), err = fd < 0 ? -errno : process_look(c->process.pid, &now);

	if (!err && now.start_ticks != c->process.start_ticks)
		err = -ESRCH;
	c->done_ns = clock_mono_ns();
	if (!err && pidfd_send_signal(fd, c->step->signal.number, NULL, 0))
		err = -errno;
	if (err)
		snprintf(c->why, sizeof(c->why), "the process %d (%.15s): %s", c->process.pid,
			 c->process.comm, err == -ESRCH ? "it has just ended" : strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

static void tell(const struct change *c, struct json *data, enum change_event event)
{
	const char *name = sigabbrev_np(c->step->signal.number);
	char text[32];

	(void)event;
	if (name)
		snprintf(text, sizeof(text), "SIG%s", name);
	else
		snprintf(text, sizeof(text), "SIGRTMIN+%d", c->step->signal.number - SIGRTMIN);
	json_string(data, "signal", text);
	json_i64(data, "pid", c->process.pid);
	json_string(data, "comm", c->process.comm);
	json_u64(data, "start_ticks", c->process.start_ticks);
}

const struct change_kind change_signal = {
	.name = UNDO_SIGNAL,
	.check = check,
	.key = key,
	.prepare = prepare,
	.apply = apply,
	.tell = tell,
};
