/* SPDX-License-Identifier: BSD-2-Clause */
/* Colours for people: on a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb. */
#ifndef SHEARPIN_COLOUR_H
#define SHEARPIN_COLOUR_H

#include <stdbool.h>
#include <stdio.h>

enum colour {
	COLOUR_PLAIN,
	COLOUR_BOLD,
	COLOUR_DIM,
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_YELLOW,
};

bool colour_wanted(FILE *out);

/* The escape sequence, or "" if colours are not wanted. */
const char *colour_code(bool wanted, enum colour colour);

#endif
