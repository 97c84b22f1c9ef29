/* SPDX-License-Identifier: BSD-2-Clause */
/* Comparisons of JSON values, and times in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/age.h"
#include "drill/compare.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define DAY_NS (86400 * (int64_t)NS_PER_S)

static bool holds(const struct plan_compare *plan, const char *value)
{
	json_t *json = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct compare c;
	bool result;

	assert_non_null(json);
	assert_int_equal(compare_open(&c, plan), 0);
	result = compare_value(&c, json);
	compare_close(&c);
	compare_close(&c);
	json_decref(json);
	return result;
}

static void test_equals(void **state)
{
	static const struct {
		const char *wanted, *value;
		bool same;
	} cases[] = {
		{"true", "true", true},
		{"true", "false", false},
		{"true", "\"true\"", false},
		{"true", "1", false},
		{"null", "null", true},
		{"null", "false", false},
		{"1", "1.0", true},
		{"0.1", "0.1", true},
		{"1", "2", false},
		{"1", "\"1\"", false},
		{"9007199254740993", "9007199254740992", false}, /* the same as doubles */
		{"\"testnet\"", "\"testnet\"", true},
		{"\"testnet\"", "\"Testnet\"", false},
		{"\"a\\u0000b\"", "\"a\\u0000c\"", false},
		{"[]", "[]", true},
		{"[]", "[\"Feeder\"]", false},
		{"[1, 2]", "[1.0, 2]", true},
		{"[1, 2]", "[2, 1]", false},
		{"{\"a\": 1, \"b\": [2]}", "{\"b\": [2.0], \"a\": 1}", true},
		{"{\"a\": 1}", "{\"a\": 1, \"b\": 2}", false},
		{"{\"a\": 1}", "{\"b\": 1}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan_compare equals = {.op = COMPARE_EQUALS, .json = (char *)cases[i].wanted};
		struct plan_compare differs = {.op = COMPARE_DIFFERS, .json = (char *)cases[i].wanted};

		if (holds(&equals, cases[i].value) != cases[i].same ||
		    holds(&differs, cases[i].value) == cases[i].same)
			fail_msg("%s and %s", cases[i].wanted, cases[i].value);
	}
}

