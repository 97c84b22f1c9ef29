/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is the log of a run whole and unaltered, do its counts balance, and does the seed give what it says? From plan.json,
 * events.jsonl and results.json alone; docs/verify.md says what each check is.
 */
#ifndef SHEARPIN_VERIFY_H
#define SHEARPIN_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verify_result {
	VERIFY_PASS,
	VERIFY_WARN, /* nothing is wrong, but something can't be told */
	VERIFY_FAIL,
};

struct verify_check {
	const char *name; /* static */
	enum verify_result result;
	char *detail;
	uint64_t line, seq,
		offset; /* the first place in events.jsonl that is wrong; line 0: none. Lines count from 1 */
};

#define VERIFY_MOST_CHECKS 20

struct verification {
	struct verify_check checks[VERIFY_MOST_CHECKS];
	size_t n_checks;
	uint64_t lines, bytes; /* of events.jsonl */
	char head[65];         /* SHA-256 of its last whole line: it vouches for all of them */
	bool failed;           /* a check did */
	bool no_memory;
};

/*
 * Check the run in the directory; events.jsonl is read once, in memory that doesn't grow with it. A damaged log is no error.
 *
 * 0 and *ret_v (for verification_free()); -ENOENT: the directory has no plan.json or no events.jsonl; -EBADMSG: plan.json is
 * no plan; -EPROTONOSUPPORT: the run is of a later version, which ret_reason names; another negative errno.
 */
int verify_run(int dirfd, struct verification **ret_v, char *ret_reason, size_t size);
void verification_free(struct verification *v); /* accepts NULL */

const char *verify_result_name(enum verify_result result); /* "pass", ... */

#endif
