/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what a value is compared with. */
#include <errno.h>
#include <string.h>

#include "scenario/values.h"

static const struct {
	const char *key;
	enum plan_compare_op op;
} operators[] = {
	{"equals", COMPARE_EQUALS},   {"differs", COMPARE_DIFFERS},   {"above", COMPARE_ABOVE},
	{"below", COMPARE_BELOW},     {"at_least", COMPARE_AT_LEAST}, {"at_most", COMPARE_AT_MOST},
	{"matches", COMPARE_MATCHES}, {"contains", COMPARE_CONTAINS},
};

static void read_number(struct reader *r, const struct node *n, double *ret)
{
	static const char expected[] = "a number such as 0.02";
	char text[QUOTED_SIZE];
	int err;

	if (!is_scalar(r, n, expected))
		return;
	err = text_number(n->text, ret);
	if (err == -ERANGE)
		mistake(r->errors, n, "%s is out of range, expected %s", quote_value(n->text, text),
			expected);
	else if (err)
		wrong_value(r, n, "number", expected);
}

/* A number that readers of JSON would refuse is none; nor would anybody take it for a text. */
static void check_value(struct reader *r, const struct node *n)
{
	char text[QUOTED_SIZE];
	double number;

	if (!n->bad && node_number(n, &number) == -ERANGE)
		mistake(r->errors, n, "%s is out of range, expected 64 bits, or quotation marks for a text",
			quote_value(n->text, text));
	for (const struct node *child = n->first; child; child = child->next)
		check_value(r, child);
}

static void read_value(struct reader *r, struct model_compare *c)
{
	struct text text = {0};

	switch (c->op) {
	case COMPARE_MATCHES:
		read_expression(r, c->node, &text);
		c->text = text.s;
		break;
	case COMPARE_EQUALS:
	case COMPARE_DIFFERS:
	case COMPARE_CONTAINS:
		if (c->numbers)
			read_number(r, c->node, &c->number);
		else
			check_value(r, c->node);
		break;
	default:
		read_number(r, c->node, &c->number);
		break;
	}
}

static bool is_of_numbers(enum plan_compare_op op)
{
	return op == COMPARE_EQUALS || (op >= COMPARE_ABOVE && op <= COMPARE_AT_MOST);
}

void read_compare(struct reader *r, const struct node *map, bool numbers, struct model_compare *c)
{
	c->numbers = numbers;
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		const struct node *n = node_get(map, operators[i].key);

		if (!n || (numbers && !is_of_numbers(operators[i].op)))
			continue;
		if (c->node) {
			mistake(r->errors, n->key, "`%s` beside `%s`, expected one comparison",
				operators[i].key, c->node->key->text);
			continue;
		}
		c->node = n;
		c->op = operators[i].op;
		read_value(r, c);
	}
}

void read_numbers(struct reader *r, const struct node *map, struct model_compare *c)
{
	read_compare(r, map, true, c);
	if (!c->node)
		mistake(r->errors, map,
			"no comparison, expected `above`, `below`, `at_least`, `at_most` or "
			"`equals` with a number");
}
