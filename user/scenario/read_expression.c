/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: regular expressions, POSIX extended, whose cost is bounded. */
#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/values.h"

/*
 * glibc's regcomp() unrolls repetitions, one within the other: their counts, multiplied, bound its memory. Its
 * back-references, which POSIX does not have, need time without a bound.
 */
#define LONGEST_EXPRESSION 1024
#define MOST_REPEATS 1000

/* Behind the bracket expression that begins at s. */
static const char *behind_bracket(const char *s)
{
	s++;
	if (*s == '^')
		s++;
	if (*s == ']')
		s++;
	while (*s && *s != ']') {
		char kind = s[0] == '[' ? s[1] : 0;
		const char *end =
			kind && strchr(".:=", kind) ? strstr(s + 2, (const char[]){kind, ']', '\0'}) : NULL;

		s = end ? end + 2 : s + 1;
	}
	return *s ? s + 1 : s;
}

/* NULL, or what is wrong with an expression that regcomp() would take. */
static const char *beyond_limits(const char *s)
{
	unsigned long repeats = 1;

	if (strlen(s) > LONGEST_EXPRESSION)
		return "is longer than 1024 bytes";
	while (*s) {
		if (*s == '\\' && s[1]) {
			if (isdigit((unsigned char)s[1]))
				return "has a back-reference, which POSIX does not have";
			s += 2;
		} else if (*s == '[') {
			s = behind_bracket(s);
		} else if (*s++ == '{') {
			const char *end = s + strcspn(s, "}"), *comma = memchr(s, ',', end - s);
			unsigned long least = strtoul(s, NULL, 10),
				      most = comma ? strtoul(comma + 1, NULL, 10) : 0,
				      count = most > least ? most : least;

			if (count > MOST_REPEATS || (count > 1 && (repeats *= count) > MOST_REPEATS))
				return "has repetitions whose counts, multiplied, are more than 1000";
			s = end;
		}
	}
	return NULL;
}

/* True: into `compiled`, which regfree() frees; false after a mistake. */
static bool compile(struct reader *r, const struct node *n, regex_t *compiled)
{
	char text[QUOTED_SIZE], reason[128];
	const char *beyond;
	int err;

	if (!is_scalar(r, n, "a regular expression"))
		return false;
	quote_value(n->text, text);
	beyond = beyond_limits(n->text);
	if (beyond) {
		mistake(r->errors, n, "%s %s", text, beyond);
		return false;
	}
	err = regcomp(compiled, n->text, REG_EXTENDED);
	if (err) {
		regerror(err, compiled, reason, sizeof(reason));
		mistake(r->errors, n, "%s is no regular expression (POSIX extended): %s", text, reason);
	}
	return !err;
}

static bool matches(const regex_t *compiled, const char *text)
{
	return !regexec(compiled, text, 0, NULL, 0);
}

/* One that an empty line matches tells nothing; of a whole text, one that matches this as well. */
#define UNLIKELY "\x01"

static void read_telling(struct reader *r, const struct node *n, bool line, void *into)
{
	char text[QUOTED_SIZE];
	regex_t compiled;
	bool empty, any;

	if (!compile(r, n, &compiled))
		return;
	empty = matches(&compiled, "");
	any = empty && matches(&compiled, UNLIKELY);
	regfree(&compiled);
	quote_value(n->text, text);
	if (line && empty)
		mistake(r->errors, n, "%s matches an empty line, expected something that tells lines apart",
			text);
	else if (any)
		mistake(r->errors, n, "%s matches every text, expected something that tells texts apart",
			text);
	else
		*(struct text *)into = (struct text){n->text, n};
}

void read_line_expression(struct reader *r, const struct node *n, void *into)
{
	read_telling(r, n, true, into);
}

void read_expression(struct reader *r, const struct node *n, void *into)
{
	read_telling(r, n, false, into);
}

void read_number_expression(struct reader *r, const struct node *n, void *into)
{
	char text[QUOTED_SIZE];
	regex_t compiled;
	size_t groups;

	if (!compile(r, n, &compiled))
		return;
	groups = compiled.re_nsub;
	regfree(&compiled);
	if (!groups)
		mistake(r->errors, n, "%s has no group, expected one around the number: seq=([0-9]+)",
			quote_value(n->text, text));
	else
		*(struct text *)into = (struct text){n->text, n};
}
