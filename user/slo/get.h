/* SPDX-License-Identifier: BSD-2-Clause */
/* Values out of a JSON document that need not be as expected: what is missing or of another type is a default. */
#ifndef SHEARPIN_GET_H
#define SHEARPIN_GET_H

#include <jansson.h>

#include "slo/results.h"

static inline const char *get_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* An integer >= 0, or NO_NS. */
static inline uint64_t get_u64(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value)
									: NO_NS;
}

static inline bool get_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

#endif
