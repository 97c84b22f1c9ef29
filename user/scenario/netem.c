/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/netem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/suggest.h"

static const char spaces[] = " \t\r\n";

struct netem {
	struct arena *arena;
	struct errors *errors;
	struct node *fault;
	const char **words;
	size_t count, at; /* the word that is read */
	const char *keyword;
	struct node *reorder, *gap, *seed;
};

static const char *origin(struct netem *x)
{
	char text[48];
	int len = snprintf(text, sizeof(text), "--netem, word %zu", x->at + 1);

	return arena_text(x->arena, text, len);
}

/* Always false. */
static bool fail(struct netem *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct netem *x, const char *format, ...)
{
	const char *place = origin(x);
	va_list args;

	if (!place)
		return false;
	va_start(args, format);
	errors_vadd(x->errors, 0, 0, place, format, args);
	va_end(args);
	return false;
}

static bool cannot(struct netem *x, const char *what, const char *why)
{
	return fail(x, "`%s` is not available: %s", what, why);
}

static const char *word(const struct netem *x)
{
	return x->words[x->at];
}

/* As tc decides whether an argument that may be left away is there. */
static bool number_follows(const struct netem *x)
{
	return x->at + 1 < x->count && isdigit((unsigned char)x->words[x->at + 1][0]);
}

static bool advance(struct netem *x, const char *expected)
{
	if (x->at + 1 == x->count)
		return fail(x, "`%s` needs %s behind it", x->keyword, expected);
	x->at++;
	return true;
}

/* A scalar with the place of the word that is read; NULL: no memory. */
static struct node *scalar(struct netem *x, const char *number, const char *unit)
{
	char *text = arena_alloc(x->arena, strlen(number) + strlen(unit) + 1);
	const char *place = origin(x);

	if (!text || !place)
		return NULL;
	stpcpy(stpcpy(text, number), unit);
	return node_scalar(x->arena, place, text);
}

static bool add(struct netem *x, struct node *map, const char *key, struct node *n)
{
	if (!n)
		return false;
	if (node_get(map, key))
		return fail(x, "`%s` is given twice", key);
	node_add(x->arena, map, key, n);
	return true;
}

/* The number that the word starts with, written as 12.5; *ret_unit is what follows. NULL: none (no mistake is told). */
static char *take_number(struct netem *x, const char **ret_unit)
{
	static const char digits[] = "0123456789";
	const char *s = word(x);
	size_t whole = strspn(s, digits), point = s[whole] == '.',
	       part = point ? strspn(s + whole + 1, digits) : 0;
	char *text = arena_alloc(x->arena, whole + part + 3);

	*ret_unit = s + whole + point + part;
	if (!text || !(whole + part))
		return NULL;
	sprintf(text, part ? "%.*s.%.*s" : "%.*s", whole ? (int)whole : 1, whole ? s : "0", (int)part,
		s + whole + point);
	return text;
}

static struct node *take_percent(struct netem *x)
{
	char quoted[QUOTED_SIZE];
	const char *unit;
	char *number = take_number(x, &unit);

	if (number && (!*unit || !strcmp(unit, "%")))
		return scalar(x, number, "%");
	fail(x, "%s is no percentage, expected such as 5%% or 5", quote_value(word(x), quoted));
	return NULL;
}

static struct node *take_time(struct netem *x)
{
	static const struct {
		const char *name, *unit;
	} units[] = {
		{"", "us"},     {"s", "s"},      {"sec", "s"},    {"secs", "s"},  {"ms", "ms"},
		{"msec", "ms"}, {"msecs", "ms"}, {"us", "us"},    {"usec", "us"}, {"usecs", "us"},
		{"ns", "ns"},   {"nsec", "ns"},  {"nsecs", "ns"},
	};
	char quoted[QUOTED_SIZE];
	const char *unit;
	char *number = take_number(x, &unit);

	for (size_t i = 0; number && i < sizeof(units) / sizeof(*units); i++)
		if (!strcasecmp(unit, units[i].name))
			return scalar(x, number, units[i].unit);
	fail(x, "%s is no time, expected a number with s, ms, us or ns (us without any)",
	     quote_value(word(x), quoted));
	return NULL;
}

