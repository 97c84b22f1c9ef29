/* SPDX-License-Identifier: BSD-2-Clause */
/* What was found out before a run, item by item. */
#ifndef SHEARPIN_FINDINGS_H
#define SHEARPIN_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

enum finding_result {
	FINDING_PASS,
	FINDING_WARN,
	FINDING_FAIL, /* the run is refused */
};

struct finding {
	enum finding_result result;
	char *name, *detail;
	char *remedy; /* NULL: none */
};

struct findings {
	struct finding *items;
	size_t n;
	size_t n_failed;
	bool no_memory; /* an item is missing */
};

/* The remedy may be NULL. Lack of memory is kept in `no_memory`. */
void findings_add(struct findings *f, enum finding_result result, const char *name, const char *remedy,
		  const char *format, ...) __attribute__((format(printf, 5, 6)));
void findings_free(struct findings *f);

const char *finding_word(enum finding_result result); /* "pass", "warn", "fail" */

#endif
