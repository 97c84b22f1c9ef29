/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing string. After a failed allocation `failed` is set, and every later call does nothing: check once, at the end. */
#ifndef SHEARPIN_BUF_H
#define SHEARPIN_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NUL-terminated once anything was added */
	size_t len, size;
	bool failed;
	/* When it is full, takes what has gathered, BUF_PIECE or more; false: it can't, and the buffer fails. NULL: all of it stays. */
	bool (*hand_on)(void *arg, const struct buf *b);
	void *arg;
};

#define BUF_PIECE (64 * 1024)

/* Room for `more` bytes and a NUL behind what is there, for those who write there themselves and add to `len`. */
bool buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_free(struct buf *b);
/* The string, to be freed by the caller; NULL after a failure. The buffer is empty afterwards. */
char *buf_take(struct buf *b);

#endif
