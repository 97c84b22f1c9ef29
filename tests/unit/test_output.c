/* SPDX-License-Identifier: BSD-2-Clause */
/* Words and texts of others on a terminal: a shell reads them back, and none of them acts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/output.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void check_word(const char *word, const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	output_word(out, word);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void words(void **state)
{
	static const struct {
		const char *word, *expected;
	} cases[] = {
		{"redis-cli", "redis-cli"},
		{"--to=a.b/c_d:1,2@x+5%", "--to=a.b/c_d:1,2@x+5%"},
		{"", "''"},
		{" ", "' '"},
		{"b c", "'b c'"},
		{"~", "'~'"},
		{"$(front) `x` \"y\" {a,b}!", "'$(front) `x` \"y\" {a,b}!'"},
		{"it's", "'it'\\''s'"},
		{"'", "''\\'''"},
		{"a\\n", "'a\\n'"},
		{"größe", "'größe'"},
		{"\xf0\x9f\x94\xa7", "'\xf0\x9f\x94\xa7'"},
		{"one\ntwo", "$'one\\ntwo'"},
		{"\t\r", "$'\\t\\r'"},
		{"\033[31m", "$'\\033[31m'"},
		{"\0011\1777", "$'\\0011\\1777'"},
		{"\n'\\", "$'\\n\\'\\\\'"},
		{"\xc2\x9b"
		 "31m",
		 "$'\\302\\23331m'"},
		{"\xc2\xa0", "'\xc2\xa0'"},
		{"a\xe2\x80\x8b", "$'a\\342\\200\\213'"},
		{"a\xe2\x80\xaetxt", "$'a\\342\\200\\256txt'"},
		{"\xe2\x81\xa6x\xe2\x81\xa9", "$'\\342\\201\\246x\\342\\201\\251'"},
		{"\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xaa\xe2\x82\xac",
		 "'\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xaa\xe2\x82\xac'"},
		{"\xff"
		 "f\xc3",
		 "$'\\377f\\303'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_word(cases[i].word, cases[i].expected);
}

static void texts(void **state)
{
	static const char given[] = "a 'b'\\ \"größe\"\n\033[2J\177\xc2\x85",
			  expected[] = "a 'b'\\ \"größe\"\\n\\033[2J\\177\\302\\205";
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	output_text(out, given, strlen(given));
	output_text(out, given, strcspn(given, "\n"));
	output_text(out, given, 0);
	assert_int_equal(fclose(out), 0);
	assert_memory_equal(text, expected, strlen(expected));
	assert_string_equal(text + strlen(expected), "a 'b'\\ \"größe\"");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
