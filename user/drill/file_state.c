/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/file_state.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "drill/file_sink.h"
#include "drill/file_xattrs.h"

#define ROOM_LEFT (16ULL * 1024 * 1024) /* that a copy leaves free */
#define NEW_MODE 0644

/* ---- what there is ---- */

static void take_stat(const struct stat *st, struct file_state *ret)
{
	*ret = (struct file_state){
		.exists = true,
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = st->st_size,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.links = st->st_nlink,
		.atime = st->st_atim,
		.mtime = st->st_mtim,
	};
}

static int refuse(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return -ENOTSUP;
	return (uint64_t)st->st_size > FILE_STATE_MOST ? -EFBIG : 0;
}

/* Neither its access time nor a FIFO's or a device's peace is touched. */
static int open_regular(const char *path, int flags, struct stat *ret)
{
	int fd, err;

	if (lstat(path, ret))
		return -errno;
	if (!S_ISREG(ret->st_mode))
		return -ENOTSUP;
	fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP ? -ENOTSUP : -errno;
	err = fstat(fd, ret) ? -errno : S_ISREG(ret->st_mode) ? 0 : -ENOTSUP;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int open_file(const char *path, int flags, struct stat *ret)
{
	int fd = open_regular(path, flags, ret), err = fd < 0 ? fd : refuse(ret);

	if (fd >= 0 && err)
		close(fd);
	return err ?: fd;
}

int file_state_stat(const char *path, struct file_state *ret)
{
	struct stat st;
	int err = lstat(path, &st) ? -errno : refuse(&st);

	*ret = (struct file_state){};
	if (!err)
		take_stat(&st, ret);
	return err == -ENOENT ? 0 : err;
}

/* ---- looking and keeping ---- */

int file_state_look(const char *path, struct file_state *ret, const atomic_bool *cancelled)
{
	struct sink hash = {.cancelled = cancelled};
	struct stat st;
	int fd = open_file(path, O_RDONLY | O_NOATIME, &st), err = fd < 0 ? fd : sink_open(&hash);

	*ret = (struct file_state){};
	if (fd == -ENOENT)
		return 0;
	if (!err)
		err = sink_give_file(&hash, fd, UINT64_MAX);
	if (!err) {
		take_stat(&st, ret);
		ret->size = hash.size;
	}
	sink_close(&hash, err ? NULL : ret->sha256);
	if (fd >= 0)
		close(fd);
	return err;
}

static int sync_parent(const char *path)
{
	char folder[PATH_MAX];
	int fd, err;

	snprintf(folder, sizeof(folder), "%s", path);
	fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

static bool was_written(const struct stat *a, const struct stat *b)
{
	return a->st_size != b->st_size || memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) != 0 ||
	       memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) != 0;
}

static int check_room(int folder, uint64_t size)
{
	struct statvfs fs;

	if (fstatvfs(folder, &fs))
		return -errno;
	return (uint64_t)fs.f_bavail * fs.f_frsize < size + ROOM_LEFT ? -ENOSPC : 0;
}

static int copy_bytes(int from, int to, const struct stat *before, struct file_state *ret,
		      const atomic_bool *cancelled)
{
	struct sink copy = {.take = sink_write_sparse, .cancelled = cancelled, .fd = to};
	struct stat after = {0};
	int err = sink_open(&copy);

	if (!err)
		err = check_room(to, before->st_size);
	if (!err)
		err = sink_give_file(&copy, from, UINT64_MAX);
	if (!err && (ftruncate(to, copy.size) || fstat(from, &after)))
		err = -errno;
	take_stat(before, ret);
	ret->size = copy.size;
	sink_close(&copy, err ? NULL : ret->sha256);
	return !err && was_written(before, &after) ? -EAGAIN : err;
}

