/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests/unit/scenarios/bad: every file is refused with exactly the lines of its .expected; good: every file compiles to
 * exactly the document of its .json. And texts that cannot be read.
 */
#include "unit/scenario_text.h"

#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "unit/unreadable.h"

#define CORPUS "tests/unit/scenarios/"
#define MOST_TEXT (256 * 1024)

static char *read_whole(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, MOST_TEXT + 1);

	assert_non_null(text);
	if (!f)
		fail_msg("%s: %s (the test runs from the top of the tree)", path, strerror(errno));
	assert_true(fread(text, 1, MOST_TEXT, f) < MOST_TEXT);
	fclose(f);
	return text;
}

/* The files of CORPUS that match, sorted. */
static void list_files(const char *pattern, glob_t *ret_files)
{
	assert_int_equal(glob(pattern, 0, NULL, ret_files), 0);
	assert_true(ret_files->gl_pathc > 0);
}

/* "dir/name.yaml" -> the contents of "dir/name.<extension>" */
static char *read_beside(const char *path, const char *extension)
{
	char beside[256];

	snprintf(beside, sizeof(beside), "%.*s.%s", (int)(strrchr(path, '.') - path), path, extension);
	return read_whole(beside);
}

/* ---- the corpus ---- */

static void check_refusal(const char *path, const char *expected)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = scenario_load(path, NULL, &plan, &errors);

	if (err != -EINVAL || plan || !errors.text)
		fail_msg("%s: %d, expected -EINVAL", path, err);
	if (strcmp(errors.text, expected) != 0)
		fail_msg("%s\n--- got:\n%s--- expected:\n%s", path, errors.text, expected);
	free(errors.text);
}

static void every_bad_file_says_what_is_wrong(void **state)
{
	char directory[256];
	glob_t files;

	(void)state;
	list_files(CORPUS "bad/*.yaml", &files);
	assert_true(files.gl_pathc >= 50);
	assert_non_null(getcwd(directory, sizeof(directory)));
	assert_int_equal(chdir(CORPUS "bad"), 0); /* messages name the file as it was given */
	for (size_t i = 0; i < files.gl_pathc; i++) {
		const char *name = strrchr(files.gl_pathv[i], '/') + 1;
		char *expected = read_beside(name, "expected");

		check_refusal(name, expected);
		free(expected);
	}
	assert_int_equal(chdir(directory), 0);
	globfree(&files);
}

static void every_good_file_compiles(void **state)
{
	json_t *expected, *got;
	glob_t files;

	(void)state;
	list_files(CORPUS "good/*.yaml", &files);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = read_whole(files.gl_pathv[i]), *json = read_beside(files.gl_pathv[i], "json"),
		     *made;
		const char *name = strrchr(files.gl_pathv[i], '/') + 1;
		struct scenario_errors errors;
		struct plan *plan;

		if (scenario_parse(name, text, strlen(text), NULL, &plan, &errors))
			fail_msg("%s: %s", name, errors.text);
		assert_int_equal(plan_to_json(plan, &made), 0);
		got = json_loads(made, JSON_REJECT_DUPLICATES, NULL);
		expected = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(got);
		assert_non_null(expected);
		if (!json_equal(got, expected))
			fail_msg("%s: the plan is %s", name, made);
		json_decref(got);
		json_decref(expected);
		plan_free(plan);
		free(made);
		free(json);
		free(text);
	}
	globfree(&files);
}

/* ---- the document ---- */

/* Every example of docs/scenario.md is a scenario, if perhaps without its head. */
static void the_examples_are_scenarios(void **state)
{
	static const char opening[] = "```yaml\n", head[] = "version: 1\nname: example\n";
	char *document = read_whole("docs/scenario.md"), *at = document;
	char text[4096];
	size_t count = 0;

	(void)state;
	while ((at = strstr(at, opening))) {
		char *end = strstr(at += strlen(opening), "```");

		assert_non_null(end);
		snprintf(text, sizeof(text), "%s%.*s", strncmp(at, "version:", 8) ? head : "",
			 (int)(end - at), at);
		plan_free(parse(text, NULL));
		at = end;
		count++;
	}
	assert_true(count > 10);
	free(document);
}

/* Windows line ends and a byte-order mark change nothing but the text. */
static void line_ends_and_byte_order_mark(void **state)
{
	struct plan *plan = parse("\xef\xbb\xbf"
				  "version: 1\r\nname: t\r\n" TARGET STEP,
				  NULL);

	(void)state;
	assert_string_equal(plan->name, "t");
	assert_int_equal(plan->steps[0].line, 4);
	plan_free(plan);
}

static void a_hundred_mistakes_are_counted(void **state)
{
	char text[4096] = HEAD TARGET STEP, line[64];
	struct scenario_errors errors;
	struct plan *plan;
	unsigned lines = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "unknown%d: 1\n", i);
		strcat(text, line);
	}
	assert_int_equal(scenario_parse("t.yaml", text, strlen(text), NULL, &plan, &errors), -EINVAL);
	assert_int_equal(errors.count, 100);
	for (const char *s = errors.text; *s; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 51);
	assert_non_null(strstr(errors.text, "t.yaml:6:1: "));
	assert_non_null(strstr(errors.text, "t.yaml:55:1: "));
	assert_null(strstr(errors.text, "t.yaml:56:1: "));
	assert_non_null(strstr(errors.text, "\nt.yaml: and 50 more\n"));
	free(errors.text);
}

/* ---- what cannot be read ---- */

static int read_nothing_of(const char *path, struct scenario_errors *ret_errors)
{
	struct plan *plan;
	int err = scenario_load(path, NULL, &plan, ret_errors);

	assert_null(plan);
	return err;
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	check_unreadable_files(read_nothing_of, "a scenario");
}

/* A megabyte of one thing; each must be told apart at once, in CPU time, so that a busy machine does not matter. */
static void hostile_texts_cost_little(void **state)
{
	static const char *const units[] = {
		"[",     "{",     "- ",        "? ",      "a: ",    "{a: ",         "&a ",  "*a ",  "!t ",
		"\"",    "'",     "#",         " ",       "\n",     "\t",           "a",    "a\n",  "a: b\n",
		"- a\n", "a,",    "[a],",      "--- a\n", "%T x\n", "$(",           "$(a)", "|\n ", ">",
		"{a: [", "a:\n ", "\"\\u0041", "''''",    "]",      "k: {a: *b}\n",
	};
	char *text = malloc(SCENARIO_MAX_BYTES + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < COUNT(units); i++) {
		size_t step = strlen(units[i]), len = 0;
		struct scenario_errors errors;
		struct plan *plan;
		clock_t start = clock();

		for (; len + step <= SCENARIO_MAX_BYTES; len += step)
			memcpy(text + len, units[i], step);
		text[len] = '\0';
		assert_int_equal(scenario_parse("t.yaml", text, len, NULL, &plan, &errors), -EINVAL);
		if (clock() - start > 5 * CLOCKS_PER_SEC)
			fail_msg("a megabyte of \"%s\" took %.1f s", units[i],
				 (double)(clock() - start) / CLOCKS_PER_SEC);
		assert_true(strlen(errors.text) < 60 * 300);
		free(errors.text);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bad_file_says_what_is_wrong),
		cmocka_unit_test(every_good_file_compiles),
		cmocka_unit_test(the_examples_are_scenarios),
		cmocka_unit_test(line_ends_and_byte_order_mark),
		cmocka_unit_test(a_hundred_mistakes_are_counted),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(hostile_texts_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
