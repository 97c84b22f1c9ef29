/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/timeutil.h"
#include "gate.bpf.h"

#define BATCH 512

struct idle {
	struct bpf_link *link;
	int note_fd; /* the program's, not owned */
	const struct raw *raw;
	const struct sp_rule *rules;
};

int idle_open(struct bpf_program *program, struct bpf_program *note, const struct raw *raw,
	      const struct sp_rule *rules, struct idle **ret)
{
	struct idle *idle = calloc(1, sizeof(*idle));
	int err;

	if (!idle)
		return -ENOMEM;
	idle->note_fd = bpf_program__fd(note);
	idle->raw = raw;
	idle->rules = rules;
	idle->link = bpf_program__attach_iter(program, NULL);
	if (!idle->link) {
		err = -errno;
		free(idle);
		return err;
	}
	*ret = idle;
	return 0;
}

void idle_close(struct idle *idle)
{
	if (!idle)
		return;
	bpf_link__destroy(idle->link);
	free(idle);
}

/* This process may have been stopped since the kernel found the connection. */
static int reset(const struct idle *idle, const struct sp_socket *s)
{
	struct sp_reset done = {.socket = *s, .ns = clock_mono_ns()};
	LIBBPF_OPTS(bpf_test_run_opts, note, .ctx_in = &done, .ctx_size_in = sizeof(done));
	int err;

	if (window_at(&idle->rules[s->rule], done.ns) == WINDOW_CLOSED)
		return -ETIME;
	err = raw_reset(idle->raw, s);
	return err ?: bpf_prog_test_run_opts(idle->note_fd, &note);
}

int idle_reset(struct idle *idle, void (*call)(void *arg, const struct sp_socket *socket, int error),
	       void *arg)
{
	struct sp_socket found[BATCH];
	int fd = bpf_iter_create(bpf_link__fd(idle->link));
	int n = 0, err;
	ssize_t len;

	if (fd < 0)
		return -errno;
	while ((len = read(fd, found, sizeof(found))) > 0) {
		for (size_t i = 0; i < len / sizeof(*found); i++) {
			call(arg, &found[i], reset(idle, &found[i]));
			n++;
		}
	}
	err = len < 0 ? -errno : 0;
	close(fd);
	return err ? err : n;
}
