/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: objectives. */
#include <ctype.h>
#include <string.h>

#include "scenario/values.h"

#define MOST_DIGITS 6 /* before the point, and behind it */
#define MOST_FACTOR 100.0
#define MOST_OVER 100.0 /* times the baseline's */
#define SINGLE_SPREAD 0.1

/* A decimal number such as 1.8, at most 999999.999999; what follows it, or NULL. */
static const char *parse_decimal(const char *s, double *ret)
{
	double value = 0, scale = 1;
	int digits = 0, decimals = 0;

	for (; isdigit((unsigned char)*s) && digits < MOST_DIGITS; s++, digits++)
		value = value * 10 + (*s - '0');
	if (!digits)
		return NULL;
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s) && decimals < MOST_DIGITS; s++, decimals++) {
			value = value * 10 + (*s - '0');
			scale *= 10;
		}
		if (!decimals)
			return NULL;
	}
	*ret = value / scale;
	return s;
}

static const char *skip_spaces(const char *s)
{
	return s + strspn(s, " \t");
}

static void read_unrecovered(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_seed(r, n, &value);
	if (value.node && value.n > UINT32_MAX)
		mistake(r->errors, n, "%s is out of range, expected a number of windows", n->text);
	else
		*(struct value *)into = value;
}

/* "baseline +15%"; false: it is not of this form. */
static bool parse_over(const char *s, double *ret_over)
{
	static const char word[] = "baseline";

	if (strncmp(s, word, strlen(word)))
		return false;
	s = skip_spaces(s + strlen(word));
	if (*s != '+')
		return false;
	s = parse_decimal(skip_spaces(s + 1), ret_over);
	*ret_over /= 100;
	return s && !strcmp(skip_spaces(s), "%") && *ret_over <= MOST_OVER;
}

static void read_latency(struct reader *r, const struct node *n, struct model_slo *slo, enum plan_slo_key key)
{
	double over = 0;

	if (n->kind != NODE_SCALAR || n->bad || !isalpha((unsigned char)n->text[0])) {
		read_positive_duration(r, n, &slo->limits[key]);
	} else if (!parse_over(n->text, &over)) {
		wrong_value(r, n, "latency", "a duration such as 250ms, or such as baseline +15%");
	} else {
		slo->limits[key] = (struct value){UINT64_MAX, n};
		slo->relative = true;
		slo->over = over;
	}
}

void read_probe_p95(struct reader *r, const struct node *n, void *into)
{
	read_latency(r, n, into, SLO_PROBE_P95);
}

void read_probe_p99(struct reader *r, const struct node *n, void *into)
{
	read_latency(r, n, into, SLO_PROBE_P99);
}

void read_backoff(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"exponential", "linear", "constant", "none"};
	static const uint8_t kinds[] = {PLAN_BACKOFF_EXPONENTIAL, PLAN_BACKOFF_LINEAR, PLAN_BACKOFF_CONSTANT,
					PLAN_BACKOFF_NONE};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){kinds[i], n};
}

/* "1.8-2.2", or "2" for 10 % to either side. */
void read_factor(struct reader *r, const struct node *n, void *into)
{
	struct model_factor factor = {.node = n};
	const char *s;
	bool range;

	if (!is_scalar(r, n, "a factor such as 2, or a range such as 1.8-2.2"))
		return;
	s = parse_decimal(n->text, &factor.low);
	factor.high = factor.low;
	range = s && *s == '-';
	if (range)
		s = parse_decimal(s + 1, &factor.high);
	if (!s || *s) {
		wrong_value(r, n, "factor", "a number such as 2, or a range such as 1.8-2.2");
	} else if (factor.low <= 1 || factor.high > MOST_FACTOR) {
		mistake(r->errors, n, "%.40s is out of range, expected more than 1 and at most 100", n->text);
	} else if (factor.high < factor.low) {
		wrong_value(r, n, "range", "the lower factor first");
	} else {
		factor.low *= range ? 1 : 1 - SINGLE_SPREAD;
		factor.high *= range ? 1 : 1 + SINGLE_SPREAD;
		*(struct model_factor *)into = factor;
	}
}

void read_by(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"probe", "flow"};
	static const uint8_t values[] = {BY_PROBE, BY_FLOW};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){values[i], n};
}

#define LIMIT(key) offsetof(struct model_slo, limits[key])

static const struct field slo_fields[] = {
	{"recovery_p50", read_positive_duration, LIMIT(SLO_RECOVERY_P50), false},
	{"recovery_p95", read_positive_duration, LIMIT(SLO_RECOVERY_P95), false},
	{"recovery_p99", read_positive_duration, LIMIT(SLO_RECOVERY_P99), false},
	{"recovery_max", read_positive_duration, LIMIT(SLO_RECOVERY_MAX), false},
	{"detection_max", read_positive_duration, LIMIT(SLO_DETECTION_MAX), false},
	{"unrecovered", read_unrecovered, LIMIT(SLO_UNRECOVERED), false},
	{"attempts_per_s", read_count_or_none, LIMIT(SLO_ATTEMPTS_PER_S), false},
	{"backoff", read_backoff, LIMIT(SLO_BACKOFF), false},
	{"availability", read_share, LIMIT(SLO_AVAILABILITY), false},
	{"probe_p95", read_probe_p95, 0, false},
	{"probe_p99", read_probe_p99, 0, false},
	{"factor", read_factor, offsetof(struct model_slo, factor), false},
	{"cap", read_positive_duration, offsetof(struct model_slo, cap), false},
	{"step", read_reference, offsetof(struct model_slo, step), false},
	{"probe", read_name, offsetof(struct model_slo, probe), false},
	{"target", read_name, offsetof(struct model_slo, target), false},
	{"by", read_by, offsetof(struct model_slo, by), false},
};

/* The place of a key in the table above; the objectives are the first of them. */
static size_t place_of(const char *key)
{
	size_t i = 0;

	while (i < sizeof(slo_fields) / sizeof(*slo_fields) && strcmp(slo_fields[i].name, key))
		i++;
	return i;
}

/* One objective an entry; what narrows it down stands beside it. */
static void check_slo_keys(struct reader *r, const struct node *n)
{
	const struct node *first = NULL;
	size_t unknown = 0;

	for (const struct node *child = n->first; child; child = child->next) {
		size_t place = place_of(child->key->text);

		unknown += place == sizeof(slo_fields) / sizeof(*slo_fields);
		if (place >= SLO_KEYS)
			continue;
		if (first)
			mistake(r->errors, child->key, "`%s` beside `%s`, expected one objective an entry",
				child->key->text, first->key->text);
		first = child;
	}
	if (!first && !unknown)
		mistake(r->errors, n, "an entry without an objective, expected such as {recovery_p99: 10s}");
}

void read_slos(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of objectives, such as [{recovery_p99: 10s}]";
	struct model *m = into;
	const struct node *child = n->first;

	m->slos = read_items(r, n, NODE_LIST, MOST_SLOS, sizeof(*m->slos), expected, &m->n_slos);
	for (size_t i = 0; m->slos && i < m->n_slos; i++, child = child->next) {
		m->slos[i].node = child;
		if (read_map(r, child, "an objective", FIELDS(slo_fields), &m->slos[i]))
			check_slo_keys(r, child);
	}
}
