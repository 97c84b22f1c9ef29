/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe that looks at a file: is it there, how old is it, what does it say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/read_file.h"
#include "base/timeutil.h"
#include "drill/age.h"
#include "drill/expression.h"
#include "drill/probe.h"

#define MOST_BYTES (1024 * 1024) /* of which the expression is looked for */

struct file_probe {
	struct expression expression;
	struct buf text;
	char error[128];
};

static void file_free(struct file_probe *s)
{
	expression_close(&s->expression);
	buf_free(&s->text);
	free(s);
}

static int file_open(struct probe *p)
{
	struct file_probe *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = expression_open(&s->expression, p->plan->expect_output);
	if (err)
		file_free(s);
	else
		p->state = s;
	return err;
}

static void file_close(struct probe *p)
{
	file_free(p->state);
}

static bool say_error(struct file_probe *s, int err)
{
	if (err == -ENOENT || err == -ENOTDIR)
		snprintf(s->error, sizeof(s->error), "it is not there");
	else if (err == -ENOTSUP)
		snprintf(s->error, sizeof(s->error), "it is no regular file");
	else
		snprintf(s->error, sizeof(s->error), "it can't be read: %s",
			 strerrordesc_np(-err) ?: "unknown error");
	return false;
}

static bool is_absent(struct file_probe *s, int err)
{
	if (err == -ENOENT || err == -ENOTDIR)
		return true;
	if (err)
		return say_error(s, err);
	snprintf(s->error, sizeof(s->error), "it is there");
	return false;
}

static bool says_so(struct probe *p)
{
	struct file_probe *s = p->state;
	int err;

	if (!s->expression.set)
		return true;
	buf_clear(&s->text);
	s->text.failed = false;
	err = read_file(p->plan->path, MOST_BYTES, &s->text, NULL);
	if (err && err != -EFBIG)
		return say_error(s, err);
	if (expression_matches(&s->expression, s->text.data ?: "", s->text.len))
		return true;
	snprintf(s->error, sizeof(s->error), "it does not contain what it should");
	return false;
}

static bool is_healthy(struct probe *p)
{
	struct file_probe *s = p->state;
	struct stat st;
	int err = stat(p->plan->path, &st) ? -errno : 0;
	int64_t now = clock_real_ns();
	char words[48];

	if (p->plan->absent)
		return is_absent(s, err);
	if (err)
		return say_error(s, err);
	if (!age_is_fresh(now, age_mtime(&st), p->plan->fresh_ns)) {
		age_words(now, age_mtime(&st), words, sizeof(words));
		snprintf(s->error, sizeof(s->error), "it is %s", words);
		return false;
	}
	return says_so(p);
}

static uint64_t file_run(struct probe *p, uint64_t now)
{
	struct file_probe *s = p->state;
	struct probe_sample sample = {};

	if (now < p->due)
		return p->due;
	sample.healthy = is_healthy(p);
	probe_tell_now(p, &sample, s->error);
	return p->due;
}

const struct probe_kind probe_file = {
	.open = file_open,
	.close = file_close,
	.run = file_run,
};
