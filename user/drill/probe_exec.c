/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe that runs a program, and looks at its exit status and at what it says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/timeutil.h"
#include "drill/child.h"
#include "drill/expression.h"
#include "drill/probe.h"

#define SHOWN 200 /* of the output's first line */

struct exec_probe {
	struct expression expression;
	struct child *child; /* NULL: no sample is under way */
	uint64_t started;
	char error[96], detail[SHOWN + 1];
};

static int exec_open(struct probe *p)
{
	struct exec_probe *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = expression_open(&s->expression, p->plan->expect_output);
	if (err)
		free(s);
	else
		p->state = s;
	return err;
}

static void exec_stop(struct probe *p)
{
	struct exec_probe *s = p->state;

	child_end(s->child);
	s->child = NULL;
}

static void exec_close(struct probe *p)
{
	struct exec_probe *s = p->state;

	exec_stop(p);
	expression_close(&s->expression);
	free(s);
}

static void describe(struct exec_probe *s, const char *output, size_t len)
{
	const char *end = memchr(output, '\n', len);

	if (end)
		len = end - output;
	if (len > SHOWN)
		len = SHOWN;
	memcpy(s->detail, output, len);
	s->detail[len] = 0;
}

/* The child, if there is one, is done for. */
static void finish(struct probe *p, struct probe_sample *sample)
{
	struct exec_probe *s = p->state;

	exec_stop(p);
	sample->mono_ns = clock_mono_ns();
	sample->latency_ns = sample->mono_ns - s->started;
	sample->error = sample->healthy ? NULL : s->error;
	sample->detail = s->detail[0] ? s->detail : NULL;
	probe_rest(p, sample->mono_ns);
	probe_tell(p, sample);
}

static void judge(struct probe *p, int status, const char *output, size_t len)
{
	struct exec_probe *s = p->state;
	struct probe_sample sample = {.has_value = true, .value = status};

	if (status != p->plan->expect_status)
		snprintf(s->error, sizeof(s->error), "status %d", status);
	else if (!expression_matches(&s->expression, output, len))
		snprintf(s->error, sizeof(s->error), "it did not say what it should");
	else
		sample.healthy = true;
	describe(s, output, len);
	finish(p, &sample);
}

static void fail(struct probe *p, const char *why)
{
	struct exec_probe *s = p->state;
	struct probe_sample sample = {};
	size_t len = 0;
	const char *output = s->child ? child_output(s->child, &len) : "";

	snprintf(s->error, sizeof(s->error), "%s", why);
	describe(s, output, len);
	finish(p, &sample);
}

static const char *error_word(int err)
{
	switch (err) {
	case -ENOENT:
		return "there is no such program";
	case -EACCES:
		return "it is no program that may be run";
	default:
		return strerrordesc_np(-err) ?: "unknown error";
	}
}

static void start(struct probe *p)
{
	struct exec_probe *s = p->state;
	int err;

	s->started = clock_mono_ns();
	err = child_start(&p->plan->command, &s->child);
	if (!err)
		err = probe_watch(p, child_fd(s->child), EPOLLIN);
	if (err)
		fail(p, error_word(err));
}

static void exec_ready(struct probe *p)
{
	struct exec_probe *s = p->state;
	const char *output;
	size_t len;
	int status;

	if (s->child && child_done(s->child, &status, &output, &len))
		judge(p, status, output, len);
}

static uint64_t exec_run(struct probe *p, uint64_t now)
{
	struct exec_probe *s = p->state;

	if (s->child && now >= s->started + p->plan->timeout_ns) {
		exec_ready(p); /* it may have ended in time, and nobody has looked */
		if (s->child)
			fail(p, "timeout");
	}
	if (!s->child && now >= p->due)
		start(p);
	return s->child ? s->started + p->plan->timeout_ns : p->due;
}

const struct probe_kind probe_exec = {
	.open = exec_open,
	.close = exec_close,
	.run = exec_run,
	.ready = exec_ready,
	.stop = exec_stop,
};
