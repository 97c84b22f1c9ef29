/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what must be so before a run begins. */
#include <ctype.h>
#include <string.h>

#include "scenario/values.h"

#define MOST_NAMES 64
#define LONGEST_NAME 255

/* A name as POSIX has those of the environment (XBD 8.1). */
static bool is_variable(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return *s && !isdigit((unsigned char)*s) && !s[strspn(s, allowed)] && strlen(s) <= LONGEST_NAME;
}

static void read_variables(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_NAMES, "the name of an environment variable",
		   "letters, digits and `_`, no digit first", is_variable);
}

static bool is_command(const char *s)
{
	return *s && !strchr(s, '/') && strlen(s) <= LONGEST_NAME;
}

static void read_commands(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_NAMES, "the name of a program",
		   "one without `/`, which is looked for along PATH", is_command);
}

static void read_clock_state(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"synchronised"};
	static const uint8_t values[] = {1};

	read_choice(r, n, words, values, 1, into);
}

static void read_space(struct reader *r, const struct node *n, void *into)
{
	read_size_within(r, n, INT64_MAX, "1B to 8EiB", into);
}

static void read_level(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"fail", "warn"};
	static const uint8_t values[] = {0, 1};

	read_choice(r, n, words, values, 2, into);
}

#define AT(member) offsetof(struct model_check, member)

/* The first are the subjects, in the order of enum plan_check_kind. */
static const struct field check_fields[] = {
	{"reachable", read_address, AT(reachable), false},
	{"env", read_variables, AT(names), false},
	{"clock", read_clock_state, AT(clock), false},
	{"disk", read_space, AT(bytes), false},
	{"file", read_any_path, AT(file), false},
	{"command", read_commands, AT(names), false},
	{"probe", read_name, AT(probe), false},
	{"timeout", read_probe_time, AT(timeout), false},
	{"path", read_any_path, AT(path), false},
	{"hint", read_short_text, AT(hint), false},
	{"level", read_level, AT(level), false},
};

#define SUBJECTS (CHECK_PROBE + 1)

static int find_subject(struct reader *r, const struct node *n)
{
	int found = -1, others = 0;

	for (int i = 0; i < SUBJECTS; i++) {
		if (!given(n, check_fields[i].name))
			continue;
		if (found < 0) {
			found = i;
			continue;
		}
		others++;
		mistake(r->errors, node_get(n, check_fields[i].name)->key,
			"`%s` beside `%s`, expected one check an entry", check_fields[i].name,
			check_fields[found].name);
	}
	if (found < 0 && knows_keys(n, FIELDS(check_fields)))
		mistake(r->errors, n,
			"an entry without a check, expected such as {reachable: \"host:port\"}");
	return others ? -1 : found;
}

static void check_beside(struct reader *r, const struct node *n, const char *key, int kind, int needed)
{
	if (kind >= 0 && kind != needed && given(n, key))
		mistake(r->errors, node_get(n, key)->key, "`%s` goes with `%s`, not with `%s`", key,
			check_fields[needed].name, check_fields[kind].name);
}

void read_checks(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of checks, such as [{reachable: \"10.1.0.2:443\"}]";
	struct model *m = into;
	const struct node *child = n->first;

	m->checks = read_items(r, n, NODE_LIST, MOST_CHECKS, sizeof(*m->checks), expected, &m->n_checks);
	for (size_t i = 0; m->checks && i < m->n_checks; i++, child = child->next) {
		struct model_check *c = &m->checks[i];

		c->node = child;
		c->kind = -1;
		if (!read_map(r, child, "a check", FIELDS(check_fields), c))
			continue;
		c->kind = find_subject(r, child);
		check_beside(r, child, "timeout", c->kind, CHECK_REACHABLE);
		check_beside(r, child, "path", c->kind, CHECK_DISK);
	}
}
