/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/file_xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/write.h"

#define MOST (4 * 1024 * 1024) /* names and values of a file; ext4 has 64 KiB of them, XFS more */

/* Names, each with its NUL; none where the file system knows no attributes. */
static int list(int fd, char **ret_names, size_t *ret_len)
{
	ssize_t len = flistxattr(fd, NULL, 0);
	char *names;
	int err;

	*ret_names = NULL;
	*ret_len = 0;
	if (len <= 0)
		return len && errno != ENOTSUP ? -errno : 0;
	names = malloc(len);
	if (!names)
		return -ENOMEM;
	len = flistxattr(fd, names, len);
	if (len < 0) {
		err = -errno;
		free(names);
		return err ?: -EIO;
	}
	*ret_names = names;
	*ret_len = len;
	return 0;
}

/* -ENODATA: it has gone meanwhile. */
static int get(int fd, const char *name, char **ret_value, size_t *ret_len)
{
	ssize_t len = fgetxattr(fd, name, NULL, 0);
	char *value;
	int err;

	if (len < 0)
		return -errno ?: -EIO;
	value = malloc(len + 1);
	if (!value)
		return -ENOMEM;
	len = fgetxattr(fd, name, value, len);
	if (len < 0) {
		err = -errno;
		free(value);
		return err ?: -EIO;
	}
	*ret_value = value;
	*ret_len = len;
	return 0;
}

static int add_all(int fd, struct buf *b)
{
	size_t size = 0, len = 0;
	char *names = NULL, *value = NULL;
	int err = list(fd, &names, &size);

	for (const char *name = names; !err && name < names + size; name += strlen(name) + 1) {
		uint32_t bytes;

		value = NULL;
		err = get(fd, name, &value, &len);
		if (err || !value) {
			err = err == -ENODATA || err == -ENOTSUP ? 0 : err;
			continue;
		}
		bytes = len;
		buf_add(b, name, strlen(name) + 1);
		buf_add(b, &bytes, sizeof(bytes));
		buf_add(b, value, len);
		free(value);
		err = b->failed ? -ENOMEM : b->len > MOST ? -E2BIG : 0;
	}
	free(names);
	return err;
}

int file_xattrs_keep(int fd, const char *copy)
{
	struct buf b = {0};
	char *path = NULL;
	int err = add_all(fd, &b), to = -1;

	if (!err && asprintf(&path, "%s.xattr", copy) < 0)
		err = -ENOMEM;
	if (!err && !b.len && unlink(path) && errno != ENOENT)
		err = -errno;
	if (!err && b.len) {
		to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
		err = to < 0 ? -errno : write_all(to, b.data, b.len);
		if (!err && fsync(to))
			err = -errno;
	}
	if (to >= 0)
		close(to);
	free(path);
	buf_free(&b);
	return err;
}

struct kept {
	char *data;
	size_t len;
};

static int read_kept(const char *copy, struct kept *ret)
{
	struct stat st;
	char *path;
	ssize_t n = 0;
	int fd, err = 0;

	*ret = (struct kept){};
	if (asprintf(&path, "%s.xattr", copy) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (st.st_size > MOST + MOST / 2)
		err = -EBADMSG;
	ret->data = err ? NULL : malloc(st.st_size + 1);
	if (!err)
		err = ret->data ? 0 : -ENOMEM;
	while (!err && (n = read(fd, ret->data + ret->len, st.st_size - ret->len)) > 0)
		ret->len += n;
	close(fd);
	return err ?: n < 0 ? -EIO : 0;
}

/* The next one at *at, or NULL behind the last. */
static const char *next(const struct kept *k, size_t *at, const char **ret_value, uint32_t *ret_len)
{
	const char *name = k->data + *at;
	size_t left = k->len - *at, len = left ? strnlen(name, left) : 0;

	if (!left || len + 1 + sizeof(*ret_len) > left)
		return NULL;
	memcpy(ret_len, name + len + 1, sizeof(*ret_len));
	*ret_value = name + len + 1 + sizeof(*ret_len);
	if (*ret_len > left - (len + 1 + sizeof(*ret_len)))
		return NULL;
	*at += len + 1 + sizeof(*ret_len) + *ret_len;
	return name;
}

static bool is_kept(const struct kept *k, const char *wanted)
{
	const char *name, *value;
	uint32_t len;
	size_t at = 0;

	while ((name = next(k, &at, &value, &len)))
		if (!strcmp(name, wanted))
			return true;
	return false;
}

static int remove_others(int fd, const struct kept *k)
{
	size_t size;
	char *names;
	int err = list(fd, &names, &size);

	for (const char *name = names; !err && name < names + size; name += strlen(name) + 1)
		if (!is_kept(k, name) && fremovexattr(fd, name) && errno != ENODATA && errno != ENOTSUP)
			err = -errno;
	free(names);
	return err;
}

static int put(int fd, const char *name, const char *value, size_t len)
{
	char *now = NULL;
	size_t now_len = 0;

	if (!get(fd, name, &now, &now_len) && now) {
		bool same = now_len == len && !memcmp(now, value, len);

		free(now);
		if (same)
			return 0;
	}
	return fsetxattr(fd, name, value, len, 0) ? -errno : 0;
}

int file_xattrs_restore(int fd, const char *copy)
{
	const char *name, *value;
	struct kept kept;
	uint32_t len;
	size_t at = 0;
	int err = read_kept(copy, &kept);

	if (!err)
		err = remove_others(fd, &kept);
	while (!err && (name = next(&kept, &at, &value, &len)))
		err = put(fd, name, value, len);
	free(kept.data);
	return err;
}
