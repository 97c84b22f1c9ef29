/* SPDX-License-Identifier: BSD-2-Clause */
/* The scenarios that a path stands for, read and compiled. */
#ifndef SHEARPIN_SUITE_FILES_H
#define SHEARPIN_SUITE_FILES_H

#include "cmd/suite.h"

struct suite_file {
	char *path, *text;
	size_t len;
};

/* A combination of a file's matrix, or the file itself. */
struct suite_plan {
	const struct suite_file *file;
	struct plan *plan;
	bool varied; /* the file has a matrix */
};

struct suite_files {
	struct suite_file *files;
	size_t n_files;
	struct suite_plan *plans; /* in the order of the files' names, a matrix' last key fastest */
	size_t n_plans;
	bool folder;
};

/*
 * STATUS_OK; otherwise all that is wrong has been said: STATUS_USAGE for mistakes in any of the files, and if there is none that
 * `only` leaves; STATUS_HOST_FAILED. To be closed in any case.
 */
int suite_files_open(const struct command_spec *command, const char *path,
		     const struct scenario_options *options, const struct words *only,
		     struct suite_files *ret);
void suite_files_close(struct suite_files *files);

#endif
