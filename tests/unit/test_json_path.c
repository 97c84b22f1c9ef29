/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths into JSON documents: what each part is, and where a wrong one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json_path.h"

/* The parts, one behind the other: "key a, index 0, ". */
static int parts_of(const char *path, char *ret_text, size_t size)
{
	char name[JSON_PATH_NAME];
	size_t len = 0;
	long index;
	int part;

	ret_text[0] = 0;
	while ((part = json_path_next(&path, name, sizeof(name), &index)) > 0)
		len += part == JSON_PATH_KEY ? snprintf(ret_text + len, size - len, "key %s, ", name)
					     : snprintf(ret_text + len, size - len, "index %ld, ", index);
	return part;
}

static void test_parts(void **state)
{
	static const struct {
		const char *path, *parts;
	} cases[] = {
		{".", ""},
		{".dor", "key dor, "},
		{".a.b[0].\"odd key\"", "key a, key b, index 0, key odd key, "},
		{".[2].x", "index 2, key x, "},
		{"[2].x", "index 2, key x, "},
		{".a[0][1]", "key a, index 0, index 1, "},
		{".a.[1]", "key a, index 1, "},
		{".list[-1]", "key list, index -1, "},
		{".\"\"", "key , "},
		{".\"a.b[0]\".c", "key a.b[0], key c, "},
		{".\"say \\\"yes\\\" \\\\\"", "key say \"yes\" \\, "},
		{".failing-components.1st", "key failing-components, key 1st, "},
		{".$ref.@type.a:b/c", "key $ref, key @type, key a:b/c, "},
		{".\xc3\xa9t\xc3\xa9", "key \xc3\xa9t\xc3\xa9, "},
		{".a[2000000000]", "key a, index 2000000000, "},
	};
	char text[256];
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parts_of(cases[i].path, text, sizeof(text)), JSON_PATH_END);
		assert_string_equal(text, cases[i].parts);
		assert_int_equal(json_path_check(cases[i].path, &at), 0);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *path;
		size_t at;
	} cases[] = {
		{"", 0},
		{"dor", 0},
		{".a.", 3},
		{"..", 1},
		{".a..b", 3},
		{".a b", 2},
		{".a]", 2},
		{".a[]", 3},
		{".a[x]", 3},
		{".a[1", 4},
		{".a[1 ]", 4},
		{".a[1]b", 5},
		{".a[-]", 4},
		{".a[--1]", 4},
		{".\"a", 3},
		{".\"a\\n\"", 4},
		{".\"a\\", 4},
		{".\"a\"b", 4},
		{".a\"b\"", 2},
		{".a[1].", 6},
		{".a\t", 2},
		{" .a", 0},
		{".a[99999999999999999999]", 3},
		{".a\x7f", 2},
	};
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		at = 1000;
		if (json_path_check(cases[i].path, &at) != -EINVAL || at != cases[i].at)
			fail_msg("'%s' is wrong at %zu, expected %zu", cases[i].path, at, cases[i].at);
	}
}

static void test_long_names(void **state)
{
	char path[JSON_PATH_NAME + 8], name[JSON_PATH_NAME];
	const char *s = path;
	long index;
	size_t at;

	(void)state;
	path[0] = '.';
	memset(path + 1, 'n', sizeof(path) - 1);
	path[JSON_PATH_NAME] = 0; /* a name with room for its NUL */
	assert_int_equal(json_path_next(&s, name, sizeof(name), &index), JSON_PATH_KEY);
	assert_int_equal(strlen(name), JSON_PATH_NAME - 1);
	path[JSON_PATH_NAME] = 'n';
	path[JSON_PATH_NAME + 1] = 0;
	assert_int_equal(json_path_check(path, &at), -ENAMETOOLONG);
	assert_int_equal(at, 1);
	path[1] = '"';
	path[JSON_PATH_NAME + 1] = '"';
	path[JSON_PATH_NAME + 2] = 0;
	assert_int_equal(json_path_check(path, &at), 0);
	path[JSON_PATH_NAME + 1] = 'n';
	path[JSON_PATH_NAME + 2] = '"';
	path[JSON_PATH_NAME + 3] = 0;
	assert_int_equal(json_path_check(path, &at), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
