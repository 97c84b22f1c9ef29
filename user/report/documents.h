/* SPDX-License-Identifier: BSD-2-Clause */
/* A report that is more than one file. */
#ifndef SHEARPIN_DOCUMENTS_H
#define SHEARPIN_DOCUMENTS_H

#include "base/buf.h"

struct document {
	char *name; /* relative to where the report goes: "runs/1.json" */
	struct buf text;
};

struct documents {
	struct document *items;
	size_t n;
	bool failed; /* out of memory; also if a text has failed, see documents_ok() */
};

/* The text of a new document, empty; NULL after a failure. */
struct buf *documents_add(struct documents *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool documents_ok(const struct documents *d);
void documents_free(struct documents *d);

#endif
