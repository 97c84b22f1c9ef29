/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void json_begin(struct json *j, struct buf *out)
{
	*j = (struct json){.out = out};
}

static bool needs_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == 0x7f || c >= 0x80;
}

static void add_escaped(struct buf *out, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(out, "\\\"", 2);
		break;
	case '\\':
		buf_add(out, "\\\\", 2);
		break;
	case '\n':
		buf_add(out, "\\n", 2);
		break;
	case '\t':
		buf_add(out, "\\t", 2);
		break;
	case '\r':
		buf_add(out, "\\r", 2);
		break;
	default:
		buf_printf(out, "\\u%04x", c);
		break;
	}
}

static void add_string(struct buf *out, const char *value)
{
	const unsigned char *s = (const unsigned char *)value, *plain;
	size_t len;

	buf_add(out, "\"", 1);
	while (*s) {
		for (plain = s; *s && !needs_escape(*s);)
			s++;
		buf_add(out, plain, s - plain);
		if (!*s)
			break;
		if (*s < 0x80) {
			add_escaped(out, *s++);
			continue;
		}
		len = utf8_len(s);
		if (len)
			buf_add(out, s, len);
		else
			buf_add(out, UTF8_REPLACEMENT, 3);
		s += len ? len : 1;
	}
	buf_add(out, "\"", 1);
}

/* The comma and the key before a value. */
static void before(struct json *j, const char *key)
{
	if (j->comma[j->depth])
		buf_add(j->out, ",", 1);
	j->comma[j->depth] = true;
	if (key) {
		add_string(j->out, key);
		buf_add(j->out, ":", 1);
	}
}

static void nest(struct json *j, const char *key, const char *bracket)
{
	if (j->depth + 1 >= JSON_DEPTH) {
		j->out->failed = true;
		return;
	}
	before(j, key);
	buf_add(j->out, bracket, 1);
	j->comma[++j->depth] = false;
}

static void unnest(struct json *j, const char *bracket)
{
	if (j->depth == 0) {
		j->out->failed = true;
		return;
	}
	j->depth--;
	buf_add(j->out, bracket, 1);
}

void json_object(struct json *j, const char *key)
{
	nest(j, key, "{");
}

void json_array(struct json *j, const char *key)
{
	nest(j, key, "[");
}

void json_end_object(struct json *j)
{
	unnest(j, "}");
}

void json_end_array(struct json *j)
{
	unnest(j, "]");
}

void json_string(struct json *j, const char *key, const char *value)
{
	before(j, key);
	if (value)
		add_string(j->out, value);
	else
		buf_add(j->out, "null", 4);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = '0' + value % 10;
		value /= 10;
	} while (value);
	before(j, key);
	buf_add(j->out, text + at, sizeof(text) - at);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	before(j, key);
	buf_printf(j->out, "%" PRId64, value);
}

void json_double(struct json *j, const char *key, double value)
{
	char text[32];
	int digits;

	if (!isfinite(value)) {
		json_null(j, key);
		return;
	}
	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	before(j, key);
	buf_puts(j->out, text);
}

void json_bool(struct json *j, const char *key, bool value)
{
	before(j, key);
	buf_puts(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	before(j, key);
	buf_add(j->out, "null", 4);
}

void json_raw(struct json *j, const char *key, const char *value)
{
	before(j, key);
	buf_puts(j->out, value);
}
