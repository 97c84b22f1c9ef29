/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/undo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/write.h"

struct undo {
	int fd, dirfd;
	char *path, *folder; /* NULL: there is no folder */
	unsigned next, armed;
};

int undo_boot_id(char text[UNDO_BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len;
	int err;

	if (fd < 0)
		return -errno;
	len = read(fd, text, UNDO_BOOT_ID_SIZE - 1);
	err = len < 0 ? -errno : 0;
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err ?: text[0] ? 0 : -EIO;
}

static int sync_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

/* Each folder that is made, and the one that it is made in. */
static int make_directories(const char *path)
{
	char partial[PATH_MAX], parent[PATH_MAX] = "/";
	int err = 0;

	for (const char *end = path; !err && *end;) {
		end += 1 + strcspn(end + 1, "/");
		if (snprintf(partial, sizeof(partial), "%.*s", (int)(end - path), path) >=
		    (int)sizeof(partial))
			return -ENAMETOOLONG;
		if (!mkdir(partial, 0755))
			err = sync_directory(parent);
		else if (errno != EEXIST)
			err = -errno;
		memcpy(parent, partial, sizeof(parent));
	}
	return err;
}

/* The whole line, or nothing of it: the next one must not stand behind half a line. */
static int write_line(int fd, struct buf *line)
{
	off_t end = lseek(fd, 0, SEEK_END);
	int err;

	buf_puts(line, "\n");
	if (line->failed)
		return -ENOMEM;
	err = end < 0 ? -errno : write_all(fd, line->data, line->len);
	if (!err && fsync(fd))
		err = -errno;
	if (err && end >= 0)
		(void)!ftruncate(fd, end);
	return err;
}

int undo_begin(struct undo *undo, const char *run)
{
	char boot_id[UNDO_BOOT_ID_SIZE];
	struct buf line = {0};
	struct json j;
	int err = undo_boot_id(boot_id);

	if (err)
		return err;
	json_begin(&j, &line);
	json_object(&j, NULL);
	json_u64(&j, "undo", UNDO_VERSION);
	json_string(&j, "run", run);
	json_u64(&j, "pid", getpid());
	json_string(&j, "boot_id", boot_id);
	json_end_object(&j);
	err = write_line(undo->fd, &line);
	buf_free(&line);
	return err;
}

/* A new file with a lock. Until it has one, somebody who looks for what dead runs left may take it away. */
static int make_file(const char *directory, char **ret_path)
{
	struct stat st;
	int fd, err;

	for (;;) {
		if (asprintf(ret_path, "%s/run-XXXXXX" UNDO_SUFFIX, directory) < 0) {
			*ret_path = NULL;
			return -ENOMEM;
		}
		fd = mkostemps(*ret_path, strlen(UNDO_SUFFIX), O_APPEND | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX) || fstat(fd, &st)) {
			err = -errno;
			close(fd);
			return err;
		}
		if (st.st_nlink)
			return fd;
		close(fd);
		free(*ret_path);
	}
}

int undo_open(const char *directory, struct undo **ret)
{
	struct undo *undo = calloc(1, sizeof(*undo));
	int err;

	if (!undo)
		return -ENOMEM;
	undo->fd = undo->dirfd = -1;
	err = make_directories(directory);
	if (err)
		goto fail;
	undo->dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (undo->dirfd < 0) {
		err = -errno;
		goto fail;
	}
	if (flock(undo->dirfd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		goto fail;
	}
	undo->fd = make_file(directory, &undo->path);
	err = undo->fd < 0 ? undo->fd : fsync(undo->dirfd) ? -errno : 0;
	if (err)
		goto fail;
	*ret = undo;
	return 0;
fail:
	undo_close(undo);
	return err;
}

int undo_arm_again(struct undo *undo, const char *kind, const char *data, unsigned id)
{
	struct buf line = {0};
	struct json j;
	int err;

	json_begin(&j, &line);
	json_object(&j, NULL);
	json_u64(&j, "arm", id);
	json_string(&j, "kind", kind);
	json_raw(&j, "data", data);
	json_end_object(&j);
	err = write_line(undo->fd, &line);
	buf_free(&line);
	return err;
}

int undo_arm(struct undo *undo, const char *kind, const char *data, unsigned *ret_id)
{
	int err = undo_arm_again(undo, kind, data, ++undo->next);

	if (err)
		return err;
	undo->armed++;
	*ret_id = undo->next;
	return 0;
}

static int write_done(int fd, unsigned id)
{
	struct buf line = {0};
	struct json j;
	int err;

	json_begin(&j, &line);
	json_object(&j, NULL);
	json_u64(&j, "done", id);
	json_end_object(&j);
	err = write_line(fd, &line);
	buf_free(&line);
	return err;
}

int undo_done(struct undo *undo, unsigned id)
{
	int err = write_done(undo->fd, id);

	if (!err)
		undo->armed--;
	return err;
}

int undo_done_beside(const struct undo *undo, unsigned id)
{
	int fd = open(undo->path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = write_done(fd, id);
	close(fd);
	return err;
}

const char *undo_path(const struct undo *undo)
{
	return undo->path;
}

/* "run-abc.jsonl" -> "run-abc.d" */
static char *folder_of(const char *journal)
{
	char *path;
	int len = strlen(journal) - strlen(UNDO_SUFFIX);

	return len < 0 || asprintf(&path, "%.*s.d", len, journal) < 0 ? NULL : path;
}

int undo_folder(struct undo *undo, const char **ret_path)
{
	char *path = undo->folder ?: folder_of(undo->path);
	int err = path ? 0 : -ENOMEM;

	if (!err && !undo->folder && (mkdir(path, 0700) || fsync(undo->dirfd)))
		err = -errno;
	if (err) {
		free(path);
		return err;
	}
	undo->folder = path;
	*ret_path = path;
	return 0;
}

void undo_remove_folder(const char *journal)
{
	char *path = folder_of(journal);
	DIR *dir = path ? opendir(path) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_type != DT_DIR)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir) {
		closedir(dir);
		rmdir(path);
	}
	free(path);
}

void undo_close(struct undo *undo)
{
	if (!undo)
		return;
	if (undo->fd >= 0) {
		if (!undo->armed && undo->folder)
			undo_remove_folder(undo->path);
		if (!undo->armed && !unlink(undo->path))
			(void)fsync(undo->dirfd);
		close(undo->fd);
	}
	if (undo->dirfd >= 0)
		close(undo->dirfd);
	free(undo->path);
	free(undo->folder);
	free(undo);
}
