/* SPDX-License-Identifier: BSD-2-Clause */
/* A program is run, and another takes back what it did. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/change.h"
#include "drill/change_netns.h"
#include "drill/undo_exec.h"
#include "drill/undo_kinds.h"

static int say(int err, const char *program, char *ret_why, size_t size)
{
	snprintf(ret_why, size, "the program %.200s: %s", program,
		 err == -ENOENT   ? "there is none of that name"
		 : err == -EACCES ? "it may not be executed"
				  : strerror(-err));
	return err;
}

static int check(const struct plan_step *step, char *ret_why, size_t size)
{
	const struct plan_exec *e = &step->exec;
	int err = child_find(&e->command);

	if (err)
		return say(err, e->command.argv[0], ret_why, size);
	err = e->undo.n ? child_find(&e->undo) : 0;
	return err ? say(err, e->undo.argv[0], ret_why, size) : 0;
}

static void put_argv(struct json *j, const struct plan_command *command)
{
	json_array(j, "argv");
	for (size_t i = 0; i < command->n; i++)
		json_string(j, NULL, command->argv[i]);
	json_end_array(j);
}

static int compose(struct change *c, char *const *environment)
{
	char *folder = getcwd(NULL, 0);
	struct json j;
	int err = folder ? 0 : -errno;

	if (err)
		goto out;
	buf_clear(&c->undo);
	json_begin(&j, &c->undo);
	json_object(&j, NULL);
	put_argv(&j, &c->step->exec.undo);
	json_string(&j, "cwd", folder);
	json_array(&j, "environment");
	for (; *environment; environment++)
		json_string(&j, NULL, *environment);
	json_end_array(&j);
	json_u64(&j, "timeout_ns", c->step->exec.timeout_ns);
	err = change_put_netns(&j);
	json_end_object(&j);
out:
	free(folder);
	return err;
}

static int prepare(struct change *c)
{
	char *environment[3];
	int err = undo_exec_environment(environment);

	c->exec.status = -1;
	if (!err && change_is_undone(c->step))
		err = compose(c, environment);
	free(environment[0]);
	free(environment[1]);
	return err ? say(err, c->step->exec.command.argv[0], c->why, sizeof(c->why)) : 0;
}

static int start(struct change *c, const struct plan_command *command, const struct child_place *place)
{
	int err;

	c->begun_ns = clock_mono_ns();
	err = child_start_at(command, place, &c->exec.child);
	c->exec.status = -1;
	c->exec.len = 0;
	c->exec.output[0] = '\0';
	c->exec.until_ns = clock_mono_ns() + c->step->exec.timeout_ns;
	c->done_ns = clock_mono_ns();
	return err ? say(err, command->argv[0], c->why, sizeof(c->why)) : -EINPROGRESS;
}

static int apply(struct change *c)
{
	c->exec.is_undo = false;
	return start(c, &c->step->exec.command, NULL);
}

/* What it left is there for the report; the rest of the output is not kept. */
static void collect(struct change *c, const char *output, size_t len)
{
	c->exec.len = len < sizeof(c->exec.output) - 1 ? len : sizeof(c->exec.output) - 1;
	memcpy(c->exec.output, output, c->exec.len);
	c->exec.output[c->exec.len] = '\0';
	c->done_ns = clock_mono_ns();
}

static int stop(struct change *c, int err, const char *why)
{
	size_t len;
	const char *output = child_output(c->exec.child, &len);

	collect(c, output, len);
	snprintf(c->why, sizeof(c->why), "%s", why);
	return err;
}

static int judge(struct change *c)
{
	int wanted = c->exec.is_undo ? 0 : c->step->exec.expect_status;

	if (wanted < 0 || c->exec.status == wanted)
		return 0;
	undo_exec_explain(c->exec.status, c->exec.output, c->exec.len, c->why, sizeof(c->why));
	return -EIO;
}

static int ask(struct change *c)
{
	const char *output;
	size_t len;
	int status;

	if (child_done(c->exec.child, &status, &output, &len)) {
		collect(c, output, len);
		c->exec.status = status;
		return judge(c);
	}
	if (clock_mono_ns() >= c->exec.until_ns)
		return stop(c, -ETIMEDOUT, "it was killed, since it had not ended in time");
	if (!c->exec.is_undo && atomic_load(&c->is_cancelled))
		return stop(c, -ECANCELED, "it was killed, since the run ends");
	return -EINPROGRESS;
}

static int poll_child(struct change *c)
{
	int err = c->exec.child ? ask(c) : -ECANCELED;

	if (err == -EINPROGRESS)
		return err;
	child_end(c->exec.child);
	c->exec.child = NULL;
	if (!c->exec.is_undo)
		return err;
	c->result = err ? UNDO_FAILED : UNDO_TAKEN_BACK;
	return 0;
}

/* As undo_exec() does it, but without waiting. */
static int take_back(struct change *c)
{
	char *environment[3], *folder = getcwd(NULL, 0);
	struct child_place place = {folder ?: "/", environment};
	int err = undo_exec_environment(environment);

	c->exec.is_undo = true;
	err = err ? say(err, c->step->exec.undo.argv[0], c->why, sizeof(c->why))
		  : start(c, &c->step->exec.undo, &place);
	free(environment[0]);
	free(environment[1]);
	free(folder);
	if (err == -EINPROGRESS)
		return err;
	c->result = UNDO_FAILED;
	c->done_ns = clock_mono_ns();
	return 0;
}

/* What became of an `undo` that the guard has run is not known here. */
static void tell(const struct change *c, struct json *data, enum change_event event)
{
	const struct plan_exec *e = &c->step->exec;

	put_argv(data, event == CHANGE_TAKEN_BACK ? &e->undo : &e->command);
	if (event != CHANGE_RAN && !(event == CHANGE_TAKEN_BACK && c->exec.is_undo))
		return;
	if (c->exec.status >= 0)
		json_i64(data, "status", c->exec.status);
	else
		json_null(data, "status");
	json_string(data, "output", c->exec.output);
	json_u64(data, "duration_ns", c->done_ns - c->begun_ns);
}

const struct change_kind change_exec = {
	.name = UNDO_EXEC,
	.in_parts = true,
	.check = check,
	.prepare = prepare,
	.apply = apply,
	.poll = poll_child,
	.take_back = take_back,
	.tell = tell,
};
