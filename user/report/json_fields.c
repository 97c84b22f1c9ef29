/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/json_fields.h"

#include <string.h>

#include "slo/results.h"

void json_ns(struct json *j, const char *key, uint64_t value)
{
	if (value == NO_NS)
		json_null(j, key);
	else
		json_u64(j, key, value);
}

void json_fields_n(struct json *j, const void *from, const struct json_field *fields, size_t n)
{
	uint64_t value;

	for (size_t i = 0; i < n; i++) {
		memcpy(&value, (const char *)from + fields[i].offset, sizeof(value));
		json_ns(j, fields[i].key, value);
	}
}

void json_strings(struct json *j, const char *key, const char *const *items, size_t n)
{
	json_array(j, key);
	for (size_t i = 0; i < n; i++)
		json_string(j, NULL, items[i]);
	json_end_array(j);
}
