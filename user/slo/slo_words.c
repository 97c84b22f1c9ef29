/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/slo_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"

/* With at most so many decimals, and none that are 0. */
static void add_number(struct buf *out, double value, int decimals)
{
	char text[64];
	size_t len;

	snprintf(text, sizeof(text), "%.*f", decimals, value);
	len = strlen(text);
	while (decimals && text[len - 1] == '0')
		text[--len] = '\0';
	if (decimals && text[len - 1] == '.')
		text[--len] = '\0';
	buf_puts(out, text);
}

/* A quotient in thousandths, cut off rather than rounded: what is over a limit never looks as if it met it. */
static void add_thousandths(struct buf *out, uint64_t value, uint64_t unit, const char *name)
{
	uint64_t rest = value % unit / (unit / 1000);
	char text[8];
	size_t len;

	buf_printf(out, "%" PRIu64, value / unit);
	if (rest) {
		len = snprintf(text, sizeof(text), ".%03u", (unsigned)rest);
		while (text[len - 1] == '0')
			text[--len] = '\0';
		buf_puts(out, text);
	}
	buf_puts(out, name);
}

void slo_words_time(struct buf *out, uint64_t ns)
{
	if (ns == NO_NS)
		buf_puts(out, "-");
	else if (ns >= NS_PER_S || !ns)
		add_thousandths(out, ns, NS_PER_S, " s");
	else if (ns >= NS_PER_MS)
		add_thousandths(out, ns, NS_PER_MS, " ms");
	else if (ns >= NS_PER_US)
		add_thousandths(out, ns, NS_PER_US, " us");
	else
		buf_printf(out, "%" PRIu64 " ns", ns);
}

void slo_words_backoff(struct buf *out, const struct result_backoff *b)
{
	buf_puts(out, b->kind == BACKOFF_UNKNOWN ? "too few attempts to tell" : result_backoff_name(b->kind));
	if (b->kind == BACKOFF_EXPONENTIAL) {
		buf_puts(out, ", factor ");
		add_number(out, b->factor, 3);
	}
	if (b->kind == BACKOFF_LINEAR) {
		buf_puts(out, b->step_ns < 0 ? ", step -" : ", step ");
		slo_words_time(out, b->step_ns < 0 ? -(uint64_t)b->step_ns : (uint64_t)b->step_ns);
	}
	if (b->kind == BACKOFF_CONSTANT || b->kind == BACKOFF_NONE) {
		buf_puts(out, ", interval ");
		slo_words_time(out, b->median_ns);
	}
	if (b->has_jitter && b->kind < BACKOFF_IRREGULAR) {
		buf_puts(out, ", jitter ");
		add_number(out, 100 * b->jitter, 1);
		buf_puts(out, " %");
	}
	if (b->cap_ns != NO_NS) {
		buf_puts(out, ", cap ");
		slo_words_time(out, b->cap_ns);
	}
}

static void add_value(struct buf *out, enum slo_unit unit, uint64_t value)
{
	if (value == NO_NS) {
		buf_puts(out, "-");
		return;
	}
	switch (unit) {
	case UNIT_NS:
		slo_words_time(out, value);
		break;
	case UNIT_COUNT:
		buf_printf(out, "%" PRIu64, value);
		break;
	case UNIT_RATE:
		buf_printf(out, "%" PRIu64 " a second", value);
		break;
	case UNIT_SHARE:
		add_number(out, (double)value / 10000, 4);
		buf_puts(out, " %");
		break;
	case UNIT_WORDS:
		buf_puts(out, "-");
		break;
	}
}

static void add_demanded(struct buf *out, const struct result_slo *slo)
{
	buf_puts(out, result_backoff_name(slo->backoff));
	if (slo->factor_low > 0) {
		buf_puts(out, ", factor ");
		add_number(out, slo->factor_low, 3);
		buf_puts(out, " to ");
		add_number(out, slo->factor_high, 3);
	}
	if (slo->cap_ns != NO_NS) {
		buf_puts(out, ", cap ");
		slo_words_time(out, slo->cap_ns);
	}
}

static void add_limit(struct buf *out, const struct result_slo *slo)
{
	if (slo->unit == UNIT_WORDS) {
		add_demanded(out, slo);
		return;
	}
	buf_puts(out, slo->unit == UNIT_SHARE ? ">= " : "<= ");
	if (slo->relative) {
		buf_puts(out, "baseline + ");
		add_number(out, 100 * slo->over, 3);
		buf_puts(out, " % (");
	}
	add_value(out, slo->unit, slo->limit);
	buf_puts(out, slo->relative ? ")" : "");
}

static const char *take(struct results *r, struct buf *text)
{
	const char *kept = text->failed ? "-" : results_keep(r, text->data);

	r->failed |= text->failed;
	buf_free(text);
	return kept ? kept : "-";
}

void slo_words(struct results *r, struct result_slo *slo)
{
	struct buf limit = {0}, value = {0};

	add_limit(&limit, slo);
	slo->limit_words = take(r, &limit);
	if (slo->value_words)
		return;
	add_value(&value, slo->unit, slo->value);
	slo->value_words = take(r, &value);
}
