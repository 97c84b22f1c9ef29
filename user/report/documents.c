/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/documents.h"

#include <stdlib.h>

struct buf *documents_add(struct documents *d, const char *format, ...)
{
	struct document *more = reallocarray(d->items, d->n + 1, sizeof(*more));
	struct buf name = {0};
	va_list args;

	if (!more) {
		d->failed = true;
		return NULL;
	}
	d->items = more;
	va_start(args, format);
	buf_vprintf(&name, format, args);
	va_end(args);
	more[d->n] = (struct document){.name = buf_take(&name)};
	if (!more[d->n].name) {
		d->failed = true;
		return NULL;
	}
	return &more[d->n++].text;
}

bool documents_ok(const struct documents *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (d->items[i].text.failed)
			return false;
	}
	return !d->failed;
}

void documents_free(struct documents *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->items[i].name);
		buf_free(&d->items[i].text);
	}
	free(d->items);
	*d = (struct documents){0};
}
