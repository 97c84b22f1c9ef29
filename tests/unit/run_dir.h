/* SPDX-License-Identifier: BSD-2-Clause */
/* A directory of the test's own, and whole files in it. Everything fails the test by itself. */
#ifndef TESTS_RUN_DIR_H
#define TESTS_RUN_DIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct run_dir {
	char path[64];
	int fd;
};

static inline int run_dir_setup(void **state)
{
	struct run_dir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return -1;
	strcpy(dir->path, "/tmp/shearpin-test-XXXXXX");
	if (!mkdtemp(dir->path))
		return -1;
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = dir;
	return dir->fd < 0 ? -1 : 0;
}

static inline int run_dir_teardown(void **state)
{
	struct run_dir *dir = *state;
	DIR *list = fdopendir(dir->fd);
	struct dirent *entry;

	while (list && (entry = readdir(list)))
		unlinkat(dir->fd, entry->d_name, 0);
	if (list)
		closedir(list);
	rmdir(dir->path);
	free(dir);
	return 0;
}

static inline void put_file(int dirfd, const char *name, const void *data, size_t len)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* The file's bytes and a NUL; free() it. */
static inline char *get_file(int dirfd, const char *name, size_t *ret_len)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0)
		fail_msg("%s: cannot be opened", name);
	assert_int_equal(fstat(fd, &st), 0);
	data = calloc(1, st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, st.st_size), st.st_size);
	close(fd);
	if (ret_len)
		*ret_len = st.st_size;
	return data;
}

#endif
