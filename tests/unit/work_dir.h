/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory of the test's own, which is the current one, and text in files there. */
#ifndef TESTS_WORK_DIR_H
#define TESTS_WORK_DIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char work_dir[] = "/tmp/shearpin-work-XXXXXX";

/* Set-up and tear-down of a test, or of all of them. */
static inline int work_dir_enter(void **state)
{
	(void)state;
	memcpy(work_dir + strlen(work_dir) - 6, "XXXXXX", 6);
	return mkdtemp(work_dir) && !chdir(work_dir) ? 0 : -1;
}

/* Fails if anything is left in it. */
static inline int work_dir_leave(void **state)
{
	(void)state;
	return chdir("/") || rmdir(work_dir) ? -1 : 0;
}

static inline void write_text(const char *path, const char *mode, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The mode is fopen(3)'s. */
static inline void write_text(const char *path, const char *mode, const char *format, ...)
{
	FILE *f = fopen(path, mode);
	va_list args;

	assert_non_null(f);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	assert_int_equal(fclose(f), 0);
}

#endif
