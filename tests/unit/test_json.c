/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/run_dir.h"

#include <math.h>

#include "base/json.h"

static void nests(void **state)
{
	struct buf b = {0};
	struct json j;

	(void)state;
	json_begin(&j, &b);
	json_object(&j, NULL);
	json_array(&j, "empty");
	json_end_array(&j);
	json_array(&j, "a");
	json_u64(&j, NULL, UINT64_MAX);
	json_i64(&j, NULL, INT64_MIN);
	json_object(&j, NULL);
	json_end_object(&j);
	json_object(&j, NULL);
	json_bool(&j, "t", true);
	json_bool(&j, "f", false);
	json_end_object(&j);
	json_end_array(&j);
	json_null(&j, "n");
	json_string(&j, "s", NULL);
	json_raw(&j, "r", "{\"x\":[1]}");
	json_u64(&j, "z", 0);
	json_end_object(&j);
	assert_string_equal(b.data,
			    "{\"empty\":[],\"a\":[18446744073709551615,-9223372036854775808,{},"
			    "{\"t\":true,\"f\":false}],\"n\":null,\"s\":null,\"r\":{\"x\":[1]},\"z\":0}");
	buf_free(&b);
}

static void check_string(const char *value, const char *expected)
{
	struct buf b = {0};
	struct json j;

	json_begin(&j, &b);
	json_string(&j, NULL, value);
	assert_string_equal(b.data, expected);
	buf_free(&b);
}

static void escapes(void **state)
{
	(void)state;
	check_string("", "\"\"");
	check_string("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
	check_string("\n\t\r\x01\x1f\x7f", "\"\\n\\t\\r\\u0001\\u001f\\u007f\"");
	check_string("Zürich €😀", "\"Zürich €😀\"");
}

#define BAD "\xef\xbf\xbd"

/* Overlong forms, surrogates, beyond U+10FFFF, lone and missing continuation bytes: one U+FFFD for each byte. */
static void replaces_what_is_no_utf8(void **state)
{
	(void)state;
	check_string("\x80", "\"" BAD "\"");
	check_string("\xff", "\"" BAD "\"");
	check_string("\xc0\xaf", "\"" BAD BAD "\"");
	check_string("\xc1\xbf", "\"" BAD BAD "\"");
	check_string("\xe0\x9f\xbf", "\"" BAD BAD BAD "\"");
	check_string("\xed\xa0\x80", "\"" BAD BAD BAD "\"");
	check_string("\xed\x9f\xbf", "\"\xed\x9f\xbf\"");
	check_string("\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\"");
	check_string("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\"");
	check_string("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");
	check_string("\xe2\x82", "\"" BAD BAD "\"");
	check_string("\xe2\x82"
		     "A",
		     "\"" BAD BAD "A\"");
	check_string("\xc3", "\"" BAD "\"");
}

static void check_double(double value, const char *expected)
{
	struct buf b = {0};
	struct json j;

	json_begin(&j, &b);
	json_double(&j, NULL, value);
	assert_string_equal(b.data, expected);
	if (isfinite(value))
		assert_true(strtod(b.data, NULL) == value);
	buf_free(&b);
}

static void doubles_read_back(void **state)
{
	(void)state;
	check_double(0, "0");
	check_double(0.1, "0.1");
	check_double(2.5, "2.5");
	check_double(1.0 / 3, "0.3333333333333333");
	check_double(0.1 + 0.2, "0.30000000000000004");
	check_double(-1e300, "-1e+300");
	check_double(NAN, "null");
	check_double(INFINITY, "null");
}

static void too_deep_or_unmatched_fails(void **state)
{
	struct buf b = {0};
	struct json j;
	int i;

	(void)state;
	json_begin(&j, &b);
	for (i = 0; i < JSON_DEPTH - 1; i++)
		json_array(&j, NULL);
	assert_false(b.failed);
	json_array(&j, NULL);
	assert_true(b.failed);
	buf_free(&b);

	json_begin(&j, &b);
	json_object(&j, NULL);
	json_end_object(&j);
	assert_false(b.failed);
	json_end_object(&j);
	assert_true(b.failed);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests),
		cmocka_unit_test(escapes),
		cmocka_unit_test(replaces_what_is_no_utf8),
		cmocka_unit_test(doubles_read_back),
		cmocka_unit_test(too_deep_or_unmatched_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
