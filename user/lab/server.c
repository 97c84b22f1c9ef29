/* SPDX-License-Identifier: BSD-2-Clause */
#include "lab/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USUAL_PLACES "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin"

/*
 * Debian's package redis-tools holds the one program that is server and checker, under the checker's name; the package
 * redis-server adds a link with the server's name and starts a service, which the lab doesn't want.
 */
static const struct {
	const char *file, *name;
} programs[] = {
	{"redis-server", "redis-server"},
	{"valkey-server", "valkey-server"},
	{"redis-check-rdb", "redis-server"},
	{"valkey-check-rdb", "valkey-server"},
};

static int try_directory(const char *dir, size_t len, size_t program, struct server_program *ret)
{
	int n = snprintf(ret->path, sizeof(ret->path), "%.*s/%s", (int)len, dir, programs[program].file);

	if (dir[0] != '/' || n >= (int)sizeof(ret->path) || access(ret->path, X_OK))
		return -ENOENT;
	snprintf(ret->name, sizeof(ret->name), "%.*s/%s", (int)len, dir, programs[program].name);
	return 0;
}

static int try_path(const char *path, size_t program, struct server_program *ret)
{
	while (path && *path) {
		size_t len = strcspn(path, ":");

		if (len && !try_directory(path, len, program, ret))
			return 0;
		path += len + (path[len] == ':');
	}
	return -ENOENT;
}

int server_find(struct server_program *ret_program)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (!try_path(getenv("PATH"), i, ret_program) || !try_path(USUAL_PLACES, i, ret_program))
			return 0;
	return -ENOENT;
}

static int enter_nameless_directory(void)
{
	char path[] = "/tmp/shearpin-lab-XXXXXX";

	if (!mkdtemp(path))
		return -errno;
	if (chdir(path)) {
		int r = -errno;

		rmdir(path);
		return r;
	}
	return rmdir(path) ? -errno : 0;
}

int server_exec(const struct server_program *program, unsigned port, int output_fd)
{
	int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char port_text[8];
	char *const argv[] = {(char *)program->name,
			      "--port",
			      port_text,
			      "--bind",
			      "*",
			      "-::*",
			      "--protected-mode",
			      "no",
			      "--save",
			      "",
			      "--appendonly",
			      "no",
			      "--daemonize",
			      "no",
			      NULL};
	int r;

	if (input < 0 || dup2(input, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0)
		return -errno;
	r = enter_nameless_directory();
	if (r)
		return r;
	snprintf(port_text, sizeof(port_text), "%u", port);
	execv(program->path, argv);
	return -errno;
}
