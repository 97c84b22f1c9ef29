/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers to instant queries, in the forms of https://prometheus.io/docs/prometheus/latest/querying/api/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "drill/prometheus.h"

static const struct plan_compare below = {.op = COMPARE_BELOW, .number = 0.02};

static struct prometheus_answer read_with(const struct plan_compare *compare, const char *text)
{
	struct prometheus_answer answer;

	prometheus_read(text, strlen(text), compare, &answer);
	assert_int_equal(answer.has_value, !answer.error);
	assert_false(answer.holds && answer.error);
	return answer;
}

static struct prometheus_answer read_vector(const char *results)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[%s]}}", results);
	return read_with(&below, text);
}

static void one_result(void **state)
{
	struct prometheus_answer a = read_vector("{\"metric\":{},\"value\":[1435781451.781,\"0.0125\"]}");

	(void)state;
	assert_true(a.holds && a.value == 0.0125);
	assert_string_equal(a.detail, "");
	a = read_vector(
		"{\"metric\":{\"__name__\":\"up\",\"job\":\"api\"},\"value\":[1435781451.781,\"0.02\"]}");
	assert_true(!a.holds && a.value == 0.02);
	assert_string_equal(a.detail, "up{job=\"api\"}");
}

static void all_must_hold(void **state)
{
	struct prometheus_answer a = read_vector("{\"metric\":{\"a\":\"1\"},\"value\":[1,\"0.01\"]},"
						 "{\"metric\":{\"a\":\"2\",\"b\":\"x\"},\"value\":[1,\"3\"]},"
						 "{\"metric\":{\"a\":\"3\"},\"value\":[1,\"4\"]}");

	(void)state;
	assert_true(!a.holds && a.value == 3);
	assert_string_equal(a.detail, "{a=\"2\",b=\"x\"} (2 of 3 results)");
	a = read_vector("{\"metric\":{\"a\":\"1\"},\"value\":[1,\"0.01\"]},"
			"{\"metric\":{\"a\":\"2\"},\"value\":[1,\"0.001\"]}");
	assert_true(a.holds && a.value == 0.01);
	assert_string_equal(a.detail, "{a=\"1\"} (2 of 2 results)");
}

static void no_result(void **state)
{
	struct prometheus_answer a = read_vector("");

	(void)state;
	assert_string_equal(a.error, "the query has no result");
}

static void numbers_that_are_none(void **state)
{
	static const char nan_scalar[] =
		"{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"NaN\"]}}";
	struct prometheus_answer a = read_vector("{\"metric\":{},\"value\":[1,\"NaN\"]}");

	(void)state;
	assert_string_equal(a.error, "a result is not a number");
	assert_string_equal(read_with(&below, nan_scalar).error, "a result is not a number");
	a = read_vector("{\"metric\":{},\"value\":[1,\"0.01\"]},{\"metric\":{},\"value\":[1,\"NaN\"]}");
	assert_string_equal(a.error, "a result is not a number");
	a = read_vector("{\"metric\":{},\"value\":[1,\"NaN\"]},{\"metric\":{},\"value\":[1,\"7\"]}");
	assert_true(a.has_value && !a.holds && a.value == 7);
	a = read_vector("{\"metric\":{},\"value\":[1,\"+Inf\"]}");
	assert_true(!a.holds && isinf(a.value) && a.value > 0);
	a = read_vector("{\"metric\":{},\"value\":[1,\"-Inf\"]}");
	assert_true(a.holds && isinf(a.value) && a.value < 0);
}

static void a_scalar(void **state)
{
	static const char text[] = "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":["
				   "1435781451.781,\"1\"]}}";
	const struct plan_compare equals = {.op = COMPARE_EQUALS, .number = 1},
				  above = {.op = COMPARE_ABOVE, .number = 1},
				  at_least = {.op = COMPARE_AT_LEAST, .number = 1},
				  at_most = {.op = COMPARE_AT_MOST, .number = 0.5};

	(void)state;
	assert_true(read_with(&equals, text).holds);
	assert_false(read_with(&above, text).holds);
	assert_true(read_with(&at_least, text).holds);
	assert_false(read_with(&at_most, text).holds);
	assert_true(read_with(&at_most, text).value == 1);
}

static void other_types(void **state)
{
	struct prometheus_answer a;

	(void)state;
	a = read_with(&below, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}");
	assert_string_equal(a.error, "the query's result is no number");
	assert_string_equal(a.detail, "a matrix");
	a = read_with(&below,
		      "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1,\"a\"]}}");
	assert_string_equal(a.detail, "a string");
}

static void errors(void **state)
{
	struct prometheus_answer a = read_with(
		&below, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:3: parse error\"}");

	(void)state;
	assert_string_equal(a.error, "the query failed");
	assert_string_equal(a.detail, "1:3: parse error");
}

static void something_else(void **state)
{
	static const char *const texts[] = {
		"",
		"<html>",
		"null",
		"[]",
		"{}",
		"{\"status\":\"success\"}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":{}}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{}]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,2]}]}"
		"}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,"
		"\"2x\"]}]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,\"\"]}"
		"]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_string_equal(read_with(&below, texts[i]).error, "no answer of Prometheus");
}

/* Metrics come with as many labels as they like. */
static void long_labels(void **state)
{
	char text[2048], label[1024];
	struct prometheus_answer a;

	(void)state;
	memset(label, 'x', sizeof(label));
	label[sizeof(label) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"l\":"
		 "\"%s\"},"
		 "\"value\":[1,\"9\"]}]}}",
		 label);
	a = read_with(&below, text);
	assert_int_equal(strlen(a.detail), sizeof(a.detail) - 1);
	assert_true(a.value == 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_result),  cmocka_unit_test(all_must_hold),
		cmocka_unit_test(no_result),   cmocka_unit_test(numbers_that_are_none),
		cmocka_unit_test(a_scalar),    cmocka_unit_test(other_types),
		cmocka_unit_test(errors),      cmocka_unit_test(something_else),
		cmocka_unit_test(long_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
