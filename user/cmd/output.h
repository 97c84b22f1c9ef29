/* SPDX-License-Identifier: BSD-2-Clause */
/* Documents into files, and words of a log or a scenario onto a terminal. */
#ifndef SHEARPIN_OUTPUT_H
#define SHEARPIN_OUTPUT_H

#include <stdio.h>

#include "base/buf.h"
#include "report/documents.h"

struct results;

/* A file as a whole, replaced if it is there. 0 or a negative errno: then what it holds is not defined. */
int output_file(int dirfd, const char *name, const struct buf *text);

/* The same of a long text, which is written as it is made: `make` only adds to it. */
int output_made(int dirfd, const char *name, void (*make)(const struct results *results, struct buf *out),
		const struct results *results);

/*
 * The documents into a directory, which is made if it isn't there, and so is its folder `folder` (NULL: none), which
 * must be empty: -ENOTEMPTY. After a failure none of the documents is there.
 */
int output_documents(const char *directory, const char *folder, const struct documents *documents);

/* A line with words that come from a log: whoever changed it may have put a terminal's control characters there. */
void output_plain(FILE *out, const char *text);

/* `len` bytes of a text, where what a terminal would not show is told: \n, \033. No byte of it acts on the terminal. */
void output_text(FILE *out, const char *text, size_t len);

/*
 * A word as a POSIX shell reads it: in quotation marks where it needs them, and where output_text() would tell of something in
 * $'...' (POSIX.1-2024, 2.2.4; dash lacks it).
 */
void output_word(FILE *out, const char *word);

#endif
