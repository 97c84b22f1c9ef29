/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A streaming JSON writer onto a buffer: commas and nesting are its concern, not the caller's. key is NULL inside
 * an array and at the top. Strings are UTF-8; bytes that aren't become U+FFFD. Nesting deeper than JSON_DEPTH or closing
 * more than was opened sets the buffer's `failed`.
 */
#ifndef SHEARPIN_JSON_H
#define SHEARPIN_JSON_H

#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH 16

/* libjansson exports some of these names, too: they stay inside the binary, so that neither takes the other's. */
#pragma GCC visibility push(hidden)

struct json {
	struct buf *out;
	int depth;
	bool comma[JSON_DEPTH];
};

void json_begin(struct json *j, struct buf *out);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_end_array(struct json *j);
void json_string(struct json *j, const char *key, const char *value); /* NULL value: null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key,
		 double value); /* shortest that reads back; NaN, inf: null */
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
void json_raw(struct json *j, const char *key, const char *value); /* value is JSON already */

#pragma GCC visibility pop

#endif
