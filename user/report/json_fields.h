/* SPDX-License-Identifier: BSD-2-Clause */
/* Members of a struct as members of a JSON object, by a table of their names and places. */
#ifndef SHEARPIN_JSON_FIELDS_H
#define SHEARPIN_JSON_FIELDS_H

#include <stddef.h>

#include "base/json.h"

struct json_field {
	const char *key;
	size_t offset; /* of a uint64_t */
};

#define JSON_FIELD(type, key, member)                                                                        \
	{                                                                                                    \
		key, offsetof(type, member)                                                                  \
	}

/* NO_NS is written as null. */
void json_ns(struct json *j, const char *key, uint64_t value);

#define json_fields(j, from, fields) json_fields_n(j, from, fields, sizeof(fields) / sizeof(*(fields)))
void json_fields_n(struct json *j, const void *from, const struct json_field *fields, size_t n);

void json_strings(struct json *j, const char *key, const char *const *items, size_t n);

#endif
