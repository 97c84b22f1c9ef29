/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/container.h"
#include "kernel/netns.h"

struct place place_choose(const struct place *given, const struct plan *plan)
{
	if (given->netns || given->container || !plan)
		return *given;
	return (struct place){plan->netns, plan->container};
}

/* A name that `ip netns` has comes first, also if it is a number. */
static void netns_path(const char *name, char *ret_path, size_t size)
{
	snprintf(ret_path, size, strchr(name, '/') ? "%s" : NETNS_DIRECTORY "/%s", name);
	if (*name && !name[strspn(name, "0123456789")] && access(ret_path, F_OK))
		snprintf(ret_path, size, "/proc/%s/ns/net", name);
}

int place_path(const struct command_spec *command, const struct place *place, char *ret_path, size_t size)
{
	char reason[400];
	pid_t pid;
	int err;

	ret_path[0] = 0;
	if (place->netns && place->container)
		return usage_error(command, "--container beside --netns: expected the one or the other");
	if (place->netns)
		netns_path(place->netns, ret_path, size);
	if (!place->container)
		return STATUS_OK;
	err = container_process(place->container, &pid, reason, sizeof(reason));
	if (err) {
		fprintf(stderr, "shearpin %s: the container %s: %s\n", command->name, place->container,
			reason);
		return err == -EINVAL ? STATUS_USAGE : STATUS_REFUSED;
	}
	snprintf(ret_path, size, "/proc/%d/ns/net", pid);
	return STATUS_OK;
}

int place_find(const struct command_spec *command, const struct place *place, uint64_t *ret_inode)
{
	char path[512];
	struct stat st;
	int status = place_path(command, place, path, sizeof(path));

	*ret_inode = 0;
	if (status || !path[0])
		return status;
	if (stat(path, &st)) {
		fprintf(stderr, "shearpin %s: the network namespace %s: %s: %s\n", command->name,
			place->netns ?: place->container, path, strerror(errno));
		return STATUS_USAGE;
	}
	*ret_inode = st.st_ino;
	return STATUS_OK;
}

bool place_parse(const struct command_spec *command, int argc, char **argv, void *values,
		 const struct place *place, uint64_t *ret_inode, int *ret_status)
{
	struct words words;

	if (!options_parse(command, argc, argv, values, &words, ret_status))
		return false;
	*ret_status = place_find(command, place, ret_inode);
	return !*ret_status;
}

int place_enter(const struct command_spec *command, const struct place *place)
{
	int status, fd, err = 0;
	char path[512];

	status = place_path(command, place, path, sizeof(path));
	if (status || !path[0])
		return status;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		fprintf(stderr, "shearpin %s: the network namespace %s: %s: %s\n", command->name,
			place->netns ?: place->container, path, strerror(-err));
	return err ? STATUS_USAGE : STATUS_OK;
}
