/* SPDX-License-Identifier: BSD-2-Clause */
/* The lab's server: a redis (or valkey) that keeps nothing on disk. */
#ifndef SHEARPIN_LAB_SERVER_H
#define SHEARPIN_LAB_SERVER_H

#include <limits.h>

/* A program, and the name to run it under: the program decides by its name what it is. */
struct server_program {
	char path[PATH_MAX];
	char name[PATH_MAX];
};

/* Look along $PATH, then in the usual places. 0 or -ENOENT. */
int server_find(struct server_program *ret_program);

/*
 * Become the server, listening on all addresses. Standard output and error go to output_fd, the working directory
 * is one without a name, in which nothing can be left. Returns only on failure, with a negative errno.
 */
int server_exec(const struct server_program *program, unsigned port, int output_fd);

#endif
