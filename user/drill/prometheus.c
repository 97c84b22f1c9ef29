/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/prometheus.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "drill/compare.h"

/* [time, "value"]; the value is a number, NaN, Inf, +Inf or -Inf in quotation marks. */
static bool read_value(const json_t *pair, double *ret)
{
	const char *text = json_string_value(json_array_get(pair, 1));
	char *end;

	if (!text || !*text)
		return false;
	*ret = strtod(text, &end);
	return !*end;
}

/* up{instance="a",job="b"} */
static void put_labels(struct buf *out, json_t *metric)
{
	const char *name = json_string_value(json_object_get(metric, "__name__")), *key;
	char separator = '{';
	json_t *value;

	buf_puts(out, name ?: "");
	json_object_foreach(metric, key, value)
	{
		if (!strcmp(key, "__name__") || !json_is_string(value))
			continue;
		buf_printf(out, "%c%s=\"%s\"", separator, key, json_string_value(value));
		separator = ',';
	}
	if (separator == ',')
		buf_puts(out, "}");
}

/* Of several: how many fail. */
static void tell_result(struct prometheus_answer *ret, json_t *result, size_t failing, size_t n)
{
	struct buf out = {0};

	put_labels(&out, json_object_get(result, "metric"));
	if (n > 1)
		buf_printf(&out, "%s(%zu of %zu results)", out.len ? " " : "", failing ?: n, n);
	snprintf(ret->detail, sizeof(ret->detail), "%s", out.failed || !out.data ? "" : out.data);
	buf_free(&out);
}

static const char not_prometheus[] = "no answer of Prometheus";
static const char not_a_number[] = "a result is not a number";

static void read_vector(json_t *list, const struct plan_compare *compare, struct prometheus_answer *ret)
{
	json_t *told = json_array_get(list, 0), *result;
	size_t i, failing = 0, nans = 0;
	double value;

	json_array_foreach(list, i, result)
	{
		if (!read_value(json_object_get(result, "value"), &value)) {
			ret->error = not_prometheus;
			return;
		}
		nans += isnan(value);
		if (i == 0)
			ret->value = value;
		if (isnan(value) || compare_number(compare, value) || failing++)
			continue;
		ret->value = value;
		told = result;
	}
	ret->error = !i ? "the query has no result" : nans && !failing ? not_a_number : NULL;
	ret->has_value = !ret->error;
	ret->holds = !ret->error && !failing;
	if (ret->has_value)
		tell_result(ret, told, failing, i);
}

static void read_scalar(json_t *pair, const struct plan_compare *compare, struct prometheus_answer *ret)
{
	if (!read_value(pair, &ret->value))
		ret->error = not_prometheus;
	else if (isnan(ret->value))
		ret->error = not_a_number;
	ret->has_value = !ret->error;
	ret->holds = ret->has_value && compare_number(compare, ret->value);
}

static void read_result(json_t *data, const struct plan_compare *compare, struct prometheus_answer *ret)
{
	const char *type = json_string_value(json_object_get(data, "resultType")) ?: "";
	json_t *result = json_object_get(data, "result");

	if (!strcmp(type, "vector") && json_is_array(result)) {
		read_vector(result, compare, ret);
	} else if (!strcmp(type, "scalar")) {
		read_scalar(result, compare, ret);
	} else if (!strcmp(type, "matrix") || !strcmp(type, "string")) {
		ret->error = "the query's result is no number";
		snprintf(ret->detail, sizeof(ret->detail), "a %s", type);
	} else {
		ret->error = not_prometheus;
	}
}

void prometheus_read(const char *text, size_t len, const struct plan_compare *compare,
		     struct prometheus_answer *ret)
{
	json_t *answer = json_loadb(text, len, 0, NULL);
	const char *status = json_string_value(json_object_get(answer, "status")),
		   *said = json_string_value(json_object_get(answer, "error"));

	*ret = (struct prometheus_answer){0};
	if (status && !strcmp(status, "success")) {
		read_result(json_object_get(answer, "data"), compare, ret);
	} else if (status && !strcmp(status, "error")) {
		ret->error = "the query failed";
		snprintf(ret->detail, sizeof(ret->detail), "%s", said ?: "");
	} else {
		ret->error = not_prometheus;
	}
	json_decref(answer);
}
