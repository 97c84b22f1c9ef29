/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE 4096 /* at first; it grows with what comes */

/* Looked at before it is opened: a device may take the opening for a command. */
static int open_regular(const char *path, struct stat *ret_stat)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1, err = 0;
	char name[40];

	if (place < 0)
		return -errno;
	if (fstat(place, ret_stat)) {
		err = -errno;
	} else if (!S_ISREG(ret_stat->st_mode)) {
		err = -ENOTSUP;
	} else {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
		fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		err = fd < 0 ? -errno : 0;
	}
	close(place);
	return err ?: fd;
}

/* As much as there is, but one byte more than `most` at the most. */
static int read_all(int fd, size_t most, struct buf *b)
{
	size_t start = b->len, piece = PIECE;

	for (;;) {
		size_t left = most + 1 - (b->len - start);
		ssize_t n;

		if (!left)
			return 0;
		if (!buf_reserve(b, piece < left ? piece : left))
			return -ENOMEM;
		n = read(fd, b->data + b->len, piece < left ? piece : left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		b->len += n;
		b->data[b->len] = 0;
		if (piece < BUF_PIECE)
			piece *= 2;
	}
}

int read_file(const char *path, size_t most, struct buf *ret, struct stat *ret_stat)
{
	size_t start = ret->len;
	struct stat st;
	int fd = open_regular(path, &st), err;

	if (fd < 0)
		return fd;
	err = read_all(fd, most, ret);
	close(fd);
	if (!err && ret->len - start > most) {
		ret->len = start + most;
		ret->data[ret->len] = 0;
		err = -EFBIG;
	}
	if (ret_stat)
		*ret_stat = st;
	return err;
}
