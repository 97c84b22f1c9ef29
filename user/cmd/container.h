/* SPDX-License-Identifier: BSD-2-Clause */
/* Containers of this host, as docker or podman knows them: their command line clients are asked. */
#ifndef SHEARPIN_CONTAINER_H
#define SHEARPIN_CONTAINER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The process that a container began with, by its name or id. docker is asked first, then podman. 0, or a negative errno and
 * in ret_reason what is wrong, for people: -ENOENT: nobody knows it, or nobody is there to be asked; -ESRCH: it does not run.
 */
int container_process(const char *name, pid_t *ret_pid, char *ret_reason, size_t size);

#endif
