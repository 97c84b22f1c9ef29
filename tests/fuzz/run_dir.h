/* SPDX-License-Identifier: BSD-2-Clause */
/* A run directory in memory, one for all inputs; it goes when the fuzzer ends. */
#ifndef SHEARPIN_FUZZ_RUN_DIR_H
#define SHEARPIN_FUZZ_RUN_DIR_H

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "fuzz/check.h"

static char run_dir_path[] = "/dev/shm/shearpin-fuzz-XXXXXX";
static int run_dir_fd = -1;

static void run_dir_remove(void)
{
	unlinkat(run_dir_fd, "plan.json", 0);
	unlinkat(run_dir_fd, "events.jsonl", 0);
	unlinkat(run_dir_fd, "results.json", 0);
	rmdir(run_dir_path);
}

/* Its descriptor. */
static inline int run_dir_open(void)
{
	if (run_dir_fd >= 0)
		return run_dir_fd;
	CHECK(mkdtemp(run_dir_path));
	run_dir_fd = open(run_dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(run_dir_fd >= 0 && !atexit(run_dir_remove));
	return run_dir_fd;
}

static inline void run_dir_put(const char *name, const void *data, size_t size)
{
	int fd = openat(run_dir_open(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && !close(fd));
}

#endif
