/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: how health is seen. */
#include <ctype.h>
#include <limits.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "scenario/values.h"

#define LEAST_PROBE_NS (10 * NS_PER_MS)
/*
 * glibc's regcomp() unrolls repetitions, one within the other: their counts, multiplied, bound its memory. Its
 * back-references, which POSIX does not have, need time without a bound.
 */
#define LONGEST_EXPRESSION 1024
#define MOST_REPEATS 1000

/* ---- tcp ---- */

/* "host:port" or "[v6]:port": the host is copied, the port read. */
static bool split_address(struct reader *r, const char *s, struct model_address *into)
{
	const char *colon = strrchr(s, ':');
	struct port_range port;
	size_t len;

	if (!colon || parse_ports(colon + 1, &port) || port.first != port.last)
		return false;
	len = colon - s;
	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	} else if (memchr(s, ':', len) || memchr(s, '[', len)) {
		return false;
	}
	into->host = arena_text(r->arena, s, len);
	into->port = port.first;
	return len && len < 254;
}

static void read_address(struct reader *r, const struct node *n, void *into)
{
	struct model_address address = {.node = n};

	if (!is_scalar(r, n, "\"host:port\""))
		return;
	if (split_address(r, n->text, &address))
		*(struct model_address *)into = address;
	else
		wrong_value(r, n, "address to probe", "\"host:port\" or \"[v6 address]:port\"");
}

/* ---- log ---- */

static void read_path(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "the path of a file"))
		return;
	if (!*n->text || strlen(n->text) >= PATH_MAX || n->text[strlen(n->text) - 1] == '/')
		wrong_value(r, n, "path of a file", "such as logs/probe.log");
	else
		*(struct text *)into = (struct text){n->text, n};
}

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

static void read_expression(struct reader *r, const struct node *n, void *into)
{
	char text[QUOTED_SIZE], reason[128];
	const char *beyond;
	regex_t compiled;
	bool empty;
	int err;

	if (!is_scalar(r, n, "a regular expression"))
		return;
	quote_value(n->text, text);
	beyond = beyond_limits(n->text);
	if (beyond) {
		mistake(r->errors, n, "%s %s", text, beyond);
		return;
	}
	err = regcomp(&compiled, n->text, REG_EXTENDED | REG_NOSUB);
	if (err) {
		regerror(err, &compiled, reason, sizeof(reason));
		mistake(r->errors, n, "%s is no regular expression (POSIX extended): %s", text, reason);
		return;
	}
	empty = !regexec(&compiled, "", 0, NULL, 0);
	regfree(&compiled);
	if (empty)
		mistake(r->errors, n, "%s matches an empty line, expected something that tells lines apart",
			text);
	else
		*(struct text *)into = (struct text){n->text, n};
}

/* ---- probes ---- */

static void read_probe_time(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_duration(r, n, &value);
	if (value.node && value.n < LEAST_PROBE_NS)
		mistake(r->errors, n, "%s is too short for a probe, expected 10ms or more", n->text);
	else
		*(struct value *)into = value;
}

static const struct field probe_fields[] = {
	{"tcp", read_address, offsetof(struct model_probe, tcp), false},
	{"log", read_path, offsetof(struct model_probe, log), false},
	{"healthy", read_expression, offsetof(struct model_probe, healthy), false},
	{"unhealthy", read_expression, offsetof(struct model_probe, unhealthy), false},
	{"every", read_probe_time, offsetof(struct model_probe, every), false},
	{"timeout", read_probe_time, offsetof(struct model_probe, timeout), false},
	{"http", NULL, 0, false},
	{"expect_status", NULL, 0, false},
	{"expect_body", NULL, 0, false},
	{"expect_output", NULL, 0, false},
	{"json", NULL, 0, false},
	{"where", NULL, 0, false},
	{"equals", NULL, 0, false},
	{"exec", NULL, 0, false},
};

/* The kinds of probes, and which key goes with which. */
static const char *const kinds[] = {"tcp", "log"};
static const struct {
	const char *key, *kind;
	bool needed;
} belongs[] = {
	{"timeout", "tcp", false},
	{"healthy", "log", true},
	{"unhealthy", "log", true},
};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static bool has_later_key(const struct node *n)
{
	for (size_t i = 0; i < COUNT(probe_fields); i++)
		if (!probe_fields[i].read && given(n, probe_fields[i].name))
			return true;
	return false;
}

static void check_kind(struct reader *r, const struct node *n)
{
	const char *kind = NULL;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (!given(n, kinds[i]))
			continue;
		if (kind)
			mistake(r->errors, node_get(n, kinds[i])->key,
				"`%s` beside `%s`, expected the one or the other", kinds[i], kind);
		else
			kind = kinds[i];
	}
	if (!kind && !has_later_key(n))
		mistake(r->errors, n, "a probe needs `tcp` or `log`");
	for (size_t i = 0; kind && i < COUNT(belongs); i++) {
		const struct node *value = node_get(n, belongs[i].key);
		bool mine = !strcmp(belongs[i].kind, kind) || given(n, belongs[i].kind);

		if (value && !mine)
			mistake(r->errors, value->key, "`%s` goes with `%s`, not with `%s`", belongs[i].key,
				belongs[i].kind, kind);
		else if (!value && mine && belongs[i].needed)
			mistake(r->errors, n, "a probe with `%s` needs `%s`", kind, belongs[i].key);
	}
}

void read_probes(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a mapping of names to probes";
	struct model *m = into;
	const struct node *child = n->first;

	m->probes = read_items(r, n, NODE_MAP, MOST_PROBES, sizeof(*m->probes), expected, &m->n_probes);
	for (size_t i = 0; m->probes && i < m->n_probes; i++, child = child->next) {
		m->probes[i].name = (struct text){child->key->text, child->key};
		m->probes[i].node = child;
		read_name(r, child->key, &m->probes[i].name);
		if (read_map(r, child, "a probe", FIELDS(probe_fields), &m->probes[i]))
			check_kind(r, child);
	}
}
