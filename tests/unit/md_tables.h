/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of a report in Markdown. */
#ifndef TESTS_MD_TABLES_H
#define TESTS_MD_TABLES_H

#include "unit/run_dir.h"

/* Every table row has as many cells as its head. Returns how many rows there are; the text is no string any more. */
static inline int check_tables(char *text)
{
	char *line = text, *end;
	int cells, width = 0, rows = 0;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (*line != '|') {
			width = 0;
			continue;
		}
		assert_int_equal(end[-1], '|');
		for (cells = 0; *line; line++)
			cells += *line == '|' && line[-1] != '\\';
		if (width)
			assert_int_equal(cells, width);
		width = cells;
		rows++;
	}
	return rows;
}

#endif
