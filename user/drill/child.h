/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that runs beside the drill, without a shell: in a session of its own, with nothing to read, with what it writes (standard
 * output and error, in one) kept, with the signals as a login has them and the environment of the run. It is killed when the
 * drill dies, with its process group: a small process that is no child of it keeps watch. Nothing here waits for it.
 */
#ifndef SHEARPIN_CHILD_H
#define SHEARPIN_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#include "scenario/plan.h"

#define CHILD_OUTPUT (64 * 1024) /* what is kept of the output; the rest is read and thrown away */

struct child;

/* argv[0] is looked for along PATH: -ENOENT, -EACCES, or another negative errno; then nothing runs. */
int child_start(const struct plan_command *command, struct child **ret);

/* Where it runs, instead of as this process does. */
struct child_place {
	const char *folder; /* its working directory */
	char *const *
		environment; /* "NAME=value", NULL behind the last; of it PATH is what argv[0] is looked for along */
};

/* 0, or why child_start() would find no program. */
int child_find(const struct plan_command *command);

int child_start_at(const struct plan_command *command, const struct child_place *place, struct child **ret);

/* An epoll descriptor, readable (EPOLLIN) when child_done() is to be asked; the child closes it. */
int child_fd(const struct child *child);

/*
 * Has it ended? Status and output as a shell has them: 0 to 255, 128 + n if signal n ended it, 126 if it could not be run; the
 * output ends with a NUL, which does not count, and is the child's. What it has left running is no longer its concern.
 */
bool child_done(struct child *child, int *ret_status, const char **ret_output, size_t *ret_len);

/* What it has written so far, as above. */
const char *child_output(const struct child *child, size_t *ret_len);

/* Kill it and its process group, if it has not ended; free it. Accepts NULL. */
void child_end(struct child *child);

#endif
