/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program did is taken back by another. */
#include "drill/undo_exec.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/timeutil.h"
#include "drill/undo_kinds.h"
#include "drill/undo_netns.h"

int undo_exec_environment(char *environment[3])
{
	static const char *const names[] = {"PATH", "HOME"};
	size_t n = 0;

	memset(environment, 0, 3 * sizeof(*environment));
	for (size_t i = 0; i < 2; i++) {
		const char *value = getenv(names[i]);

		if (value && asprintf(&environment[n++], "%s=%s", names[i], value) < 0) {
			environment[n - 1] = NULL;
			return -ENOMEM;
		}
	}
	return 0;
}

void undo_exec_explain(int status, const char *output, size_t len, char *ret_why, size_t size)
{
	size_t line = 0;

	while (line < len && output[line] != '\n')
		line++;
	snprintf(ret_why, size, line ? "it ended with status %d: %.*s" : "it ended with status %d", status,
		 (int)(line < 150 ? line : 150), output);
}

struct program {
	struct plan_command command;
	struct child_place place;
	char *environment[3];
	uint64_t timeout_ns;
	char *why;
	size_t size;
};

static int await(struct program *p, struct child *child)
{
	uint64_t until = clock_mono_ns() + p->timeout_ns, now;
	struct pollfd heard = {.fd = child_fd(child), .events = POLLIN};
	const char *output;
	size_t len;
	int status;

	while (!child_done(child, &status, &output, &len)) {
		now = clock_mono_ns();
		if (now >= until) {
			snprintf(p->why, p->size, "it was killed, since it had not ended in time");
			return -ETIMEDOUT;
		}
		poll(&heard, 1, (int)((until - now) / NS_PER_MS) + 1);
	}
	if (!status)
		return 0;
	undo_exec_explain(status, output, len, p->why, p->size);
	return -EIO;
}

static int run(void *arg)
{
	struct program *p = arg;
	struct child *child;
	int err = child_start_at(&p->command, &p->place, &child);

	if (err) {
		snprintf(p->why, p->size, "%s", strerror(-err));
		return -EIO;
	}
	err = await(p, child);
	child_end(child);
	return err;
}

static bool get_program(const json_t *data, struct program *p)
{
	const json_t *argv = json_object_get(data, "argv");
	const json_t *environment = json_object_get(data, "environment"), *entry;
	size_t i;

	p->command.n = json_array_size(argv);
	p->command.argv = calloc(p->command.n + 1, sizeof(*p->command.argv));
	p->place.folder = json_string_value(json_object_get(data, "cwd"));
	p->timeout_ns = json_integer_value(json_object_get(data, "timeout_ns"));
	p->place.environment = p->environment;
	for (i = 0; p->command.argv && i < p->command.n; i++) {
		p->command.argv[i] = (char *)json_string_value(json_array_get(argv, i));
		if (!p->command.argv[i])
			return false;
	}
	for (i = 0; i < 2 && (entry = json_array_get(environment, i)); i++)
		p->environment[i] = (char *)json_string_value(entry);
	return p->command.argv && p->command.n && p->place.folder;
}

enum undo_result undo_exec(void *arg, const json_t *data, bool this_boot, char *ret_reason, size_t size)
{
	struct program p = {.why = ret_reason, .size = size};
	const json_t *netns = json_object_get(data, "netns");
	int err = -EIO;

	(void)arg;
	if (!get_program(data, &p))
		snprintf(ret_reason, size, "the journal does not say what is to be run");
	else
		err = this_boot ? undo_netns_call(netns, run, &p) : undo_netns_call_by_name(netns, run, &p);
	if (err && !ret_reason[0])
		snprintf(ret_reason, size, "%s",
			 err == -ENOENT ? "its network namespace is not found any more" : strerror(-err));
	free(p.command.argv);
	return err ? UNDO_FAILED : UNDO_TAKEN_BACK;
}