int file_state_keep(const char *path, const char *copy, struct file_state *ret, const atomic_bool *cancelled)
{
	struct stat st;
	int from = open_file(path, O_RDONLY | O_NOATIME, &st), to = -1, err = from < 0 ? from : 0;
	bool written = false;

	*ret = (struct file_state){};
	if (from == -ENOENT)
		return 0;
	if (!err) {
		to = open(copy, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		err = to < 0 ? -errno : 0;
	}
	if (!err)
		err = copy_bytes(from, to, &st, ret, cancelled);
	written = err == -EAGAIN;
	if (!err || written)
		err = file_xattrs_keep(from, copy);
	if (!err && fsync(to))
		err = -errno;
	if (!err)
		err = sync_parent(copy);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return err ?: written ? -EAGAIN : 0;
}

/* ---- a file that gets its name when it is whole ---- */

struct draft {
	int fd;
	char *path; /* NULL: it has no name, and goes by itself */
};

/* Where a file system knows no file without a name, one has another name meanwhile. */
static int draft_open(const char *path, mode_t mode, struct draft *ret)
{
	char folder[PATH_MAX];

	*ret = (struct draft){.fd = -1};
	snprintf(folder, sizeof(folder), "%s", path);
	ret->fd = open(dirname(folder), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (ret->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	if (asprintf(&ret->path, "%s/.shearpin-XXXXXX", folder) < 0) {
		ret->path = NULL;
		return -ENOMEM;
	}
	ret->fd = mkostemp(ret->path, O_CLOEXEC);
	return ret->fd < 0 ? -errno : fchmod(ret->fd, mode) ? -errno : 0;
}

/* -EEXIST: somebody else's has the name. */
static int draft_name(struct draft *d, const char *path)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", d->fd);
	if (!d->path)
		return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) ? -errno : 0;
	if (renameat2(AT_FDCWD, d->path, AT_FDCWD, path, RENAME_NOREPLACE) &&
	    (errno != EINVAL || link(d->path, path) || unlink(d->path)))
		return -errno;
	free(d->path);
	d->path = NULL;
	return 0;
}

static void draft_close(struct draft *d)
{
	if (d->path)
		unlink(d->path);
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
}

/* ---- changing ---- */

static int give_tail(struct sink *s, const struct file_content *c)
{
	if (c->text)
		return sink_give(s, c->text, c->len);
	if (c->source >= 0)
		return sink_give_file(s, c->source, UINT64_MAX);
	return sink_give_garbage(s, c->garbage, c->seed);
}

int file_content_state(const struct file_content *content, const char *copy, struct file_state *ret,
		       const atomic_bool *cancelled)
{
	struct sink hash = {.cancelled = cancelled};
	uint64_t keep = content->keep_all ? UINT64_MAX : content->keep;
	int fd = copy ? open(copy, O_RDONLY | O_CLOEXEC) : -1,
	    err = copy && fd < 0 ? -errno : sink_open(&hash);

	if (!err && fd >= 0)
		err = sink_give_file(&hash, fd, keep);
	if (!err && !content->keep_all && hash.size < keep)
		err = sink_give_zeros(&hash, keep - hash.size);
	if (!err)
		err = give_tail(&hash, content);
	if (!err && hash.size > FILE_STATE_MOST)
		err = -EFBIG;
	ret->exists = true;
	ret->size = hash.size;
	sink_close(&hash, err ? NULL : ret->sha256);
	if (fd >= 0)
		close(fd);
	return err;
}

/* Whoever appends to a file that others append to, too, comes behind them. */
static bool is_as_before(const struct stat *st, const struct file_state *before, bool may_grow)
{
	return st->st_ino == before->inode && st->st_dev == before->device &&
	       (may_grow || ((uint64_t)st->st_size == before->size &&
			     !memcmp(&st->st_mtim, &before->mtime, sizeof(st->st_mtim))));
}

/* What a source has may be another than when it was foreseen: of a whole file what is written counts. */
static int write_content(int fd, const struct file_content *c, struct file_state *ret_after,
			 const atomic_bool *cancelled)
{
	struct sink out = {.take = c->keep_all ? sink_write_end : sink_write_at,
			   .cancelled = cancelled,
			   .fd = fd,
			   .at = c->keep_all ? 0 : c->keep};
	bool whole = !c->keep_all && !c->keep;
	int err = whole ? sink_open(&out) : 0;

	if (!err)
		err = give_tail(&out, c);
	if (!err && !c->keep_all && ftruncate(fd, c->keep + out.size))
		err = -errno;
	if (whole)
		ret_after->size = out.size;
	sink_close(&out, whole && !err ? ret_after->sha256 : NULL);
	return err ?: fsync(fd) ? -errno : 0;
}

static int take_after(int fd, struct file_state *ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	ret->mtime = st.st_mtim;
	return 0;
}

static int write_new(const char *path, const struct file_content *content, struct file_state *ret_after,
		     const atomic_bool *cancelled)
{
	struct draft draft;
	struct stat st;
	int err = lstat(path, &st) ? 0 : -ESTALE;

	if (err)
		return err;
	err = draft_open(path, NEW_MODE, &draft);
	if (!err)
		err = write_content(draft.fd, content, ret_after, cancelled);
	if (!err)
		err = take_after(draft.fd, ret_after);
	if (!err)
		err = draft_name(&draft, path);
	if (!err)
		err = sync_parent(path);
	draft_close(&draft);
	return err == -EEXIST ? -ESTALE : err;
}

int file_content_write(const char *path, const struct file_content *content, const struct file_state *before,
		       struct file_state *ret_after, const atomic_bool *cancelled)
{
	struct stat st;
	int fd, err;

	if (!before->exists)
		return write_new(path, content, ret_after, cancelled);
	fd = open_file(path, O_WRONLY | (content->keep_all ? O_APPEND : 0), &st);
	if (fd < 0)
		return fd == -ENOENT ? -ESTALE : fd;
	err = is_as_before(&st, before, content->keep_all) ? 0 : -ESTALE;
	if (!err)
		err = write_content(fd, content, ret_after, cancelled);
	if (!err)
		err = take_after(fd, ret_after);
	close(fd);
	return err;
}

int file_state_remove(const char *path, const struct file_state *before)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? -ESTALE : -errno;
	if (!S_ISREG(st.st_mode) || !is_as_before(&st, before, false))
		return -ESTALE;
	if (unlink(path))
		return -errno;
	return sync_parent(path);
}

