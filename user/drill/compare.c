/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/compare.h"

#include <errno.h>
#include <string.h>

int compare_open(struct compare *c, const struct plan_compare *plan)
{
	int err;

	*c = (struct compare){.plan = plan};
	err = expression_open(&c->expression, plan->text);
	if (err || !plan->json)
		return err;
	c->json = json_loads(plan->json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (c->json)
		return 0;
	compare_close(c);
	return -EINVAL;
}

void compare_close(struct compare *c)
{
	json_decref(c->json);
	c->json = NULL;
	expression_close(&c->expression);
}

static bool is_same(const json_t *a, const json_t *b);

static bool is_same_array(const json_t *a, const json_t *b)
{
	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!is_same(json_array_get(a, i), json_array_get(b, i)))
			return false;
	return true;
}

static bool is_same_object(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	if (json_object_size(a) != json_object_size(b))
		return false;
	json_object_foreach((json_t *)a, key, value)
	{
		const json_t *other = json_object_get(b, key);

		if (!other || !is_same(value, other))
			return false;
	}
	return true;
}

/* As deep as the document, whose reader has a limit. */
static bool is_same(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return json_integer_value(a) == json_integer_value(b);
	if (json_is_number(a) && json_is_number(b))
		return json_number_value(a) == json_number_value(b);
	if (json_is_array(a) && json_is_array(b))
		return is_same_array(a, b);
	if (json_is_object(a) && json_is_object(b))
		return is_same_object(a, b);
	return json_equal(a, b);
}

static bool contains(const json_t *value, const json_t *part)
{
	if (json_is_string(value) && json_is_string(part))
		return memmem(json_string_value(value), json_string_length(value), json_string_value(part),
			      json_string_length(part));
	for (size_t i = 0; i < json_array_size(value); i++)
		if (is_same(json_array_get(value, i), part))
			return true;
	return false;
}

bool compare_value(const struct compare *c, const json_t *value)
{
	switch (c->plan->op) {
	case COMPARE_NONE:
		return true;
	case COMPARE_EQUALS:
		return is_same(value, c->json);
	case COMPARE_DIFFERS:
		return !is_same(value, c->json);
	case COMPARE_CONTAINS:
		return contains(value, c->json);
	case COMPARE_MATCHES:
		return json_is_string(value) && expression_matches(&c->expression, json_string_value(value),
								   json_string_length(value));
	default:
		return json_is_number(value) && compare_number(c->plan, json_number_value(value));
	}
}

bool compare_number(const struct plan_compare *plan, double value)
{
	switch (plan->op) {
	case COMPARE_EQUALS:
		return value == plan->number;
	case COMPARE_DIFFERS:
		return value < plan->number || value > plan->number;
	case COMPARE_ABOVE:
		return value > plan->number;
	case COMPARE_BELOW:
		return value < plan->number;
	case COMPARE_AT_LEAST:
		return value >= plan->number;
	case COMPARE_AT_MOST:
		return value <= plan->number;
	default:
		return false;
	}
}
