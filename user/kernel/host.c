/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "base/write.h"

#define RECORD_MAX (4 * 1024 * 1024)
#define POLL_NS (10 * NS_PER_MS)

int host_claim(int ifindex, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int len;

	if (fd < 0)
		return -errno;
	len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "shearpin/interface/%d", ifindex);
	if (bind(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + len)) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

struct host_record {
	int fd;
	char path[64];
};

/* The record appears under its name whole and locked, also in place of an older one. */
static int publish(const char *path, const char *json, int *ret_fd)
{
	char draft[64];
	int fd, err = 0;

	snprintf(draft, sizeof(draft), HOST_RECORDS "/.%d.json", getpid());
	fd = open(draft, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		err = -errno;
	if (!err)
		err = write_all(fd, json, strlen(json));
	if (!err && rename(draft, path))
		err = -errno;
	if (err) {
		unlink(draft);
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int host_record_open(const char *json, struct host_record **ret)
{
	struct host_record *record = calloc(1, sizeof(*record));
	int err = 0;

	if (!record)
		return -ENOMEM;
	snprintf(record->path, sizeof(record->path), HOST_RECORDS "/%d.json", getpid());
	if (mkdir(HOST_RECORDS, 0755) && errno != EEXIST)
		err = -errno;
	if (!err)
		err = publish(record->path, json, &record->fd);
	if (err) {
		free(record);
		return err;
	}
	*ret = record;
	return 0;
}

int host_record_update(struct host_record *record, const char *json)
{
	int fd = -1, err = publish(record->path, json, &fd);

	if (err)
		return err;
	close(record->fd);
	record->fd = fd;
	return 0;
}

void host_record_close(struct host_record *record)
{
	if (!record)
		return;
	unlink(record->path);
	close(record->fd);
	free(record);
}

static bool is_locked(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB))
		return errno == EWOULDBLOCK;
	flock(fd, LOCK_UN);
	return false;
}

/* Open the record that has this name now, and not one that its owner has just replaced. */
static int open_record(int dirfd, const char *name, bool *ret_alive, struct stat *ret_st)
{
	for (;;) {
		int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		*ret_alive = is_locked(fd);
		if (fstat(fd, ret_st)) {
			int err = -errno;

			close(fd);
			return err;
		}
		if (*ret_alive || ret_st->st_nlink)
			return fd;
		close(fd);
	}
}

static int read_record(int dirfd, const char *name, struct host_run *run)
{
	struct stat st = {0};
	ssize_t len;
	int fd = open_record(dirfd, name, &run->alive, &st);

	if (fd < 0)
		return fd;
	if (st.st_size > RECORD_MAX || !(run->json = calloc(1, st.st_size + 1))) {
		close(fd);
		return -EINVAL;
	}
	len = read(fd, run->json, st.st_size);
	close(fd);
	run->pid = atoi(name);
	snprintf(run->path, sizeof(run->path), HOST_RECORDS "/%.40s", name);
	return len < 0 ? -EIO : 0;
}

int host_forget(const struct host_run *run)
{
	struct stat st;
	bool alive;
	int err = 0, fd = open_record(AT_FDCWD, run->path, &alive, &st);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* Another run may have the number by now: its record is not this one's. */
	if (alive)
		err = -EBUSY;
	else if (unlink(run->path) && errno != ENOENT)
		err = -errno;
	close(fd);
	return err;
}

int host_runs(struct host_run **ret_runs, size_t *ret_n)
{
	DIR *dir = opendir(HOST_RECORDS);
	struct host_run *runs = NULL, *more;
	const struct dirent *entry;
	size_t n = 0;

	*ret_runs = NULL;
	*ret_n = 0;
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		more = realloc(runs, (n + 1) * sizeof(*runs));
		if (!more) {
			host_runs_free(runs, n);
			closedir(dir);
			return -ENOMEM;
		}
		runs = more;
		memset(&runs[n], 0, sizeof(*runs));
		if (!read_record(dirfd(dir), entry->d_name, &runs[n]))
			n++;
		else
			free(runs[n].json);
	}
	closedir(dir);
	*ret_runs = runs;
	*ret_n = n;
	return 0;
}

void host_runs_free(struct host_run *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(runs[i].json);
	free(runs);
}

static bool still_holds(const struct host_run *run)
{
	int fd = open(run->path, O_RDONLY | O_CLOEXEC);
	bool held = fd >= 0 && is_locked(fd);

	if (fd >= 0)
		close(fd);
	return held;
}

static bool wait_released(const struct host_run *run, uint64_t timeout_ns)
{
	uint64_t until = clock_mono_ns() + timeout_ns;
	const struct timespec pause = {.tv_nsec = POLL_NS};

	while (still_holds(run)) {
		if (clock_mono_ns() > until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Has the process with this number the record open? In another pid namespace the owner has another number. */
static bool is_owner(const struct host_run *run)
{
	struct stat record, file;
	const struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", run->pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		/* Looked up each time: the owner may replace its record. */
		found = !stat(run->path, &record) && !fstatat(dirfd(dir), entry->d_name, &file, 0) &&
			file.st_ino == record.st_ino && file.st_dev == record.st_dev;
	closedir(dir);
	return found;
}

int host_end(const struct host_run *run, uint64_t timeout_ns, bool *ret_killed)
{
	int pidfd, err = 0;

	*ret_killed = false;
	if (!still_holds(run))
		return 0;
	pidfd = pidfd_open(run->pid, 0);
	if (pidfd < 0)
		return -errno;
	/* Asked with the descriptor in hand, so that it is this process that is meant. */
	if (!is_owner(run))
		err = still_holds(run) ? -ESRCH : 0;
	else if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0))
		err = -errno;
	if (!err && !wait_released(run, timeout_ns)) {
		*ret_killed = true;
		err = pidfd_send_signal(pidfd, SIGKILL, NULL, 0) ? -errno : 0;
		if (!err && !wait_released(run, timeout_ns))
			err = -ETIMEDOUT;
	}
	close(pidfd);
	return err;
}

int host_netns(pid_t pid, uint64_t *ret_inode)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &st))
		return -errno;
	*ret_inode = st.st_ino;
	return 0;
}
