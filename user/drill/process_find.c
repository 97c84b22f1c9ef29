/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/process_find.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/read_file.h"

#define PIDFILE_MOST 4096
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h; in stat's field 9 */

/* Of a file of /proc/PID, what one read() gives; the length or a negative errno. */
static int read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	else
		text[n] = 0;
	close(fd);
	return n;
}

/* "PID (comm) state ppid ...": comm may hold anything, so that its end is the last bracket. proc(5). */
static int look(pid_t pid, struct process_found *ret, bool *ret_kernel)
{
	char text[1024], state, *open, *close;
	unsigned long long start;
	unsigned flags;
	int n = read_proc(pid, "stat", text, sizeof(text));

	if (n < 0)
		return n;
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open ||
	    sscanf(close + 1,
		   " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
		   &flags, &start) != 3)
		return n ? -EBADMSG : -ESRCH;
	if (state == 'Z' || state == 'X' || state == 'x')
		return -ESRCH;
	ret->pid = pid;
	ret->start_ticks = start;
	snprintf(ret->comm, sizeof(ret->comm), "%.*s", (int)(close - open - 1), open + 1);
	*ret_kernel = flags & PF_KTHREAD;
	return 0;
}

int process_look(pid_t pid, struct process_found *ret)
{
	bool kernel;

	return pid > 0 ? look(pid, ret, &kernel) : -ESRCH;
}

/* The first word of the file, all of it digits. */
static int read_pidfile(const char *path, pid_t *ret_pid)
{
	struct buf text = {};
	int err = read_file(path, PIDFILE_MOST, &text, NULL);
	long pid;
	char *end;

	if (err == -EFBIG || (!err && !text.len))
		err = -EBADMSG;
	if (!err) {
		errno = 0;
		pid = strtol(text.data, &end, 10);
		if (errno || end == text.data || (*end && !isspace((unsigned char)*end)) || pid <= 0 ||
		    pid > INT_MAX)
			err = -EBADMSG;
		else
			*ret_pid = pid;
	}
	buf_free(&text);
	return err;
}

static bool has_argv0(pid_t pid, const char *name)
{
	char text[4096], *slash;

	if (read_proc(pid, "cmdline", text, sizeof(text)) <= 0)
		return false;
	slash = strrchr(text, '/');
	return !strcmp(slash ? slash + 1 : text, name);
}

static bool has_name(const struct process_found *found, const char *name)
{
	return !strcmp(found->comm, name) || has_argv0(found->pid, name);
}

static int find_name(const char *name, struct process_found *ret)
{
	DIR *dir = opendir("/proc");
	struct process_found found;
	struct dirent *entry;
	bool kernel;
	int err = -ESRCH;

	if (!dir)
		return -errno;
	while (err != -EEXIST && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 0 || pid == getpid() || look(pid, &found, &kernel) || kernel ||
		    !has_name(&found, name))
			continue;
		if (err)
			*ret = found;
		err = err ? 0 : -EEXIST;
	}
	closedir(dir);
	return err;
}

int process_find(const struct plan_process *what, struct process_found *ret)
{
	pid_t pid = what->pid;
	int err;

	if (what->name)
		return find_name(what->name, ret);
	if (what->pidfile) {
		err = read_pidfile(what->pidfile, &pid);
		if (err)
			return err;
	}
	return process_look(pid, ret);
}
