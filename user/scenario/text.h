/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts from outside, before the YAML reader, and anything that prints, sees them. */
#ifndef SHEARPIN_SCENARIO_TEXT_H
#define SHEARPIN_SCENARIO_TEXT_H

#include <stddef.h>

struct text_fault {
	unsigned line, col; /* from 1; a column is a character */
	const char *what;   /* static text, "a NUL byte" */
};

/*
 * UTF-8 (no surrogates, nothing overlong) without control characters other than tab, newline and carriage return.
 * 0, or -EILSEQ and the first fault.
 */
int check_text(const char *text, size_t len, struct text_fault *ret_fault);

/*
 * A file, up to most + 1 bytes: one byte more than allowed says that there is more. 0, or the negative errno of
 * open() or read(); free() the text.
 */
int text_read(const char *path, size_t most, char **ret_text, size_t *ret_len);

#endif
