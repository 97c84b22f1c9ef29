/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several scenarios one after the other: those of a folder, the combinations of a matrix, or both. All are read and checked before
 * the first one runs.
 */
#ifndef SHEARPIN_SUITE_H
#define SHEARPIN_SUITE_H

#include "cmd/drill_command.h"

struct suite_options {
	struct words only;
	const char *gap;
	bool keep_going;
};

/* Of a scenario of a suite, what is known without its evidence. Strings are malloc'ed. */
struct suite_entry {
	char *file;                          /* as given, or DIR/NAME.yaml */
	char *name;                          /* the scenario's, with its combination of the matrix */
	char *directory;                     /* in the suite's: "03-disconnect" */
	char *outcome;                       /* "not-run", "running", "refused", or as in results.json */
	char *reason;                        /* NULL: none */
	int status;                          /* exit status; 0 until it has run */
	uint64_t started_ts_ns, ended_ts_ns; /* CLOCK_REALTIME; 0: not yet */
};

struct suite {
	char *name, *source; /* of the folder or the file */
	bool keep_going;
	struct suite_entry *entries;
	size_t n;
};

void suite_free(struct suite *suite); /* accepts NULL */

/* suite.json in a suite's directory. 0 or a negative errno; -EBADMSG: it is none of this version. */
int suite_write(int dirfd, const struct suite *suite);
int suite_read(int dirfd, struct suite **ret);

/*
 * `run` with a path: a file without a matrix is run as ever, anything else as a suite. Returns the exit status: of a suite the worst,
 * in the order 5, 4, 130, 3, 1, 0.
 */
int suite_run(const struct command_spec *command, const struct drill_args *args, const struct words *set,
	      const struct suite_options *options, const char *path, int argc, char **argv);

/*
 * The documents of a suite's directory from its suite.json and the evidence of its runs, and results.json on standard output if that
 * is asked for, otherwise a summary. `objective_ns` is the scorecard's. The exit status, as above.
 */
int suite_report(const struct command_spec *command, const char *directory, uint64_t objective_ns, bool json);
bool suite_is_directory(const char *path); /* has it a suite.json? */

#endif