static void test_contains(void **state)
{
	static const struct {
		const char *part, *value;
		bool in;
	} cases[] = {
		{"\"Feeder\"", "[\"DataBus\", \"Feeder\"]", true},
		{"\"Feed\"", "[\"DataBus\", \"Feeder\"]", false},
		{"\"Feeder\"", "[]", false},
		{"\"Feed\"", "\"Feeder\"", true},
		{"\"eeder\"", "\"Feeder\"", true},
		{"\"feeder\"", "\"Feeder\"", false},
		{"1", "[1.0]", true},
		{"1", "\"1\"", false},
		{"\"a\"", "{\"a\": 1}", false},
		{"[1]", "[[1], [2]]", true},
		{"null", "null", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan_compare plan = {.op = COMPARE_CONTAINS, .json = (char *)cases[i].part};

		if (holds(&plan, cases[i].value) != cases[i].in)
			fail_msg("%s in %s", cases[i].part, cases[i].value);
	}
}

static void test_order(void **state)
{
	static const struct {
		enum plan_compare_op op;
		const char *value;
		bool holds;
	} cases[] = {
		/* to 1.5 */
		{COMPARE_ABOVE, "1.6", true},     {COMPARE_ABOVE, "2", true},
		{COMPARE_ABOVE, "1.5", false},    {COMPARE_AT_LEAST, "1.5", true},
		{COMPARE_AT_LEAST, "1.4", false}, {COMPARE_BELOW, "1", true},
		{COMPARE_BELOW, "1.5", false},    {COMPARE_AT_MOST, "1.5", true},
		{COMPARE_AT_MOST, "1.6", false},  {COMPARE_ABOVE, "\"2\"", false},
		{COMPARE_ABOVE, "true", false},   {COMPARE_BELOW, "null", false},
		{COMPARE_BELOW, "[1]", false},    {COMPARE_NONE, "null", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct plan_compare plan = {.op = cases[i].op, .number = 1.5};

		if (holds(&plan, cases[i].value) != cases[i].holds)
			fail_msg("case %zu: %s", i, cases[i].value);
	}
}

static void test_numbers(void **state)
{
	struct plan_compare plan = {.number = 2};

	(void)state;
	for (plan.op = COMPARE_EQUALS; plan.op <= COMPARE_AT_MOST; plan.op++)
		assert_false(compare_number(&plan, NAN));
	plan.op = COMPARE_EQUALS;
	assert_true(compare_number(&plan, 2));
	assert_false(compare_number(&plan, 3));
	plan.op = COMPARE_DIFFERS;
	assert_true(compare_number(&plan, 3));
	plan.op = COMPARE_ABOVE;
	assert_true(compare_number(&plan, INFINITY));
	plan.op = COMPARE_MATCHES;
	assert_false(compare_number(&plan, 2));
}

static void test_matches(void **state)
{
	struct plan_compare plan = {.op = COMPARE_MATCHES, .text = (char *)"^(idle|recovering)$"};
	struct plan_compare broken = {.op = COMPARE_MATCHES, .text = (char *)"("};
	struct plan_compare no_json = {.op = COMPARE_EQUALS, .json = (char *)"{"};
	struct compare c;

	(void)state;
	assert_true(holds(&plan, "\"idle\""));
	assert_false(holds(&plan, "\"failed\""));
	assert_false(holds(&plan, "null"));
	assert_false(holds(&plan, "[\"idle\"]"));
	assert_int_equal(compare_open(&c, &broken), -EINVAL);
	assert_int_equal(compare_open(&c, &no_json), -EINVAL);
}

static int time_of(const char *text, int64_t *ret_ns)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	int err;

	assert_non_null(json);
	err = age_time_of(json, ret_ns);
	json_decref(json);
	return err;
}

static void test_stated_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{"1795308575", INT64_C(1795308575000000000)},
		{"1795308575.5", INT64_C(1795308575500000000)},
		{"1795308575504", INT64_C(1795308575504000000)},
		{"1795308575504.25", INT64_C(1795308575504250000)},
		{"1795308575503854", INT64_C(1795308575503854000)},
		{"1795308575503854991", INT64_C(1795308575503854991)},
		{"1", INT64_C(1000000000)},
		{"100000000000", INT64_C(100000000000000000)}, /* ms: 1973 */
		{"\"1970-01-01T00:00:00Z\"", 0},
		{"\"2026-02-11T09:30:00Z\"", INT64_C(1770802200000000000)},
		{"\"2026-02-11t09:30:00.123456789z\"", INT64_C(1770802200123456789)},
		{"\"2026-02-11 10:30:00.5+01:00\"", INT64_C(1770802200500000000)},
		{"\"2026-02-11T04:00:00-05:30\"", INT64_C(1770802200000000000)},
		{"\"2026-02-11T09:30:00.1234567891234Z\"", INT64_C(1770802200123456789)},
		{"\"2024-02-29T00:00:00Z\"", INT64_C(1709164800000000000)},
		{"\"2016-12-31T23:59:60Z\"", INT64_C(1483228800000000000)},
	};
	static const char *const wrong[] = {
		"0",
		"-5",
		"99999999999",
		"1e300",
		"true",
		"null",
		"[]",
		"\"\"",
		"\"1795308575\"",
		"\"2026-02-11\"",
		"\"2026-02-11T09:30:00\"", /* whose time? */
		"\"2026-02-11T09:30Z\"",
		"\"2026-02-11T09:30:00.Z\"",
		"\"2026-02-11T09:30:00+0100\"",
		"\"2026-02-11T09:30:00+24:00\"",
		"\"2026-02-11T09:30:00Z \"",
		"\"2026-02-30T09:30:00Z\"",
		"\"2025-02-29T09:30:00Z\"",
		"\"2026-13-01T09:30:00Z\"",
		"\"2026-00-01T09:30:00Z\"",
		"\"2026-01-00T09:30:00Z\"",
		"\"2026-02-11T24:00:00Z\"",
		"\"2026-02-11T09:60:00Z\"",
		"\"2026-02-11T09:30:61Z\"",
		"\"26-02-11T09:30:00Z\"",
		"\"1969-12-31T23:59:59Z\"",
	};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (time_of(cases[i].text, &ns) || ns / 1000 != cases[i].ns / 1000)
			fail_msg("%s is %lld", cases[i].text, (long long)ns);
	assert_int_equal(time_of("1795308575503854991", &ns), 0);
	assert_int_equal(ns, INT64_C(1795308575503854991));
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (time_of(wrong[i], &ns) != -EINVAL)
			fail_msg("%s is %lld", wrong[i], (long long)ns);
}

static void test_freshness(void **state)
{
	char text[48];

	(void)state;
	assert_true(age_is_fresh(DAY_NS, DAY_NS - 100, 100));
	assert_false(age_is_fresh(DAY_NS, DAY_NS - 101, 100));
	assert_true(age_is_fresh(DAY_NS, DAY_NS + 100, 100));
	assert_false(age_is_fresh(DAY_NS, DAY_NS + 101, 100));
	assert_true(age_is_fresh(DAY_NS, 0, 0));
	assert_false(age_is_fresh(INT64_MAX, INT64_MIN, 100));
	age_words(DAY_NS, DAY_NS - 75 * (int64_t)NS_PER_S, text, sizeof(text));
	assert_string_equal(text, "1m15s old");
	age_words(DAY_NS, DAY_NS + 2 * (int64_t)NS_PER_S, text, sizeof(text));
	assert_string_equal(text, "2s ahead");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equals),    cmocka_unit_test(test_contains),
		cmocka_unit_test(test_order),     cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_matches),   cmocka_unit_test(test_stated_times),
		cmocka_unit_test(test_freshness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
