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

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
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
	record->fd = err ? -1 : open(record->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (!err && (record->fd < 0 || flock(record->fd, LOCK_EX | LOCK_NB)))
		err = -errno;
	if (!err)
		err = write_all(record->fd, json, strlen(json));
	if (err) {
		host_record_close(record);
		return err;
	}
	*ret = record;
	return 0;
}

void host_record_close(struct host_record *record)
{
	if (!record)
		return;
	if (record->fd >= 0) {
		unlink(record->path);
		close(record->fd);
	}
	free(record);
}

static bool is_locked(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB))
		return errno == EWOULDBLOCK;
	flock(fd, LOCK_UN);
	return false;
}

static int read_record(int dirfd, const char *name, struct host_run *run)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t len;

	if (fd < 0)
		return -errno;
	run->alive = is_locked(fd);
	if (fstat(fd, &st) || st.st_size > RECORD_MAX || !(run->json = calloc(1, st.st_size + 1))) {
		close(fd);
		return -EINVAL;
	}
	len = read(fd, run->json, st.st_size);
	close(fd);
	run->pid = atoi(name);
	snprintf(run->path, sizeof(run->path), HOST_RECORDS "/%.40s", name);
	return len < 0 ? -EIO : 0;
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

int host_end(const struct host_run *run, uint64_t timeout_ns, bool *ret_killed)
{
	int pidfd = pidfd_open(run->pid, 0);
	int err = 0;

	*ret_killed = false;
	if (pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	/* The pid is the owner's only as long as the record is locked. */
	if (still_holds(run) && pidfd_send_signal(pidfd, SIGTERM, NULL, 0))
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
