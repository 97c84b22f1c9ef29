/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "report/compare.h"
#include "report/course.h"
#include "report/md.h"
#include "report/words.h"

#define BAR 40 /* characters of the longest */

static void first_line(const struct comparison *c, struct buf *out)
{
	if (!c->incomplete)
		return;
	buf_printf(out, "INCOMPLETE: the evidence of %" PRIu64 " of %zu runs (see Incomplete Evidence)\n\n",
		   c->incomplete, c->n);
}

static void put_met(struct buf *out, uint64_t met, uint64_t all)
{
	if (all)
		buf_printf(out, "%" PRIu64 " of %" PRIu64 " | ", met, all);
	else
		buf_puts(out, "- | ");
}

static void run_row(const struct results *r, struct buf *out)
{
	buf_puts(out, "| ");
	md_text(out, r->run);
	buf_puts(out, " | ");
	md_text(out, r->name);
	buf_puts(out, " | ");
	md_utc(out, r->start_ts_ns);
	buf_printf(out, " | %s | ", result_outcome_name(r->outcome));
	put_met(out, slos_met(r), r->n_slos);
	put_met(out, expects_met(r), r->n_expects);
	buf_printf(out, "%zu | %" PRIu64 " | %s | ", r->n_windows, run_unrecovered(r),
		   r->n_incomplete ? "no" : "yes");
	md_text(out, r->reason);
	buf_puts(out, " |\n");
}

static void section_runs(const struct comparison *c, struct buf *out)
{
	buf_puts(out, "\n## Runs\n\nOldest first.\n\n");
	md_table(out, "Run|Scenario|Start Time (UTC)|Outcome|SLOs met|Expectations met|Windows|Not "
		      "recovered|Complete|Reason");
	for (size_t i = 0; i < c->n; i++)
		run_row(c->runs[i], out);
}

static void put_miss(const struct results *r, const char *kind, const char *what, uint64_t seq,
		     struct buf *out)
{
	(void)kind, (void)seq;
	md_item(out, r->run, what);
}

static void section_misses(const struct comparison *c, struct buf *out)
{
	if (!compare_misses(c))
		return;
	buf_puts(out, "\n## Missed\n\n");
	for (size_t i = 0; i < c->n; i++)
		compare_each_miss(c->runs[i], out, put_miss);
}

static void samples_row(const struct results *r, const char *by, const struct result_samples *recovery,
			const struct result_samples *detection, struct buf *out)
{
	const uint64_t times[] = {recovery->p50_ns, recovery->p95_ns, recovery->p99_ns, recovery->max_ns,
				  detection->max_ns};

	if (!recovery->samples)
		return;
	buf_puts(out, "| ");
	md_text(out, r->run);
	buf_printf(out, " | %s | %" PRIu64 " | %" PRIu64, by, recovery->samples, recovery->missing);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		buf_puts(out, " | ");
		md_seconds(out, times[i]);
	}
	buf_puts(out, " |\n");
}

static void section_recovery(const struct comparison *c, struct buf *out)
{
	const struct results *r;

	buf_puts(out, "\n## Recovery\n\n");
	md_table(out, "Run|By|Samples|Not recovered|P50 (s)|P95 (s)|P99 (s)|Max (s)|Detection max (s)");
	for (size_t i = 0; i < c->n; i++) {
		r = c->runs[i];
		samples_row(r, "probe", &r->recovery, &r->detection, out);
		samples_row(r, "flow", &r->flow_recovery, &r->flow_detection, out);
	}
}

static void put_difference(const struct compare_point *p, struct buf *out)
{
	if (!p->comparable) {
		buf_puts(out, "- | -");
		return;
	}
	buf_puts(out, p->difference_ns < 0 ? "-" : "+");
	md_seconds(out, llabs(p->difference_ns));
	if (isnan(p->ratio))
		buf_puts(out, " | -");
	else
		buf_printf(out, " | %.2f", p->ratio);
}

static void put_bar(const struct compare_trend *t, const struct compare_point *p, struct buf *out)
{
	unsigned length;

	if (p->p99_ns == NO_NS) {
		buf_puts(out, p->samples ? "not recovered" : "not measured");
		return;
	}
	length = t->longest_ns ? (unsigned)ceil((double)p->p99_ns / (double)t->longest_ns * BAR) : 0;
	buf_puts(out, "`");
	for (unsigned i = 0; i < length; i++)
		buf_puts(out, "#");
	buf_puts(out, length ? "`" : ".`");
}

static void put_trend(const struct compare_trend *t, struct buf *out)
{
	const struct compare_point *p;

	buf_puts(out, "\n### ");
	md_text(out, t->name);
	buf_puts(out, "\n\n");
	md_table(out, "Start Time (UTC)|Run|By|Samples|Recovery P99 (s)|Difference (s)|Ratio|");
	for (size_t i = 0; i < t->n; i++) {
		p = &t->points[i];
		buf_puts(out, "| ");
		md_utc(out, p->r->start_ts_ns);
		buf_puts(out, " | ");
		md_text(out, p->r->run);
		buf_printf(out, " | %s | %" PRIu64 " | ", p->by_flow ? "flow" : "probe", p->samples);
		md_seconds(out, p->p99_ns);
		buf_puts(out, " | ");
		put_difference(p, out);
		buf_puts(out, " | ");
		put_bar(t, p, out);
		buf_puts(out, " |\n");
	}
}

static void section_trend(const struct comparison *c, struct buf *out)
{
	buf_puts(out, "\n## Trend of Recovery P99\n\n");
	if (!c->n_trends)
		buf_puts(out, "No two of the runs are of the same scenario.\n");
	else
		buf_puts(out,
			 "Runs of the same scenario; the difference and the ratio are to the run before.\n");
	for (size_t i = 0; i < c->n_trends; i++)
		put_trend(&c->trends[i], out);
}

static void section_scorecard(const struct comparison *c, struct buf *out)
{
	struct buf card = {0};

	buf_puts(out,
		 "\n## Scorecard\n\n"
		 "The slowest recovery of each step over all runs, counted from the injection. Data loss and "
		 "order violations are those that probes of streams counted, over the whole runs.\n\n```\n");
	compare_scorecard(c, &card);
	if (card.failed)
		out->failed = true;
	else
		buf_add(out, card.data, card.len);
	buf_puts(out, "```\n");
	buf_free(&card);
}

static void section_incomplete(const struct comparison *c, struct buf *out)
{
	size_t i, k;

	if (!c->incomplete)
		return;
	buf_puts(out, "\n## Incomplete Evidence\n\n");
	for (i = 0; i < c->n; i++) {
		for (k = 0; k < c->runs[i]->n_incomplete; k++)
			md_item(out, c->runs[i]->run, c->runs[i]->incomplete[k]);
	}
}

void compare_markdown(const struct comparison *c, struct buf *out)
{
	first_line(c, out);
	buf_puts(out, c->title ? "# Fault Injection Suite: " : "# Fault Injection Runs");
	if (c->title)
		md_text(out, c->title);
	buf_puts(out, "\n");
	section_runs(c, out);
	section_misses(c, out);
	section_recovery(c, out);
	section_trend(c, out);
	section_scorecard(c, out);
	section_incomplete(c, out);
}
