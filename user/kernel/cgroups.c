/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"

#define KEPT 1024
#define FILEID_KERNFS 0xfe

struct cgroups {
	struct table *paths; /* by id; a char *, NULL for one that is unknown */
	char *mount;         /* NULL: there is none */
	int mount_fd;
};

/* In place: the octal escapes of /proc/PID/mountinfo, proc(5). */
static void unescape(char *text)
{
	char *to = text;
	unsigned octal;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && sscanf(from + 1, "%3o", &octal) == 1) {
			*to++ = octal;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = 0;
}

/* The mount point, if the line is of a cgroup2; free() it. */
static char *mount_point(const char *line)
{
	const char *type = strstr(line, " - ");
	char *point;

	if (!type || strncmp(type, " - cgroup2 ", 11) != 0 ||
	    sscanf(line, "%*s %*s %*s %*s %ms", &point) != 1)
		return NULL;
	unescape(point);
	return point;
}

static int find_mount(struct cgroups *c)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	while (!c->mount && getline(&line, &size, file) > 0)
		c->mount = mount_point(line);
	free(line);
	fclose(file);
	if (c->mount)
		c->mount_fd = open(c->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static void free_path(void *arg, const void *key, void *value)
{
	(void)arg;
	(void)key;
	free(*(char **)value);
}

int cgroups_open(struct cgroups **ret)
{
	struct cgroups *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->mount_fd = -1;
	err = table_open(sizeof(uint64_t), sizeof(char *), KEPT, &c->paths);
	if (!err)
		err = find_mount(c);
	if (err) {
		cgroups_close(c);
		return err;
	}
	table_on_evict(c->paths, free_path, NULL);
	*ret = c;
	return 0;
}

void cgroups_close(struct cgroups *cgroups)
{
	char **path = NULL;

	if (!cgroups)
		return;
	while (cgroups->paths && (path = table_next(cgroups->paths, path, NULL)))
		free(*path);
	table_close(cgroups->paths);
	if (cgroups->mount_fd >= 0)
		close(cgroups->mount_fd);
	free(cgroups->mount);
	free(cgroups);
}

/* What comes behind the mount point. */
static char *behind_mount(const struct cgroups *c, const char *path)
{
	size_t len = strlen(c->mount);

	if (strncmp(path, c->mount, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return strdup(path[len] ? path + len : "/");
}

/* -errno, or 0 and the path, which is NULL outside of what the mount shows. */
static int path_by_handle(const struct cgroups *c, uint64_t id, char **ret)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} u = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	char link[64], path[PATH_MAX];
	ssize_t len;
	int fd;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(c->mount_fd, &u.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	close(fd);
	path[len > 0 ? len : 0] = 0;
	*ret = behind_mount(c, path);
	return 0;
}

/* The process may have moved, or its number be another's by now: the directory says whether it is the one. */
static char *path_by_process(const struct cgroups *c, uint64_t id, uint32_t pid)
{
	char name[64], *line = NULL, *path = NULL, directory[PATH_MAX];
	struct stat found;
	size_t size = 0;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%u/cgroup", pid);
	file = fopen(name, "re");
	if (!file)
		return NULL;
	while (!path && getline(&line, &size, file) > 0) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(directory, sizeof(directory), "%s%s", c->mount, line + 3);
		if (!stat(directory, &found) && found.st_ino == id)
			path = strdup(line + 3);
	}
	free(line);
	fclose(file);
	return path;
}

const char *cgroups_path(struct cgroups *cgroups, uint64_t id, uint32_t pid)
{
	char **path;
	bool is_new;
	int err;

	if (cgroups->mount_fd < 0 || !id)
		return NULL;
	path = table_put(cgroups->paths, &id, &is_new);
	if (!path || !is_new)
		return path ? *path : NULL;
	err = path_by_handle(cgroups, id, path);
	if (err && err != -ESTALE && pid)
		*path = path_by_process(cgroups, id, pid);
	return *path;
}
