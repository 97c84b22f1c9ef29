/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A probe that sees whether a process lives. One that is found with another pid or another start time than the last one was
 * started again meanwhile; whether that alone is a reason for an unhealthy sample is the scenario's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/probe.h"
#include "drill/process_find.h"

struct process_probe {
	bool seen;
	struct process_found last; /* that was found alive */
	unsigned restarts;
	char error[96], detail[64];
};

static int process_open(struct probe *p)
{
	p->state = calloc(1, sizeof(struct process_probe));
	return p->state ? 0 : -ENOMEM;
}

static void process_close(struct probe *p)
{
	free(p->state);
}

static void process_stop(struct probe *p)
{
	memset(p->state, 0, sizeof(struct process_probe));
}

static bool is_same(const struct process_found *a, const struct process_found *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

/* By name, the one that was found is it for as long as it lives: a look through all processes takes its time. */
static int find(const struct plan_process *what, const struct process_probe *s, struct process_found *ret)
{
	if (what->name && s->seen && !process_look(s->last.pid, ret) && is_same(ret, &s->last))
		return 0;
	return process_find(what, ret);
}

static const char *error_word(const struct plan_process *what, int err)
{
	switch (err) {
	case -ESRCH:
		return what->pidfile ? "the process of its pidfile is not there" : "there is no such process";
	case -EEXIST:
		return "several processes have that name";
	case -EBADMSG:
		return "there is no pid in its pidfile";
	case -ENOENT:
		return "its pidfile is not there";
	case -ENOTSUP:
		return "its pidfile is no regular file";
	default:
		return strerrordesc_np(-err) ?: "unknown error";
	}
}

static void describe(struct process_probe *s)
{
	size_t len = snprintf(s->detail, sizeof(s->detail), "pid %d", (int)s->last.pid);

	if (s->restarts)
		snprintf(s->detail + len, sizeof(s->detail) - len, ", restarted %u time%s", s->restarts,
			 s->restarts > 1 ? "s" : "");
}

static bool is_healthy(struct probe *p)
{
	struct process_probe *s = p->state;
	struct process_found found;
	int err = find(&p->plan->process, s, &found);
	bool restarted = !err && s->seen && !is_same(&found, &s->last);

	if (restarted && p->plan->process.pid)
		err = -ESRCH; /* the number is another's now */
	s->detail[0] = 0;
	if (err) {
		snprintf(s->error, sizeof(s->error), "%s", error_word(&p->plan->process, err));
		return false;
	}
	s->restarts += restarted;
	s->seen = true;
	s->last = found;
	describe(s);
	snprintf(s->error, sizeof(s->error), "it was started again");
	return !restarted || !p->plan->restarts_fail;
}

static uint64_t process_run(struct probe *p, uint64_t now)
{
	struct process_probe *s = p->state;
	struct probe_sample sample = {};

	if (now < p->due)
		return p->due;
	sample.healthy = is_healthy(p);
	if (s->detail[0]) {
		sample.has_value = true;
		sample.value = s->last.pid;
		sample.detail = s->detail;
	}
	probe_tell_now(p, &sample, s->error);
	return p->due;
}

const struct probe_kind probe_process = {
	.open = process_open,
	.close = process_close,
	.run = process_run,
	.stop = process_stop,
};
