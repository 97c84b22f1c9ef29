/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/course.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"

#define DIGITS 6
#define WHOLE_DIGITS 15 /* of a number without a fraction */

uint64_t expects_met(const struct results *r)
{
	uint64_t met = 0;

	for (size_t i = 0; i < r->n_expects; i++)
		met += r->expects[i].pass;
	return met;
}

uint64_t slos_met(const struct results *r)
{
	uint64_t met = 0;

	for (size_t i = 0; i < r->n_slos; i++)
		met += r->slos[i].pass;
	return met;
}

/* Is one of the numbers in the text this one? */
static bool says_number(const char *text, double value)
{
	char *end;

	for (const char *s = text; *s; s = end) {
		end = (char *)s + 1;
		if (isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]))) {
			if (strtod(s, &end) == value)
				return true;
		}
	}
	return false;
}

/* A value, where the words before it don't say it already. */
static void put_value(const char *before, const char *words, const char *json, struct buf *out)
{
	char *end;
	double value = strtod(json, &end);

	if (*end)
		buf_printf(out, "%s%s", before, json);
	else if (!words || !says_number(words, value))
		buf_printf(out, "%s%.*g", before, value == floor(value) ? WHOLE_DIGITS : DIGITS, value);
}

void expect_seen(const struct result_expect *e, struct buf *out)
{
	char after[32];

	if (e->seen)
		buf_puts(out, e->seen);
	else
		buf_puts(out, e->samples ? "-" : "no sample");
	if (e->pass && e->opens_ns != NO_NS && e->decided_ns > e->opens_ns) {
		format_duration(e->decided_ns - e->opens_ns, after, sizeof(after));
		buf_printf(out, ", after %s", after);
	}
	if (e->value)
		put_value(", value ", e->seen, e->value, out);
}

void expect_failure(const struct result_expect *e, struct buf *out)
{
	buf_printf(out, "%s #%u: ", e->step, e->instance);
	expect_seen(e, out);
	if (e->words)
		buf_printf(out, " (%s)", e->words);
}

bool slo_has_value(const struct result_slo *slo)
{
	return slo->value_words && strcmp(slo->value_words, "-") != 0;
}

void slo_value(const struct result_slo *slo, struct buf *out)
{
	bool has_value = slo_has_value(slo);

	buf_printf(out, "%s%s, expected %s", has_value ? "is " : "has no value",
		   has_value ? slo->value_words : "", slo->limit_words ? slo->limit_words : "-");
}

void slo_failure(const struct result_slo *slo, struct buf *out)
{
	buf_printf(out, "%s ", slo->key);
	slo_value(slo, out);
	if (slo->worst)
		buf_printf(out, "; %s decides", slo->worst);
}

void phase_share(const struct result_phase *p, struct buf *out)
{
	if (p->shadow)
		buf_puts(out, "shadow: none is touched");
	else if (p->share < 0 || p->share >= 1)
		buf_puts(out, "as the targets say");
	else
		buf_printf(out, "%.6g %%", p->share * 100);
}

void abort_condition(const struct results *r, struct buf *out)
{
	const struct result_abort *a = r->abort;
	char since[32];

	if (!a || !a->condition)
		return;
	buf_puts(out, a->condition);
	if (a->value)
		put_value("; value ", NULL, a->value, out);
	if (!a->lasting || a->since_ns == NO_NS || a->since_ns > a->at_ns)
		return;
	format_duration(a->at_ns - a->since_ns, since, sizeof(since));
	buf_printf(out, "; for %s", since);
}

void disabled_steps(const struct results *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_disabled; i++)
		buf_printf(out, "%s%s", i ? ", " : "", r->disabled[i]);
}
