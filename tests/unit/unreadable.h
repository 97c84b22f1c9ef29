/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that can't be read, and what the readers of the scenario layer say of them. */
#ifndef TESTS_UNREADABLE_H
#define TESTS_UNREADABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scenario/scenario.h"

/* Returns the reader's error; nothing is read. */
typedef int read_nothing(const char *path, struct scenario_errors *ret_errors);

static inline void check_unreadable(read_nothing *reader, const char *path, int expected, const char *text)
{
	struct scenario_errors errors;

	assert_int_equal(reader(path, &errors), expected);
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.text, text);
	free(errors.text);
}

/* "a scenario" */
static inline void check_unreadable_files(read_nothing *reader, const char *what)
{
	char path[] = "/tmp/shearpin-unreadable-XXXXXX", expected[128];
	int fd = mkstemp(path);

	check_unreadable(reader, "/nonexistent/x.yaml", -ENOENT,
			 "/nonexistent/x.yaml: cannot be read: No such file or directory\n");
	check_unreadable(reader, "/", -EISDIR, "/: cannot be read: Is a directory\n");
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 10 * SCENARIO_MAX_BYTES), 0);
	snprintf(expected, sizeof(expected), "%s: larger than 1048576 bytes, expected %s\n", path, what);
	check_unreadable(reader, path, -EFBIG, expected);
	close(fd);
	unlink(path);
}

#endif
