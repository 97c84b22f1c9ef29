/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/errors.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int grow(struct errors *e)
{
	struct error *items;

	if (e->kept % 32)
		return 0;
	items = reallocarray(e->items, e->kept + 32, sizeof(*items));
	if (!items)
		return -ENOMEM;
	e->items = items;
	return 0;
}

/* Steps are read once for each phase that they are in: what is wrong in all of them is told once. */
static bool is_told(const struct errors *e, unsigned line, unsigned col, const char *text)
{
	for (size_t i = e->kept; line && i-- > 0;)
		if (e->items[i].line == line && e->items[i].col == col && !strcmp(e->items[i].text, text))
			return true;
	return false;
}

void errors_vadd(struct errors *e, unsigned line, unsigned col, const char *origin, const char *format,
		 va_list args)
{
	struct buf text = {0};

	if (errors_full(e)) {
		e->count++;
		return;
	}
	buf_vprintf(&text, format, args);
	if (!text.failed && is_told(e, line, col, text.data)) {
		buf_free(&text);
		return;
	}
	e->count++;
	if (text.failed || grow(e)) {
		e->failed = true;
		buf_free(&text);
		return;
	}
	e->items[e->kept] = (struct error){line, col, e->kept, origin, buf_take(&text)};
	e->kept++;
}

void errors_add(struct errors *e, unsigned line, unsigned col, const char *origin, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	errors_vadd(e, line, col, origin, format, args);
	va_end(args);
}

static int by_place(const void *left, const void *right)
{
	const struct error *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->col != b->col)
		return a->col < b->col ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void print_error(const struct errors *e, const struct error *error, struct buf *out)
{
	if (error->line)
		buf_printf(out, "%s:%u:%u: %s\n", e->file, error->line, error->col, error->text);
	else
		buf_printf(out, "%s: %s\n", error->origin ? error->origin : e->file, error->text);
}

int errors_take(struct errors *e, struct scenario_errors *ret)
{
	struct buf out = {0};
	size_t shown = e->kept < ERRORS_SHOWN ? e->kept : ERRORS_SHOWN;

	*ret = (struct scenario_errors){.count = e->count};
	if (e->kept)
		qsort(e->items, e->kept, sizeof(*e->items), by_place);
	for (size_t i = 0; i < shown; i++)
		print_error(e, &e->items[i], &out);
	if (e->count > shown)
		buf_printf(&out, "%s: and %zu more\n", e->file, e->count - shown);
	if (e->failed || out.failed) {
		buf_free(&out);
		errors_free(e);
		return -ENOMEM;
	}
	ret->text = e->count ? buf_take(&out) : NULL;
	errors_free(e);
	return 0;
}

void errors_free(struct errors *e)
{
	for (size_t i = 0; i < e->kept; i++)
		free(e->items[i].text);
	free(e->items);
	e->items = NULL;
	e->kept = 0;
}

static bool is_word(const char *value)
{
	for (const char *s = value; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-+%:/@$()*", *s))
			return false;
	return *value && strlen(value) < QUOTED_SIZE;
}

const char *quote_value(const char *value, char *text)
{
	const size_t room = QUOTED_SIZE - 16; /* for an escape, the ellipsis, the quotation mark */
	size_t len = 1;

	if (is_word(value))
		return strcpy(text, value);
	text[0] = '"';
	for (const unsigned char *s = (const unsigned char *)value; *s; s++) {
		bool c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;

		if (len >= room + 4 || (len >= room && (*s & 0xc0) != 0x80)) {
			strcpy(text + len, "...");
			len += 3;
			break;
		}
		if (*s < 0x20 || *s == 0x7f || c1) {
			len += sprintf(text + len, "\\x%02x", c1 ? s[1] : *s);
			s += c1;
		} else {
			text[len++] = *s;
		}
	}
	strcpy(text + len, "\"");
	return text;
}
