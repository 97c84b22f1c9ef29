/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
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

/*
 * The length of what stands at s, where a terminal would not show it: control characters (C0, DEL, C1), characters without
 * width, line separators, marks that turn the direction of writing, and bytes that are no UTF-8. 0: it shows.
 */
static size_t hidden(const unsigned char *s)
{
	size_t len = utf8_len(s);

	if (!len || *s < 0x20 || *s == 0x7f)
		return 1;
	if (len == 2 && *s == 0xc2 && s[1] < 0xa0)
		return len;
	if (len < 3 || *s != 0xe2)
		return 0;
	if (s[1] == 0x80) /* U+200B to 200F, U+2028 to 202E */
		return (s[2] >= 0x8b && s[2] <= 0x8f) || (s[2] >= 0xa8 && s[2] <= 0xae) ? len : 0;
	return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9 ? len : 0; /* U+2066 to 2069 */
}

static void put_escape(FILE *out, unsigned char c)
{
	if (c == '\t' || c == '\n' || c == '\r')
		fprintf(out, "\\%c", c == '\t' ? 't' : c == '\n' ? 'n' : 'r');
	else
		fprintf(out, "\\%03o", c);
}

void output_text(FILE *out, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;

	while (s < end) {
		size_t hides = hidden(s);

		for (size_t n = hides ?: utf8_len(s); n; n--, s++)
			if (hides)
				put_escape(out, *s);
			else
				putc(*s, out);
	}
}

static bool all_shows(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s && !hidden(s))
		s += utf8_len(s);
	return !*s;
}

void output_word(FILE *out, const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";
	bool shows = all_shows(word);

	if (*word && !word[strspn(word, plain)]) {
		fputs(word, out);
		return;
	}
	fputs(shows ? "'" : "$'", out);
	while (*word) {
		size_t n = strcspn(word, "'\\");

		output_text(out, word, n);
		word += n;
		if (*word == '\'')
			fputs(shows ? "'\\''" : "\\'", out);
		else if (*word)
			fputs(shows ? "\\" : "\\\\", out);
		word += *word != 0;
	}
	putc('\'', out);
}
