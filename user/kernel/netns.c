/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN "/proc/self/ns/net"

struct list {
	struct netns *items;
	size_t n;
};

static bool has(const struct list *list, uint64_t inode)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].inode == inode)
			return true;
	return false;
}

/* A path that has gone meanwhile is none; one that is listed already gets no second entry. */
static int add(struct list *list, const char *path, const char *name)
{
	struct netns *items;
	struct stat st;

	if (stat(path, &st) || has(list, st.st_ino))
		return 0;
	items = realloc(list->items, (list->n + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n] = (struct netns){.inode = st.st_ino, .own = !list->n};
	snprintf(items[list->n].path, sizeof(items->path), "%s", path);
	snprintf(items[list->n].name, sizeof(items->name), "%s", name);
	list->n++;
	return 0;
}

static int add_named(struct list *list)
{
	DIR *dir = opendir(NETNS_DIRECTORY);
	const struct dirent *entry;
	char path[320];
	struct stat st;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), NETNS_DIRECTORY "/%s", entry->d_name);
		/* The own one has no name yet. */
		if (!stat(path, &st) && st.st_ino == list->items[0].inode)
			snprintf(list->items[0].name, sizeof(list->items[0].name), "%.63s", entry->d_name);
		err = add(list, path, entry->d_name);
	}
	closedir(dir);
	return err;
}

static int add_of_processes(struct list *list)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	char path[320];
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		err = add(list, path, "");
	}
	closedir(dir);
	return err;
}

int netns_list(struct netns **ret_list, size_t *ret_n)
{
	struct list list = {0};
	int err = add(&list, OWN, "");

	if (!err && !list.n)
		err = -ENOENT;
	if (!err)
		err = add_named(&list);
	if (!err)
		err = add_of_processes(&list);
	if (err) {
		free(list.items);
		return err;
	}
	*ret_list = list.items;
	*ret_n = list.n;
	return 0;
}

int netns_cookie(uint64_t *ret)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	socklen_t len = sizeof(*ret);

	if (fd < 0)
		return -errno;
	err = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) ? -errno : 0;
	close(fd);
	return err;
}

int netns_own(struct netns_identity *ret)
{
	struct list list = {0};
	int err = netns_cookie(&ret->cookie);

	if (!err)
		err = add(&list, OWN, "");

	if (!err && !list.n)
		err = -ENOENT;
	if (!err)
		err = add_named(&list);
	if (!err) {
		ret->inode = list.items[0].inode;
		snprintf(ret->name, sizeof(ret->name), "%s", list.items[0].name);
	}
	free(list.items);
	return err;
}

int netns_call(const struct netns *netns, int (*call)(void *arg), void *arg)
{
	int own, there, err = 0;

	if (netns->own)
		return call(arg);
	own = open(OWN, O_RDONLY | O_CLOEXEC);
	there = open(netns->path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || there < 0 || setns(there, CLONE_NEWNET))
		err = -errno;
	if (!err) {
		err = call(arg);
		if (setns(own, CLONE_NEWNET))
			abort(); /* everything after would act in a namespace that nobody chose */
	}
	if (there >= 0)
		close(there);
	if (own >= 0)
		close(own);
	return err;
}
