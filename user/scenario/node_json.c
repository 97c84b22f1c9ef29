/* SPDX-License-Identifier: BSD-2-Clause */
/* What a scenario says, as JSON. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "scenario/model.h"

static const char *skip_digits(const char *s)
{
	while (isdigit((unsigned char)*s))
		s++;
	return s;
}

/* As RFC 8259 has numbers (6): no sign but `-`, no leading zeros, digits on both sides of the point. */
static bool is_number(const char *s)
{
	const char *from;

	s += *s == '-';
	from = s;
	s = skip_digits(s);
	if (s == from || (*from == '0' && s > from + 1))
		return false;
	if (*s == '.') {
		from = s + 1;
		s = skip_digits(from);
		if (s == from)
			return false;
	}
	if (*s == 'e' || *s == 'E') {
		from = s + 1;
		from += *from == '+' || *from == '-';
		s = skip_digits(from);
		if (s == from)
			return false;
	}
	return !*s;
}

/* Does it fit what readers of JSON take: 64 bits, or a double? */
static bool fits(const char *s)
{
	if (s[strcspn(s, ".eE")])
		return isfinite(strtod(s, NULL));
	errno = 0;
	strtoll(s, NULL, 10);
	return !errno;
}

int text_number(const char *s, double *ret)
{
	if (!is_number(s))
		return -EINVAL;
	if (!fits(s))
		return -ERANGE;
	*ret = strtod(s, NULL);
	return 0;
}

int node_number(const struct node *n, double *ret)
{
	return n->kind == NODE_SCALAR && n->plain ? text_number(n->text, ret) : -EINVAL;
}

static void add_scalar(struct json *j, const char *key, const struct node *n)
{
	double number;

	if (node_is_empty(n))
		json_null(j, key);
	else if (n->plain && (!strcmp(n->text, "true") || !strcmp(n->text, "false")))
		json_bool(j, key, n->text[0] == 't');
	else if (!node_number(n, &number))
		json_raw(j, key, n->text);
	else
		json_string(j, key, n->text);
}

void add_node(struct json *j, const char *key, const struct node *n)
{
	if (n->kind == NODE_SCALAR) {
		add_scalar(j, key, n);
		return;
	}
	if (n->kind == NODE_MAP)
		json_object(j, key);
	else
		json_array(j, key);
	for (const struct node *child = n->first; child; child = child->next)
		add_node(j, child->key ? child->key->text : NULL, child);
	if (n->kind == NODE_MAP)
		json_end_object(j);
	else
		json_end_array(j);
}

void add_entry(struct json *j, const char *key, const struct node *map)
{
	json_object(j, key);
	for (const struct node *n = map->first; n; n = n->next) {
		if (strcmp(n->key->text, "headers") != 0 || n->kind != NODE_MAP) {
			add_node(j, n->key->text, n);
			continue;
		}
		json_array(j, "headers");
		for (const struct node *header = n->first; header; header = header->next)
			json_string(j, NULL, header->key->text);
		json_end_array(j);
	}
	json_end_object(j);
}

char *node_json(const struct node *n)
{
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	add_node(&j, NULL, n);
	return buf_take(&out);
}

char *entry_json(const struct node *map)
{
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	add_entry(&j, NULL, map);
	return buf_take(&out);
}
