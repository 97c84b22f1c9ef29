/* SPDX-License-Identifier: BSD-2-Clause */
/* A scenario's checks: what passes, what fails, and that a variable's value is never told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/checks.h"

#define VARIABLE "SHEARPIN_TEST_VARIABLE"
#define VALUE "7pence-in-the-jar"

/* The only finding of one check; findings_free() it. */
static const struct finding *make(const struct plan_check *check, const char *out, struct findings *found)
{
	struct plan_check one = *check;
	const struct plan plan = {.checks = &one, .n_checks = 1};

	*found = (struct findings){0};
	assert_int_equal(checks_make(&plan, out, false, -1, found), 0);
	assert_int_equal(found->n, 1);
	assert_int_equal(found->n_failed, found->items[0].result == FINDING_FAIL);
	return &found->items[0];
}

static void says(const struct plan_check *check, enum finding_result result, const char *detail,
		 const char *remedy)
{
	struct findings found;
	const struct finding *item = make(check, NULL, &found);

	assert_int_equal(item->result, result);
	assert_non_null(strstr(item->detail, detail));
	if (remedy)
		assert_non_null(strstr(item->remedy, remedy));
	else
		assert_null(item->remedy);
	findings_free(&found);
}

static void looks_at_variables(void **state)
{
	const struct plan_check check = {.kind = CHECK_ENV, .name = VARIABLE};
	struct findings found;
	const struct finding *item;

	(void)state;
	unsetenv(VARIABLE);
	says(&check, FINDING_FAIL, VARIABLE " is not set", "--preserve-env");
	assert_int_equal(setenv(VARIABLE, "", 1), 0);
	says(&check, FINDING_FAIL, VARIABLE " is empty", "--preserve-env");
	assert_int_equal(setenv(VARIABLE, VALUE, 1), 0);
	item = make(&check, NULL, &found);
	assert_int_equal(item->result, FINDING_PASS);
	assert_string_equal(item->detail, VARIABLE " is set");
	assert_null(item->remedy);
	findings_free(&found);
	unsetenv(VARIABLE);
}

static void warns_with_a_hint(void **state)
{
	const struct plan_check check = {.kind = CHECK_FILE,
					 .path = "/nowhere/file",
					 .hint = "the night shift makes it",
					 .warn = true};

	(void)state;
	says(&check, FINDING_WARN, "/nowhere/file: No such file or directory", "the night shift makes it");
}

static void looks_for_commands_along_the_path(void **state)
{
	char before[4096], none[] = "shearpin-no-such-program", lengthy[2 * PATH_MAX];
	struct plan_check check = {.kind = CHECK_COMMAND, .name = "sh"};

	(void)state;
	snprintf(before, sizeof(before), "%s", getenv("PATH") ?: "");
	assert_int_equal(setenv("PATH", "/nowhere::/bin", 1), 0);
	says(&check, FINDING_PASS, "sh is /bin/sh", NULL);
	/* Behind folders whose names, with the program's, are as long as a path may be, and longer. */
	snprintf(lengthy, sizeof(lengthy), "%0*d:/bin", PATH_MAX - 4, 0);
	assert_int_equal(setenv("PATH", lengthy, 1), 0);
	says(&check, FINDING_PASS, "sh is /bin/sh", NULL);
	snprintf(lengthy, sizeof(lengthy), "%0*d:/bin", PATH_MAX + 1, 0);
	assert_int_equal(setenv("PATH", lengthy, 1), 0);
	says(&check, FINDING_PASS, "sh is /bin/sh", NULL);
	check.name = none;
	says(&check, FINDING_FAIL, "is not along PATH", "install it");
	assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
	check.name = "sh";
	says(&check, FINDING_FAIL, "sh is not along PATH", "install it");
	assert_int_equal(setenv("PATH", before, 1), 0);
}

/* Where the folder is yet to be made, the nearest one that is there counts. */
static void looks_for_room(void **state)
{
	struct plan_check check = {.kind = CHECK_DISK, .path = "/nowhere/at/all", .bytes = 1};
	struct findings found;

	(void)state;
	says(&check, FINDING_PASS, " MB are free in /", NULL);
	check.bytes = UINT64_MAX;
	says(&check, FINDING_FAIL, " are asked for", "make room");
	check.path = NULL;
	check.bytes = 1;
	says(&check, FINDING_PASS, " MB are free in .", NULL);
	assert_non_null(strstr(make(&check, "/nowhere/run", &found)->detail, " free in /"));
	findings_free(&found);
}

/* All of them are made, whatever the first ones say. */
static void makes_them_all(void **state)
{
	struct plan_check checks[] = {{.kind = CHECK_FILE, .path = "/nowhere/a"},
				      {.kind = CHECK_FILE, .path = "/"},
				      {.kind = CHECK_FILE, .path = "/nowhere/b", .warn = true},
				      {.kind = CHECK_FILE, .path = "/nowhere/c"}};
	const struct plan plan = {.checks = checks, .n_checks = 4};
	struct findings found = {0};

	(void)state;
	assert_int_equal(checks_make(&plan, NULL, false, -1, &found), 0);
	assert_int_equal(found.n, 4);
	assert_int_equal(found.n_failed, 2);
	assert_int_equal(found.items[1].result, FINDING_PASS);
	assert_int_equal(found.items[2].result, FINDING_WARN);
	findings_free(&found);
}

static struct plan_probe file_probe(char *path)
{
	return (struct plan_probe){.name = "file",
				   .kind = PROBE_FILE,
				   .path = path,
				   .target = -1,
				   .every_ns = NS_PER_S,
				   .timeout_ns = NS_PER_S,
				   .rising = 1,
				   .falling = 1};
}

static void asks_probes(void **state)
{
	struct plan_probe probes[] = {file_probe("/"), file_probe("/nowhere/file"), {.name = "program"}};
	struct plan_check check = {.kind = CHECK_PROBE};
	struct plan plan = {.probes = probes, .n_probes = 3, .checks = &check, .n_checks = 1};
	struct findings found = {0};

	(void)state;
	probes[2].kind = PROBE_EXEC;
	for (; check.index < 3; check.index++)
		assert_int_equal(checks_make(&plan, NULL, false, -1, &found), 0);
	assert_int_equal(found.n, 3);
	assert_string_equal(found.items[0].detail, "file is healthy");
	assert_int_equal(found.items[1].result, FINDING_FAIL);
	assert_non_null(strstr(found.items[1].detail, "file is not healthy: "));
	assert_string_equal(found.items[2].detail, "program starts a program");
	findings_free(&found);
}

/* A log that nobody writes has no sample for a long time. */
static void are_cancelled(void **state)
{
	struct plan_probe probe = file_probe("/nowhere/log");
	struct plan_check check = {.kind = CHECK_PROBE};
	struct plan plan = {.probes = &probe, .n_probes = 1, .checks = &check, .n_checks = 1};
	struct findings found = {0};
	int ends[2];

	(void)state;
	probe.kind = PROBE_LOG;
	probe.healthy = "up";
	probe.timeout_ns = 300 * NS_PER_S;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(checks_make(&plan, NULL, false, ends[0], &found), -ECANCELED);
	assert_int_equal(found.n, 0);
	findings_free(&found);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_at_variables),
		cmocka_unit_test(warns_with_a_hint),
		cmocka_unit_test(looks_for_commands_along_the_path),
		cmocka_unit_test(looks_for_room),
		cmocka_unit_test(makes_them_all),
		cmocka_unit_test(asks_probes),
		cmocka_unit_test(are_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
