/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/write.h"

int output_file(int dirfd, const char *name, const struct buf *text)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, text->data, text->len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

struct piece {
	int fd, err;
};

static bool write_piece(void *arg, const struct buf *text)
{
	struct piece *piece = arg;

	piece->err = write_all(piece->fd, text->data, text->len);
	return !piece->err;
}

int output_made(int dirfd, const char *name, void (*make)(const struct results *results, struct buf *out),
		const struct results *results)
{
	struct piece piece = {.fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
	struct buf text = {.hand_on = write_piece, .arg = &piece};

	if (piece.fd < 0)
		return -errno;
	make(results, &text);
	if (!text.failed)
		write_piece(&piece, &text);
	else if (!piece.err)
		piece.err = -ENOMEM;
	buf_free(&text);
	if (close(piece.fd) && !piece.err)
		piece.err = -errno;
	return piece.err;
}

/* 0, -ENOTEMPTY, or another negative errno. */
static int check_empty(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int err = 0;

	if (!list) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (entry = readdir(list))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = -ENOTEMPTY;
	}
	closedir(list);
	return err;
}

static int open_directory(const char *path, const char *folder, int *ret_fd)
{
	int fd, err = 0;

	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (folder && mkdirat(fd, folder, 0755))
		err = errno == EEXIST ? check_empty(fd, folder) : -errno;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

int output_documents(const char *directory, const char *folder, const struct documents *documents)
{
	int fd = -1, err = open_directory(directory, folder, &fd);
	size_t i;

	if (err)
		return err;
	for (i = 0; !err && i < documents->n; i++)
		err = output_file(fd, documents->items[i].name, &documents->items[i].text);
	while (err && i--)
		unlinkat(fd, documents->items[i].name, 0);
	close(fd);
	return err;
}

void output_plain(FILE *out, const char *text)
{
	for (; *text; text++)
		putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
	putc('\n', out);
}
