/* SPDX-License-Identifier: BSD-2-Clause */
/* Is this text? Before the YAML reader, and anything that prints, sees it. */
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

#endif