/* KEY PERCENT [CORRELATION] */
static bool take_chance(struct netem *x, const char *key, const char *correlation)
{
	if (!advance(x, "a percentage") || !add(x, x->fault, key, take_percent(x)))
		return false;
	if (!number_follows(x))
		return true;
	x->at++;
	return add(x, x->fault, correlation, take_percent(x));
}

static bool take_delay(struct netem *x)
{
	if (!advance(x, "a time") || !add(x, x->fault, "delay", take_time(x)))
		return false;
	if (!number_follows(x))
		return true;
	x->at++;
	if (!add(x, x->fault, "jitter", take_time(x)))
		return false;
	if (!number_follows(x))
		return true;
	x->at++;
	return add(x, x->fault, "jitter_correlation", take_percent(x));
}

/* P [R [1-H [1-K]]]; without R it is 1 - P. */
static bool take_gemodel(struct netem *x)
{
	static const char *const keys[] = {"p", "r", "bad", "good"};
	struct node *loss = node_new(x->arena, NODE_MAP, origin(x)),
		    *model = node_new(x->arena, NODE_MAP, origin(x));
	char rest[40];
	double p;

	if (!loss || !model || !advance(x, "a percentage") || !add(x, model, keys[0], take_percent(x)))
		return false;
	p = strtod(model->first->text, NULL);
	snprintf(rest, sizeof(rest), "%.9g", p <= 100 ? 100 - p : 0);
	for (size_t i = 1; i < 4 && number_follows(x); i++) {
		x->at++;
		if (!add(x, model, keys[i], take_percent(x)))
			return false;
	}
	if (model->count == 1 && !add(x, model, keys[1], scalar(x, rest, "%")))
		return false;
	node_add(x->arena, loss, "gemodel", model);
	return add(x, x->fault, "loss", loss);
}

static bool take_loss(struct netem *x)
{
	char quoted[QUOTED_SIZE];

	if (number_follows(x))
		return take_chance(x, "loss", "loss_correlation");
	if (!advance(x, "a percentage, `random` or `gemodel`"))
		return false;
	if (!strcmp(word(x), "random"))
		return take_chance(x, "loss", "loss_correlation");
	if (!strcmp(word(x), "gemodel"))
		return take_gemodel(x);
	if (!strcmp(word(x), "state"))
		return cannot(x, "loss state",
			      "of the Markov models there is the one of two states, `loss gemodel`");
	return fail(x, "%s is no loss, expected a percentage, `random` or `gemodel`",
		    quote_value(word(x), quoted));
}

static bool take_seed(struct netem *x)
{
	if (x->seed)
		return fail(x, "`seed` is given twice");
	if (!advance(x, "a number"))
		return false;
	x->seed = scalar(x, word(x), "");
	return x->seed;
}

static bool take_corrupt(struct netem *x)
{
	return take_chance(x, "corrupt", "corrupt_correlation");
}

static bool take_duplicate(struct netem *x)
{
	return take_chance(x, "duplicate", "duplicate_correlation");
}

static bool take_distribution(struct netem *x)
{
	return advance(x, "its name") && add(x, x->fault, "distribution", scalar(x, word(x), ""));
}

static bool take_reorder(struct netem *x)
{
	if (x->reorder)
		return fail(x, "`reorder` is given twice");
	if (!advance(x, "a percentage"))
		return false;
	x->reorder = take_percent(x);
	if (!x->reorder || !number_follows(x))
		return x->reorder;
	x->at++;
	return add(x, x->fault, "reorder_correlation", take_percent(x));
}

static bool take_gap(struct netem *x)
{
	if (x->gap)
		return fail(x, "`gap` is given twice");
	if (!advance(x, "a number"))
		return false;
	x->gap = scalar(x, word(x), "");
	return x->gap;
}

