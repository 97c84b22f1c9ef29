/* SPDX-License-Identifier: BSD-2-Clause */
/* POSIX extended regular expressions on text of several lines: `^` and `$` also stand for the ends of a line, as in grep(1). */
#ifndef SHEARPIN_EXPRESSION_H
#define SHEARPIN_EXPRESSION_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct expression {
	regex_t compiled;
	bool set;
};

/* NULL: none, which matches anything. 0, -EINVAL or -ENOMEM. */
int expression_open(struct expression *e, const char *text);
void expression_close(struct expression *e); /* may be called again, and of zeroes */
/* Somewhere in these bytes. */
bool expression_matches(const struct expression *e, const char *text, size_t len);

#endif
