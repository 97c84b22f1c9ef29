/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/course.h"

#include "base/timeutil.h"

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
		buf_printf(out, ", value %s", e->value);
}

void expect_failure(const struct result_expect *e, struct buf *out)
{
	buf_printf(out, "%s #%u: ", e->step, e->instance);
	expect_seen(e, out);
	if (e->words)
		buf_printf(out, " (%s)", e->words);
}

void slo_failure(const struct result_slo *slo, struct buf *out)
{
	buf_printf(out, "%s is %s, expected %s", slo->key, slo->value_words ? slo->value_words : "-",
		   slo->limit_words ? slo->limit_words : "-");
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
		buf_printf(out, "; value %s", a->value);
	if (a->since_ns == NO_NS || a->since_ns > a->at_ns)
		return;
	format_duration(a->at_ns - a->since_ns, since, sizeof(since));
	buf_printf(out, "; for %s", since);
}

void disabled_steps(const struct results *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_disabled; i++)
		buf_printf(out, "%s%s", i ? ", " : "", r->disabled[i]);
}
