/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
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

#define ROOT_INODE 1 /* of the hierarchy (kernfs) */

int cgroups_root(const struct cgroups *cgroups)
{
	struct stat root;

	if (cgroups->mount_fd < 0)
		return -ENOENT;
	if (fstat(cgroups->mount_fd, &root))
		return -errno;
	return root.st_ino == ROOT_INODE ? 0 : -EXDEV;
}

const char *cgroups_mount(const struct cgroups *cgroups)
{
	return cgroups->mount;
}

int cgroups_mount_fd(const struct cgroups *cgroups)
{
	return cgroups->mount_fd;
}

static unsigned count_levels(const char *path)
{
	unsigned n = 0;

	for (const char *c = path; *c; c++)
		n += *c != '/' && (c == path || c[-1] == '/');
	return n;
}

/* ".." would lead out, and belie the number of levels. */
static bool is_plain(const char *path)
{
	size_t len;

	for (const char *c = path; *c; c += len + !!c[len]) {
		len = strcspn(c, "/");
		if (len && !strncmp(c, "..", len))
			return false;
	}
	return true;
}

int cgroups_find(const struct cgroups *cgroups, const char *path, uint64_t *ret_id, unsigned *ret_level)
{
	const char *below = path + strspn(path, "/");
	struct stat found;
	int fd;

	if (!is_plain(path))
		return -ENOENT;
	fd = openat(cgroups->mount_fd, *below ? below : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &found)) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_id = found.st_ino;
	*ret_level = count_levels(below);
	return fd;
}

struct search {
	const char *name;
	char path[PATH_MAX]; /* of the directory at work */
	char *found;
	bool several;
};

static int note_found(struct search *s)
{
	s->several = s->found;
	if (!s->found)
		s->found = strdup(s->path);
	return s->found ? 0 : -ENOMEM;
}

static int search_below(struct search *s, int parent, const char *name);

static int search_entry(struct search *s, int parent, const struct dirent *entry)
{
	size_t len = strlen(s->path);
	int err = 0;

	if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
	    len + strlen(entry->d_name) + 2 > sizeof(s->path))
		return 0;
	snprintf(s->path + len, sizeof(s->path) - len, "/%s", entry->d_name);
	if (!strcmp(entry->d_name, s->name))
		err = note_found(s);
	if (!err && !s->several)
		err = search_below(s, parent, entry->d_name);
	s->path[len] = 0;
	return err;
}

static int search_below(struct search *s, int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), err = 0;
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno; /* it has just gone */
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && !s->several && (entry = readdir(dir)))
		err = search_entry(s, fd, entry);
	closedir(dir);
	return err;
}

int cgroups_find_unit(const struct cgroups *cgroups, const char *unit, char **ret_path)
{
	struct search s = {.name = unit};
	uint64_t id;
	unsigned level;
	int fd, err;

	if (!*unit || strchr(unit, '/') || !is_plain(unit))
		return -ENOENT;
	snprintf(s.path, sizeof(s.path), "/system.slice/%s", unit);
	fd = cgroups_find(cgroups, s.path, &id, &level);
	if (fd >= 0) {
		close(fd);
		*ret_path = strdup(s.path);
		return *ret_path ? 0 : -ENOMEM;
	}
	s.path[0] = 0;
	err = search_below(&s, cgroups->mount_fd, ".");
	if (!err && s.found && !s.several) {
		*ret_path = s.found;
		return 0;
	}
	free(s.found);
	return err ?: s.several ? -EEXIST : -ENOENT;
}