static bool take_rate(struct netem *x)
{
	char quoted[QUOTED_SIZE];
	const char *unit, *next;
	char *number;

	if (!advance(x, "a rate"))
		return false;
	number = take_number(x, &unit);
	if (!number)
		return fail(x, "%s is no rate, expected such as 1mbit", quote_value(word(x), quoted));
	if (!strcmp(unit, "%"))
		return cannot(x, word(x), "the interface's speed is not known here, expected such as 1mbit");
	if (!add(x, x->fault, "rate", scalar(x, number, *unit ? unit : "bit")))
		return false;
	if (x->at + 1 == x->count)
		return true;
	next = x->words[x->at + 1];
	if (!isdigit((unsigned char)next[*next == '-' || *next == '+']))
		return true;
	x->at++;
	return cannot(x, word(x), "there are no overheads and cells, the Ethernet frame counts");
}

static bool take_limit(struct netem *x)
{
	return cannot(x, "limit",
		      "the line's capacity is computed from delay and rate; what it can't hold is counted "
		      "apart");
}

static bool take_ecn(struct netem *x)
{
	return cannot(x, "ecn", "packets are lost, not marked");
}

static bool take_slot(struct netem *x)
{
	return cannot(x, "slot", "packets are not gathered in slots");
}

/* In the order in which tc tries them: `d` is `delay`, `l` is `limit`. */
static const struct {
	const char *name;
	bool (*take)(struct netem *x);
} keywords[] = {
	{"limit", take_limit}, {"latency", take_delay},       {"delay", take_delay},
	{"loss", take_loss},   {"drop", take_loss},           {"seed", take_seed},
	{"ecn", take_ecn},     {"reorder", take_reorder},     {"corrupt", take_corrupt},
	{"gap", take_gap},     {"duplicate", take_duplicate}, {"distribution", take_distribution},
	{"rate", take_rate},   {"slot", take_slot},
};

static bool take_keyword(struct netem *x)
{
	struct suggest s = {.word = word(x)};
	char quoted[QUOTED_SIZE];

	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		if (!strncmp(keywords[i].name, word(x), strlen(word(x)))) {
			x->keyword = keywords[i].name;
			return keywords[i].take(x);
		}
		suggest_try(&s, keywords[i].name);
	}
	quote_value(word(x), quoted);
	if (s.best)
		return fail(x, "%s is no word of netem, did you mean `%s`?", quoted, s.best);
	return fail(x, "%s is no word of netem", quoted);
}

/* `gap` belongs to `reorder`, but may stand anywhere. */
static bool join_reorder(struct netem *x)
{
	struct node *map;

	if (!x->reorder && !x->gap)
		return true;
	if (!x->reorder) {
		mistake(x->errors, x->gap, "`gap` without `reorder`");
		return false;
	}
	if (!x->gap || !strcmp(x->gap->text, "0"))
		return add(x, x->fault, "reorder", x->reorder);
	map = node_new(x->arena, NODE_MAP, x->reorder->origin);
	node_add(x->arena, map, "percent", x->reorder);
	node_add(x->arena, map, "gap", x->gap);
	return add(x, x->fault, "reorder", map);
}

static bool split(struct netem *x, const char *text)
{
	x->words = arena_array(x->arena, strlen(text) / 2 + 1, sizeof(*x->words));
	if (!x->words)
		return false;
	for (text += strspn(text, spaces); *text; text += strspn(text, spaces)) {
		size_t len = strcspn(text, spaces);

		x->words[x->count] = arena_text(x->arena, text, len);
		if (!x->words[x->count++])
			return false;
		text += len;
	}
	return true;
}

bool netem_read(struct arena *a, struct errors *errors, const char *text, struct node *fault,
		struct node **ret_seed)
{
	struct netem x = {.arena = a, .errors = errors, .fault = fault};

	*ret_seed = NULL;
	if (!split(&x, text))
		return false;
	if (!x.count) {
		errors_add(errors, 0, 0, "--netem", "no words, expected such as 'delay 100ms 10ms loss 5%%'");
		return false;
	}
	for (; x.at < x.count; x.at++)
		if (!take_keyword(&x))
			return false;
	*ret_seed = x.seed;
	return join_reorder(&x);
}
