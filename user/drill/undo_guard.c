/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/undo_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct undo_guard {
	pid_t pid;
	int end; /* of a pipe: a byte tells it to go, its end that the run is dead */
};

/* Descriptors are copies of the run's, and with them its locks: none may stay but the two. */
static void keep_only(int from, int run)
{
	int low = from < run ? from : run, high = from < run ? run : from;

	if (low > 0)
		close_range(0, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, UINT_MAX, 0);
}

/* The pipe ends while the dying process still has locks; its descriptor tells when it is done. */
static void guard(int from, int run, void (*take_back)(void))
{
	struct pollfd dead = {.fd = run, .events = POLLIN};
	sigset_t all;
	char byte;
	ssize_t n;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "shearpin-undo");
	keep_only(from, run);
	if (chdir("/"))
		_exit(1);
	do
		n = read(from, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		_exit(0);
	while (poll(&dead, 1, -1) < 0 && errno == EINTR)
		;
	take_back();
	_exit(0);
}

int undo_guard_start(void (*take_back)(void), struct undo_guard **ret)
{
	struct undo_guard *g = calloc(1, sizeof(*g));
	int ends[2] = {-1, -1}, run = -1, err = 0;

	if (!g)
		return -ENOMEM;
	if (pipe2(ends, O_CLOEXEC) || (run = pidfd_open(getpid(), 0)) < 0 || (g->pid = fork()) < 0)
		err = -errno;
	else if (!g->pid)
		guard(ends[0], run, take_back);
	if (run >= 0)
		close(run);
	if (ends[0] >= 0)
		close(ends[0]);
	if (err) {
		if (ends[1] >= 0)
			close(ends[1]);
		free(g);
		return err;
	}
	g->end = ends[1];
	*ret = g;
	return 0;
}

void undo_guard_stop(struct undo_guard *guard)
{
	if (!guard)
		return;
	(void)!write(guard->end, "", 1);
	close(guard->end);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(guard);
}