/* ---- putting back ---- */

/* The owner before the mode, which a change of the owner alters; the times last. */
static int put_back_rest(int fd, const char *copy, const struct file_state *before)
{
	const struct timespec times[] = {before->atime, before->mtime};
	struct stat st;
	int err = file_xattrs_restore(fd, copy);

	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err && (st.st_uid != before->uid || st.st_gid != before->gid) &&
	    fchown(fd, before->uid, before->gid))
		err = -errno;
	if (!err && fchmod(fd, before->mode))
		err = -errno;
	/* A mode and an owner take capabilities away. */
	if (!err)
		err = file_xattrs_restore(fd, copy);
	if (!err && (futimens(fd, times) || fsync(fd)))
		err = -errno;
	return err;
}

static int put_back(int fd, const char *copy, const struct file_state *before)
{
	struct sink out = {.take = sink_write_over, .fd = fd};
	int from = open(copy, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), err = from < 0 ? -errno : 0;

	if (!err)
		err = sink_give_file(&out, from, before->size);
	if (!err && out.size != before->size)
		err = -EBADMSG;
	if (!err && ftruncate(fd, before->size))
		err = -errno;
	if (!err && fsync(fd))
		err = -errno;
	if (!err)
		err = put_back_rest(fd, copy, before);
	if (from >= 0)
		close(from);
	return err;
}

/* Of two who do this at one time one comes first. */
static int make_anew(const char *path, const char *copy, const struct file_state *before)
{
	struct draft draft;
	int err = draft_open(path, 0600, &draft);

	if (!err)
		err = put_back(draft.fd, copy, before);
	if (!err)
		err = draft_name(&draft, path);
	if (!err)
		err = sync_parent(path);
	draft_close(&draft);
	return err;
}

/*
 * In place it is neither what it was nor what it was made as long as this takes, and somebody may be killed at it: a file beside
 * the copy says so.
 */
static void mark(const char *copy, bool begins)
{
	char path[PATH_MAX + 8];
	int fd;

	snprintf(path, sizeof(path), "%s" FILE_STATE_BEGUN, copy);
	if (!begins) {
		unlink(path);
		return;
	}
	/* Where there is no room for it the file is put back without. */
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		close(fd);
		(void)sync_parent(path);
	}
}

bool file_state_is_begun(const char *copy)
{
	char path[PATH_MAX + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s" FILE_STATE_BEGUN, copy);
	return !lstat(path, &st);
}

int file_state_restore(const char *path, const char *copy, const struct file_state *before)
{
	struct stat st;
	int fd, err;

	if (!before->exists) {
		if (lstat(path, &st))
			return errno == ENOENT ? 0 : -errno;
		if (!S_ISREG(st.st_mode))
			return -ENOTSUP;
		return unlink(path) ? -errno : sync_parent(path);
	}
	fd = open_regular(path, O_RDWR, &st);
	if (fd == -ENOENT)
		return make_anew(path, copy, before);
	if (fd < 0)
		return fd;
	mark(copy, true);
	err = put_back(fd, copy, before);
	close(fd);
	if (!err)
		mark(copy, false);
	return err;
}

bool file_state_same(const struct file_state *a, const struct file_state *b)
{
	if (!a->exists || !b->exists)
		return a->exists == b->exists;
	return a->size == b->size && !strcmp(a->sha256, b->sha256) && a->mode == b->mode &&
	       a->uid == b->uid && a->gid == b->gid && !memcmp(&a->mtime, &b->mtime, sizeof(a->mtime)) &&
	       !memcmp(&a->atime, &b->atime, sizeof(a->atime));
}
