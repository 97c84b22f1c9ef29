/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 16384
#define MARK 64
#define HOLE (1024 * 1024) /* with less to read, holes are not looked for */

struct tail {
	const char *path;
	int fd;         /* -1: none */
	off_t pos;      /* all before it was read */
	bool skip;      /* up to the next newline: the line's start is not known */
	size_t len;     /* of the line so far */
	struct stat at; /* as of the last look */
	/* The bytes before pos: if they have changed, the file was written anew. */
	size_t n_mark;
	char mark[MARK];
	char line[TAIL_LINE];
};

static void restart(struct tail *t)
{
	t->pos = 0;
	t->len = t->n_mark = 0;
	t->skip = false;
}

static void leave(struct tail *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	restart(t);
}

static int enter(struct tail *t)
{
	int err = 0;

	t->fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (t->fd < 0)
		return -errno;
	if (fstat(t->fd, &t->at))
		err = -errno;
	else if (!S_ISREG(t->at.st_mode))
		err = S_ISDIR(t->at.st_mode) ? -EISDIR : -EINVAL;
	if (err)
		leave(t);
	return err;
}

static void take_mark(struct tail *t)
{
	size_t want = t->pos < MARK ? t->pos : MARK;

	t->n_mark = pread(t->fd, t->mark, want, t->pos - want) == (ssize_t)want ? want : 0;
}

/* ---- lines ---- */

static bool give(const char *line, size_t len, tail_fn *call, void *arg)
{
	while (len && !*line) {
		line++;
		len--;
	}
	if (len && line[len - 1] == '\r')
		len--;
	return call(arg, line, len < TAIL_LINE ? len : TAIL_LINE);
}

static void add(struct tail *t, const char *text, size_t len)
{
	size_t room = TAIL_LINE - t->len;

	while (!t->len && len && !*text) {
		text++;
		len--;
	}
	if (len > room)
		len = room;
	memcpy(t->line + t->len, text, len);
	t->len += len;
}

static void feed(struct tail *t, const char *text, size_t len, tail_fn *call, void *arg)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t part = end ? (size_t)(end - text) : len;

		if (!t->skip)
			add(t, text, part);
		if (!end)
			return;
		if (!t->skip)
			give(t->line, t->len, call, arg);
		t->skip = false;
		t->len = 0;
		text += part + 1;
		len -= part + 1;
	}
}

/* A truncation under a writer that keeps its place leaves a hole, of any length. */
static void skip_hole(struct tail *t)
{
	off_t data;

	if (t->at.st_size - t->pos < HOLE)
		return;
	data = lseek(t->fd, t->pos, SEEK_DATA);
	if (data < 0)
		data = errno == ENXIO ? t->at.st_size : t->pos;
	if (data <= t->pos)
		return;
	t->pos = data;
	t->len = t->n_mark = 0;
	t->skip = false;
}

/* To the file's end, or until *left bytes are read: then *left is 0. */
static int read_on(struct tail *t, size_t *left, tail_fn *call, void *arg)
{
	char chunk[CHUNK];
	off_t before = t->pos;
	ssize_t n = 0;

	skip_hole(t);
	while (*left) {
		n = pread(t->fd, chunk, *left < CHUNK ? *left : CHUNK, t->pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		t->pos += n;
		*left -= n;
		feed(t, chunk, n, call, arg);
	}
	if (n < 0)
		return -errno;
	if (t->pos != before)
		take_mark(t);
	return 0;
}

/* ---- changes of the file ---- */

/* Truncated, or with other bytes before our place than we have read. */
static int look(struct tail *t)
{
	struct stat now;
	char mark[MARK];
	bool touched;

	if (fstat(t->fd, &now))
		return -errno;
	touched = now.st_size != t->at.st_size || now.st_mtim.tv_sec != t->at.st_mtim.tv_sec ||
		  now.st_mtim.tv_nsec != t->at.st_mtim.tv_nsec;
	t->at = now;
	if (now.st_size < t->pos ||
	    (touched && t->n_mark &&
	     (pread(t->fd, mark, t->n_mark, t->pos - t->n_mark) != (ssize_t)t->n_mark ||
	      memcmp(mark, t->mark, t->n_mark) != 0)))
		restart(t);
	return 0;
}

/* 1: another file is in its place, and there is something in it; 0: not yet; or a negative errno. */
static int is_replaced(const struct tail *t)
{
	struct stat now;

	if (stat(t->path, &now))
		return -errno;
	if (now.st_dev == t->at.st_dev && now.st_ino == t->at.st_ino)
		return 0;
	return S_ISREG(now.st_mode) && now.st_size > 0;
}

int tail_read(struct tail *t, size_t most, tail_fn *call, void *arg)
{
	size_t left = most;
	int err = t->fd < 0 ? enter(t) : 0, replaced;

	if (!err)
		err = look(t);
	if (!err)
		err = read_on(t, &left, call, arg);
	if (err || !left)
		return err ?: 1;
	replaced = is_replaced(t);
	if (replaced <= 0)
		return replaced;
	/* What was written until the writer took to the new file. */
	err = read_on(t, &left, call, arg);
	if (err || !left)
		return err ?: 1;
	leave(t);
	err = enter(t);
	if (!err)
		err = read_on(t, &left, call, arg);
	return err ?: !left;
}

/* ---- the start ---- */

/* Whole lines of a text that ends behind a newline, the last one first. */
static void give_back(const char *text, size_t len, bool whole, tail_fn *call, void *arg)
{
	while (len) {
		const char *end = memrchr(text, '\n', len - 1), *line = end ? end + 1 : text;

		if (!end && !whole)
			return;
		if (!give(line, text + len - 1 - line, call, arg))
			return;
		len = line - text;
	}
}

static int read_back(struct tail *t, tail_fn *call, void *arg)
{
	off_t from = t->at.st_size > TAIL_BACK ? t->at.st_size - TAIL_BACK : 0;
	char *text = malloc(TAIL_BACK);
	const char *end = NULL;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = pread(t->fd, text, TAIL_BACK, from);
	if (n > 0)
		end = memrchr(text, '\n', n);
	if (end) {
		t->pos = from + (end + 1 - text);
		give_back(text, end + 1 - text, !from || !*text, call, arg);
	} else if (n > 0 && from) {
		t->pos = from + n;
		t->skip = text[n - 1]; /* behind a hole a line begins */
	}
	take_mark(t);
	free(text);
	return 0;
}

int tail_open(const char *path, tail_fn *call, void *arg, struct tail **ret)
{
	struct tail *t = calloc(1, sizeof(*t));
	int err = 0;

	if (!t)
		return -ENOMEM;
	t->path = path;
	t->fd = -1;
	if (!enter(t))
		err = read_back(t, call, arg);
	if (err) {
		tail_close(t);
		return err;
	}
	*ret = t;
	return 0;
}

void tail_close(struct tail *t)
{
	if (!t)
		return;
	leave(t);
	free(t);
}
