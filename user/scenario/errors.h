/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mistakes of one file, collected in any order and told in file order. Of a file that is wrong throughout, the
 * first ERRORS_KEPT are kept, ERRORS_SHOWN are told, all are counted.
 */
#ifndef SHEARPIN_SCENARIO_ERRORS_H
#define SHEARPIN_SCENARIO_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "scenario/scenario.h"

#define ERRORS_KEPT 1000
#define ERRORS_SHOWN 50

struct error {
	unsigned line, col; /* from 1; 0: the mistake has no place in the file */
	size_t order;
	const char *origin; /* of a mistake outside the file: "--for"; NULL: the file itself */
	char *text;
};

struct errors {
	const char *file;
	const char *noun; /* what the file holds: "policy"; NULL: "scenario" */
	struct error *items;
	size_t kept, count;
	bool failed; /* out of memory */
};

void errors_add(struct errors *e, unsigned line, unsigned col, const char *origin, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void errors_vadd(struct errors *e, unsigned line, unsigned col, const char *origin, const char *format,
		 va_list args);

/* Nothing more is kept: a costly message need not be made. */
static inline bool errors_full(const struct errors *e)
{
	return e->kept >= ERRORS_KEPT;
}

/* Moves everything into *ret; 0 or -ENOMEM. */
int errors_take(struct errors *e, struct scenario_errors *ret);
void errors_free(struct errors *e);

/*
 * A value as a message shows it: as it is when it is a plain word, else in quotation marks, with what is not
 * printable escaped and what is too long cut off.
 */
#define QUOTED_SIZE 80
const char *quote_value(const char *value, char *text);

#endif
