/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool colour_wanted(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && term && strcmp(term, "dumb") && !(no_color && *no_color);
}

const char *colour_code(bool wanted, enum colour colour)
{
	static const char *const codes[] = {
		[COLOUR_PLAIN] = "\033[0m", [COLOUR_BOLD] = "\033[1m",   [COLOUR_DIM] = "\033[2m",
		[COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
	};

	return wanted ? codes[colour] : "";
}
