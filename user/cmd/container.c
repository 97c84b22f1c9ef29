/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 15000 /* for a client whose daemon does not answer */

extern char **environ;

/* What a client has said. */
struct said {
	int status; /* of wait() */
	char out[256], err[256];
};

/* The first line. */
static void read_line(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	text[len > 0 ? len : 0] = 0;
	text[strcspn(text, "\r\n")] = 0;
}

/* -ETIMEDOUT: it had to be killed. */
static int wait_for(pid_t pid, int *ret_status)
{
	struct pollfd p = {.fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int err = p.fd < 0 ? -errno : 0, n;

	if (!err) {
		do
			n = poll(&p, 1, PATIENCE_MS);
		while (n < 0 && errno == EINTR);
		err = n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
		close(p.fd);
	}
	if (err)
		kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return err;
}

static int spawn(char **argv, int out, int err, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	int e = posix_spawn_file_actions_init(&files);

	if (e)
		return -e;
	e = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	e = e ?: posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	e = e ?: posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
	e = e ?: posix_spawnp(ret_pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	return -e;
}

/* -ENOENT: there is no such program. */
static int run(char **argv, struct said *ret)
{
	int out = memfd_create("stdout", MFD_CLOEXEC), err = memfd_create("stderr", MFD_CLOEXEC);
	int e = out < 0 || err < 0 ? -errno : 0;
	pid_t pid = -1;

	if (!e)
		e = spawn(argv, out, err, &pid);
	if (!e)
		e = wait_for(pid, &ret->status);
	if (!e) {
		read_line(out, ret->out, sizeof(ret->out));
		read_line(err, ret->err, sizeof(ret->err));
	}
	if (out >= 0)
		close(out);
	if (err >= 0)
		close(err);
	return e;
}

/* -ENOENT: the client is not there, and says nothing; all other errors have a reason. */
static int ask(const char *client, const char *name, pid_t *ret_pid, char *ret_reason, size_t size)
{
	char *argv[] = {(char *)client,
			(char *)"inspect",
			(char *)"--type=container",
			(char *)"--format",
			(char *)"{{.State.Pid}}",
			(char *)name,
			NULL};
	struct said said = {0};
	int err = run(argv, &said);
	char *end;
	long pid;

	if (err == -ENOENT)
		return err;
	if (err == -ETIMEDOUT)
		snprintf(ret_reason, size, "%s does not answer", client);
	else if (err)
		snprintf(ret_reason, size, "%s can't be run: %s", client, strerror(-err));
	if (err)
		return err;
	if (!WIFEXITED(said.status) || WEXITSTATUS(said.status)) {
		snprintf(ret_reason, size, "%s says: %s", client, said.err[0] ? said.err : "nothing");
		return -ESRCH;
	}
	errno = 0;
	pid = strtol(said.out, &end, 10);
	if (!said.out[0] || *end || errno || pid < 0 || pid != (pid_t)pid) {
		snprintf(ret_reason, size, "%s says %s, expected the number of its process", client,
			 said.out);
		return -EPROTO;
	}
	*ret_pid = pid;
	return 0;
}

/* Not an option to the client. */
static bool is_name(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return *s && *s != '-' && !s[strspn(s, allowed)];
}

int container_process(const char *name, pid_t *ret_pid, char *ret_reason, size_t size)
{
	static const char *const clients[] = {"docker", "podman"};
	int err = -ENOENT;

	if (!is_name(name)) {
		snprintf(ret_reason, size, "that is no name or id, as docker or podman show it");
		return -EINVAL;
	}
	snprintf(ret_reason, size, "neither docker nor podman is here to be asked");
	for (size_t i = 0; i < sizeof(clients) / sizeof(*clients); i++) {
		char reason[320];
		int e = ask(clients[i], name, ret_pid, reason, sizeof(reason));

		if (!e && *ret_pid)
			return 0;
		if (!e) {
			snprintf(ret_reason, size, "it is not running");
			return -ESRCH;
		}
		if (e == -ENOENT || err != -ENOENT)
			continue;
		err = e; /* what the first has to say */
		snprintf(ret_reason, size, "%s", reason);
	}
	return err;
}
