/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN 256

bool buf_reserve(struct buf *b, size_t more)
{
	size_t size = b->size ? b->size : BUF_MIN;
	char *data;

	if (b->failed)
		return false;
	if (more >= SIZE_MAX / 2 - b->len)
		goto fail;
	if (b->len + more < b->size)
		return true;
	if (b->hand_on && b->len >= BUF_PIECE) {
		if (!b->hand_on(b->arg, b))
			goto fail;
		buf_clear(b);
	}
	while (size <= b->len + more)
		size *= 2;
	data = realloc(b->data, size);
	if (!data)
		goto fail;
	b->data = data;
	b->size = size;
	return true;
fail:
	b->failed = true;
	return false;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int len;

	if (!buf_reserve(b, 0))
		return;
	va_copy(again, args);
	len = vsnprintf(b->data + b->len, b->size - b->len, format, args);
	if (len < 0) {
		b->data[b->len] = '\0';
		b->failed = true;
	} else if ((size_t)len < b->size - b->len) {
		b->len += len;
	} else if (buf_reserve(b, len)) {
		vsnprintf(b->data + b->len, b->size - b->len, format, again);
		b->len += len;
	} else {
		b->data[b->len] = '\0';
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

char *buf_take(struct buf *b)
{
	char *data = NULL;

	buf_add(b, "", 0);
	if (!b->failed) {
		data = b->data;
		b->data = NULL;
	}
	buf_free(b);
	return data;
}
