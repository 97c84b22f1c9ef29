/* SPDX-License-Identifier: BSD-2-Clause */
/* What a document says. */
#ifndef TESTS_TEXTS_H
#define TESTS_TEXTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static inline void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("`%s` is not in:\n%s", what, text);
}

static inline void assert_lacks(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	if (at)
		fail_msg("`%s` is there: %.60s", what, at);
}

/* How often it stands there. */
static inline size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

#endif
