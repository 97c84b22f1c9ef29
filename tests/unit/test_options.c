/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"

struct values {
	bool json;
	const char *interface, *format;
	struct words set;
};

static const struct option_spec options[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct values, json), NULL, NULL, "one JSON document"},
	{"interface", 'i', OPTION_STRING, offsetof(struct values, interface), "NAME", NULL, "act here"},
	{"format", 0, OPTION_STRING, offsetof(struct values, format), "F", "md", "how it looks"},
	{"set", 0, OPTION_LIST, offsetof(struct values, set), "K=V", NULL, "a variable"},
};

static const struct command_spec command = {
	.name = "test",
	.synopsis = "FILE [OPTION...]",
	.about = "Tests.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
	.min_words = 1,
	.max_words = 2,
	.words = "a file",
};

/* What a call printed, and what it returned. */
struct outcome {
	bool go_on;
	int status;
	char out[4096], err[1024];
};

static void read_back(FILE *file, char *text, size_t size)
{
	size_t len;

	rewind(file);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
}

/* One parse with both streams caught in files. */
static struct outcome call(char **argv, struct values *values, struct words *ret_words)
{
	struct outcome outcome = {.status = -1};
	FILE *out = tmpfile(), *err = tmpfile();
	int argc = 0, old_out, old_err;

	assert_non_null(out);
	assert_non_null(err);
	while (argv[argc])
		argc++;
	fflush(stdout);
	fflush(stderr);
	old_out = dup(STDOUT_FILENO);
	old_err = dup(STDERR_FILENO);
	dup2(fileno(out), STDOUT_FILENO);
	dup2(fileno(err), STDERR_FILENO);
	memset(values, 0, sizeof(*values));
	outcome.go_on = options_parse(&command, argc, argv, values, ret_words, &outcome.status);
	fflush(stdout);
	fflush(stderr);
	dup2(old_out, STDOUT_FILENO);
	dup2(old_err, STDERR_FILENO);
	close(old_out);
	close(old_err);
	read_back(out, outcome.out, sizeof(outcome.out));
	read_back(err, outcome.err, sizeof(outcome.err));
	return outcome;
}

#define CALL(values, words, ...) call((char *[]){"test", __VA_ARGS__, NULL}, values, words)

static void everything_at_once(void **state)
{
	struct values values;
	struct words words;
	struct outcome o =
		CALL(&values, &words, "--set", "a=1", "one", "--json", "-i", "eth0", "--set=b=2", "two");

	(void)state;
	assert_true(o.go_on);
	assert_true(values.json);
	assert_string_equal(values.interface, "eth0");
	assert_string_equal(values.format, "md");
	assert_int_equal(values.set.count, 2);
	assert_string_equal(values.set.items[0], "a=1");
	assert_string_equal(values.set.items[1], "b=2");
	assert_int_equal(words.count, 2);
	assert_string_equal(words.items[0], "one");
	assert_string_equal(words.items[1], "two");
	assert_string_equal(o.out, "");
	assert_string_equal(o.err, "");
	options_free(&command, &values);
	assert_null(values.set.items);
}

static void two_dashes_end_the_options(void **state)
{
	struct values values;
	struct words words;
	struct outcome o = CALL(&values, &words, "--format", "html", "--", "--json");

	(void)state;
	assert_true(o.go_on);
	assert_false(values.json);
	assert_string_equal(values.format, "html");
	assert_int_equal(words.count, 1);
	assert_string_equal(words.items[0], "--json");
	options_free(&command, &values);
}

static void help_is_no_error(void **state)
{
	struct values values;
	struct words words;
	struct outcome o = CALL(&values, &words, "--set", "a=1", "--help", "--nonsense");

	(void)state;
	assert_false(o.go_on);
	assert_int_equal(o.status, STATUS_OK);
	assert_string_equal(o.err, "");
	assert_non_null(strstr(o.out, "Usage: shearpin test FILE [OPTION...]\n"));
	assert_non_null(strstr(o.out, "  -i, --interface NAME"));
	assert_non_null(strstr(o.out, "how it looks (default: md)"));
	assert_null(values.set.items);
}

static void check_usage_error(struct outcome o, const char *first_line)
{
	assert_false(o.go_on);
	assert_int_equal(o.status, STATUS_USAGE);
	assert_string_equal(o.out, "");
	o.err[strcspn(o.err, "\n")] = '\0';
	assert_string_equal(o.err, first_line);
}

static void usage_errors(void **state)
{
	struct values v;
	struct words w;

	(void)state;
	check_usage_error(CALL(&v, &w, "f", "--intreface", "x"),
			  "shearpin test: unknown option --intreface, did you mean --interface?");
	check_usage_error(CALL(&v, &w, "f", "--jsn=1"),
			  "shearpin test: unknown option --jsn, did you mean --json?");
	check_usage_error(CALL(&v, &w, "f", "--zzz"), "shearpin test: unknown option --zzz");
	check_usage_error(CALL(&v, &w, "f", "-z"), "shearpin test: unknown option -z");
	check_usage_error(CALL(&v, &w, "f", "--json=1"), "shearpin test: option --json takes no argument");
	check_usage_error(CALL(&v, &w, "f", "--set"),
			  "shearpin test: option --set needs an argument: --set K=V");
	check_usage_error(CALL(&v, &w, "f", "-i"),
			  "shearpin test: option --interface needs an argument: --interface NAME");
	check_usage_error(CALL(&v, &w, "--json"), "shearpin test: missing argument: a file");
	check_usage_error(CALL(&v, &w, "a", "b", "c"), "shearpin test: superfluous argument `c`");
}

static void settings(void **state)
{
	const char *value;
	char *key;

	(void)state;
	assert_true(split_setting("key=a=b", &key, &value));
	assert_string_equal(key, "key");
	assert_string_equal(value, "a=b");
	free(key);
	assert_true(split_setting("key=", &key, &value));
	assert_string_equal(value, "");
	free(key);
	assert_false(split_setting("key", &key, &value));
	assert_false(split_setting("=value", &key, &value));
	assert_false(split_setting("", &key, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_at_once), cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(help_is_no_error),   cmocka_unit_test(usage_errors),
		cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
