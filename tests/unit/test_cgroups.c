/* SPDX-License-Identifier: BSD-2-Clause */
/* The path of this process's own cgroup, by the id that the kernel has for it: the inode of its directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "kernel/cgroups.h"

/* The line of a file that begins with this; false: there is none. */
static bool find_line(const char *path, const char *prefix, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found = false;

	assert_non_null(file);
	while (!found && fgets(text, size, file))
		found = !strncmp(text, prefix, strlen(prefix));
	fclose(file);
	text[strcspn(text, "\n")] = 0;
	return found;
}

static bool find_mount(char text[4096])
{
	FILE *file = fopen("/proc/self/mounts", "re");
	char line[4096], type[64];
	bool found = false;

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %4095s %63s", text, type) == 2 && !strcmp(type, "cgroup2");
	fclose(file);
	return found;
}

static void test_own(void **state)
{
	char mount[4096], line[4096], path[2 * 4096];
	struct cgroups *cgroups;
	struct stat found;

	(void)state;
	if (!find_mount(mount) || !find_line("/proc/self/cgroup", "0::/", line, sizeof(line)))
		skip();
	snprintf(path, sizeof(path), "%s%s", mount, line + 3);
	if (stat(path, &found)) /* the mount shows another part of the tree */
		skip();
	assert_int_equal(cgroups_open(&cgroups), 0);
	for (int i = 0; i < 2; i++)
		assert_string_equal(cgroups_path(cgroups, found.st_ino, getpid()), line + 3);
	assert_int_equal(stat(mount, &found), 0);
	assert_string_equal(cgroups_path(cgroups, found.st_ino, 0), "/");
	cgroups_close(cgroups);
}

static void test_unknown(void **state)
{
	struct cgroups *cgroups;

	(void)state;
	assert_int_equal(cgroups_open(&cgroups), 0);
	assert_null(cgroups_path(cgroups, 0, getpid()));
	/* More than are kept, and none of them there. */
	for (uint64_t id = 1ULL << 60; id < (1ULL << 60) + 3000; id++)
		assert_null(cgroups_path(cgroups, id, id % 2 ? 0 : getpid()));
	cgroups_close(cgroups);
	cgroups_close(NULL);
}

static void test_find(void **state)
{
	static const char *const nowhere[] = {"/no-such-group", "/..", "/./a", "/a/../b"};
	static const char *const no_units[] = {"", "..", "a/b.service", "no-such-unit.service"};
	struct cgroups *cgroups;
	unsigned level = 7;
	uint64_t id = 7;
	char *path;
	int fd;

	(void)state;
	assert_int_equal(cgroups_open(&cgroups), 0);
	if (cgroups_root(cgroups)) {
		cgroups_close(cgroups);
		skip();
	}
	fd = cgroups_find(cgroups, "/", &id, &level);
	assert_true(fd >= 0);
	assert_int_equal(id, 1);
	assert_int_equal(level, 0);
	close(fd);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(cgroups_find(cgroups, nowhere[i], &id, &level), -ENOENT);
		assert_int_equal(cgroups_find_unit(cgroups, no_units[i], &path), -ENOENT);
	}
	cgroups_close(cgroups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_own), cmocka_unit_test(test_unknown),
					   cmocka_unit_test(test_find)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
