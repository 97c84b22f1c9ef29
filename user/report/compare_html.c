/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <math.h>

#include "base/timeutil.h"
#include "report/compare.h"
#include "report/course.h"
#include "report/html.h"
#include "report/words.h"

#define BAR 14 /* pixels of its height */

static void banner(const struct comparison *c, struct buf *out)
{
	size_t i, k;

	if (!c->incomplete)
		return;
	buf_printf(out,
		   "<div class=\"incomplete\" role=\"alert\"><strong>INCOMPLETE</strong> The evidence of "
		   "%" PRIu64 " of %zu runs lacks something:\n<ul>",
		   c->incomplete, c->n);
	for (i = 0; i < c->n; i++) {
		for (k = 0; k < c->runs[i]->n_incomplete; k++) {
			buf_puts(out, "<li>");
			html_text(out, c->runs[i]->run);
			buf_puts(out, ": ");
			html_text(out, c->runs[i]->incomplete[k]);
			buf_puts(out, "</li>");
		}
	}
	buf_puts(out, "</ul></div>\n");
}

static void put_header(const struct comparison *c, struct buf *out)
{
	uint64_t expects = 0, met = 0;
	size_t passed = 0;

	for (size_t i = 0; i < c->n; i++) {
		passed += c->runs[i]->outcome == OUTCOME_PASS;
		expects += c->runs[i]->n_expects;
		met += expects_met(c->runs[i]);
	}
	buf_puts(out, "<header>\n");
	banner(c, out);
	buf_puts(out, "<h1>");
	html_text(out, c->title ? c->title : "Fault injection runs");
	buf_printf(out,
		   "</h1>\n<p class=\"verdict %s\" id=\"verdict\">%zu of %zu passed</p>\n<p class=\"lead\">",
		   passed < c->n   ? "bad"
		   : c->incomplete ? "warn"
				   : "pass",
		   passed, c->n);
	if (expects)
		buf_printf(out, "%" PRIu64 " of %" PRIu64 " expectations met; ", met, expects);
	buf_printf(out, "%" PRIu64 " of %zu steps pass the scorecard, with an objective of ", c->passed,
		   c->n_scores);
	html_seconds(out, c->objective_ns);
	buf_puts(out, " s from the injection to the recovery.</p>\n</header>\n");
}

/* A pass that rests on incomplete evidence has not the colour of one. */
static const char *outcome_class(const struct results *r)
{
	if (r->outcome == OUTCOME_PASS)
		return r->n_incomplete ? "warn" : "pass";
	return r->outcome == OUTCOME_SLO_MISSED || r->outcome == OUTCOME_HOST_FAILED ? "bad" : "warn";
}

static bool is_without_evidence(const struct results *r)
{
	return r->outcome == OUTCOME_NOT_RUN || r->outcome == OUTCOME_REFUSED;
}

/* Its own page, of a suite, if it has one: the directory's name is made so that it needs no escapes. */
static void run_head(const struct comparison *c, const struct results *r, struct buf *out)
{
	bool linked = c->linked && !is_without_evidence(r) && r->n_events;
	struct buf page = {0};

	buf_printf(&page, "%s/report.html", r->run);
	buf_puts(out, "<th scope=\"row\">");
	if (linked) {
		buf_puts(out, "<a");
		html_attribute(out, "href", page.data);
		buf_puts(out, ">");
	}
	out->failed |= page.failed;
	buf_free(&page);
	html_text(out, r->run);
	buf_puts(out, linked ? "</a></th>" : "</th>");
}

static void put_met(struct buf *out, uint64_t met, uint64_t all)
{
	if (all)
		buf_printf(out, "<td class=\"n%s\">%" PRIu64 " of %" PRIu64 "</td>", met < all ? " bad" : "",
			   met, all);
	else
		html_cell_count(out, NO_NS);
}

static bool has_reasons(const struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->runs[i]->reason)
			return true;
	}
	return false;
}

static void put_run(const struct comparison *c, const struct results *r, struct buf *out)
{
	buf_puts(out, "<tr");
	html_attribute(out, "data-run", r->run);
	html_attribute(out, "data-outcome", result_outcome_name(r->outcome));
	buf_puts(out, ">");
	run_head(c, r, out);
	buf_printf(out, "<td class=\"%s\">%s</td>", outcome_class(r), result_outcome_name(r->outcome));
	if (!c->linked)
		html_cell(out, r->name);
	html_cell_time(out, r->start_ts_ns, NO_NS);
	put_met(out, slos_met(r), r->n_slos);
	put_met(out, expects_met(r), r->n_expects);
	html_cell_count(out, r->n_windows);
	html_cell_count(out, run_unrecovered(r));
	if (is_without_evidence(r))
		html_cell(out, NULL);
	else
		html_cell_yes(out, !r->n_incomplete);
	if (has_reasons(c)) {
		buf_puts(out, "<td class=\"w\">");
		html_text(out, r->reason);
		buf_puts(out, "</td>");
	}
	buf_puts(out, "</tr>\n");
}

static void section_runs(const struct comparison *c, struct buf *out)
{
	struct buf columns = {0};

	html_section(out, "runs", "Runs");
	/* Of a suite, the run's directory has the scenario's name. */
	buf_printf(&columns,
		   "Run|Outcome%s|Start (UTC)|>SLOs met|>Expectations met|>Windows|>Not recovered|"
		   "Evidence complete%s",
		   c->linked ? "" : "|Scenario", has_reasons(c) ? "|Reason" : "");
	html_table(out, "Runs", columns.data ? columns.data : "Run");
	out->failed |= columns.failed;
	buf_free(&columns);
	for (size_t i = 0; i < c->n; i++)
		put_run(c, c->runs[i], out);
	html_table_end(out);
	html_section_end(out);
}

static void put_miss(const struct results *r, const char *kind, const char *what, uint64_t seq,
		     struct buf *out)
{
	buf_puts(out, "<tr");
	html_attribute(out, "data-run", r->run);
	buf_puts(out, ">");
	html_row_head(out, r->run);
	html_cell(out, kind);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, what);
	html_seq(out, seq);
	buf_puts(out, "</td></tr>\n");
}

static void section_misses(const struct comparison *c, struct buf *out)
{
	if (!compare_misses(c))
		return;
	html_section(out, "misses", "Missed");
	html_table(out, "Objectives and expectations that were missed", "Run|What|What was seen");
	for (size_t i = 0; i < c->n; i++)
		compare_each_miss(c->runs[i], out, put_miss);
	html_table_end(out);
	html_section_end(out);
}

static void put_samples(const struct results *r, const char *by, const struct result_samples *recovery,
			const struct result_samples *detection, struct buf *out)
{
	const uint64_t times[] = {recovery->p50_ns, recovery->p95_ns, recovery->p99_ns, recovery->max_ns,
				  detection->max_ns};

	if (!recovery->samples)
		return;
	buf_puts(out, "<tr>");
	html_row_head(out, r->run);
	html_cell(out, by);
	html_cell_count(out, recovery->samples);
	html_cell_count(out, recovery->missing);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++)
		html_cell_seconds(out, times[i], NO_NS);
	buf_puts(out, "</tr>\n");
}

static void section_recovery(const struct comparison *c, struct buf *out)
{
	const struct results *r;

	html_section(out, "recovery", "Recovery");
	html_table(out, "Recovery",
		   "Run|By|>Samples|>Not recovered|>P50 (s)|>P95 (s)|>P99 (s)|>Max (s)|>Detection max (s)");
	for (size_t i = 0; i < c->n; i++) {
		r = c->runs[i];
		put_samples(r, "probe", &r->recovery, &r->detection, out);
		put_samples(r, "flow", &r->flow_recovery, &r->flow_detection, out);
	}
	html_table_end(out);
	html_section_end(out);
}

/* A bar, as long as the P99 is beside the longest of the trend; a run without one has a word instead. */
static void cell_bar(struct buf *out, const struct compare_trend *t, const struct compare_point *p)
{
	buf_puts(out, "<td class=\"w\">");
	if (p->p99_ns == NO_NS)
		buf_puts(out, p->samples ? "not recovered" : "not measured");
	else
		buf_printf(out,
			   "<svg height=\"%d\" aria-hidden=\"true\"><rect class=\"bars\" x=\"0\" y=\"0\" "
			   "width=\"%.3f%%\" height=\"%d\" data-p99-ns=\"%" PRIu64 "\"/></svg>",
			   BAR, t->longest_ns ? 100.0 * (double)p->p99_ns / (double)t->longest_ns : 0, BAR,
			   p->p99_ns);
	buf_puts(out, "</td>");
}

static void put_point(const struct compare_trend *t, const struct compare_point *p, struct buf *out)
{
	buf_puts(out, "<tr>");
	html_row_head(out, p->r->run);
	html_cell_time(out, p->r->start_ts_ns, NO_NS);
	html_cell(out, p->by_flow ? "flow" : "probe");
	html_cell_count(out, p->samples);
	html_cell_seconds(out, p->p99_ns, NO_NS);
	buf_puts(out, "<td class=\"n\">");
	if (p->comparable) {
		buf_puts(out, p->difference_ns < 0 ? "\u2212" : "+");
		html_seconds(out,
			     p->difference_ns < 0 ? -(uint64_t)p->difference_ns : (uint64_t)p->difference_ns);
	} else {
		html_text(out, NULL);
	}
	buf_puts(out, "</td><td class=\"n\">");
	if (p->comparable && !isnan(p->ratio))
		buf_printf(out, "%.2f", p->ratio);
	else
		html_text(out, NULL);
	buf_puts(out, "</td>");
	cell_bar(out, t, p);
	buf_puts(out, "</tr>\n");
}

static void put_trend(const struct compare_trend *t, struct buf *out)
{
	buf_puts(out, "<h3>");
	html_text(out, t->name);
	buf_puts(out, "</h3>\n");
	html_table(out, "Trend of recovery P99",
		   "Run|Start (UTC)|By|>Samples|>Recovery P99 (s)|>Difference (s)|>Ratio|Recovery P99");
	for (size_t i = 0; i < t->n; i++)
		put_point(t, &t->points[i], out);
	html_table_end(out);
}

static void section_trend(const struct comparison *c, struct buf *out)
{
	if (!c->n_trends)
		return;
	html_section(out, "trend", "Trend of recovery P99");
	buf_puts(out, "<p class=\"fine\">Runs of the same scenario, oldest first; the difference and the "
		      "ratio are to "
		      "the run before.</p>\n");
	for (size_t i = 0; i < c->n_trends; i++)
		put_trend(&c->trends[i], out);
	html_section_end(out);
}

static void put_score(const struct compare_score *score, struct buf *out)
{
	struct buf recovery = {0};

	score_recovery(score, &recovery);
	out->failed |= recovery.failed;
	buf_puts(out, "<tr>");
	html_row_head(out, score->step);
	html_cell(out, score->scenario);
	buf_printf(out, "<td class=\"%s\">%s</td>", score->pass ? "pass" : "bad",
		   score->pass ? "PASS" : "FAIL");
	html_cell(out, recovery.data);
	buf_printf(out, "<td class=\"n\">%" PRIu64 " of %" PRIu64 "</td>", score->recovered, score->planned);
	html_cell_count(out, score->data_loss);
	html_cell_count(out, score->order_violations);
	html_cell_count(out, score->failed);
	buf_puts(out, "</tr>\n");
	buf_free(&recovery);
}

static void section_scorecard(const struct comparison *c, struct buf *out)
{
	html_section(out, "scorecard", "Recovery scorecard");
	buf_puts(out,
		 "<p class=\"fine\">The slowest recovery of each step over all runs, counted from the "
		 "injection. Data loss and order violations are those that probes of streams counted, over "
		 "the whole runs.</p>\n");
	html_table(out, "Recovery scorecard",
		   "Step|Scenario|Status|Recovery time|>Windows recovered|>Data loss|>Order "
		   "violations|>Expectations failed");
	for (size_t i = 0; i < c->n_scores; i++)
		put_score(&c->scores[i], out);
	html_table_end(out);
	buf_printf(out, "<p>Overall: %" PRIu64 " passed, %" PRIu64 " failed; success rate %u %%.</p>\n",
		   c->passed, c->n_scores - c->passed, success_rate(c));
	html_section_end(out);
}

void compare_html(const struct comparison *c, struct buf *out)
{
	html_page(out, c->incomplete ? "INCOMPLETE: " : "", c->title ? c->title : "Fault injection runs");
	put_header(c, out);
	section_runs(c, out);
	section_misses(c, out);
	section_recovery(c, out);
	section_trend(c, out);
	section_scorecard(c, out);
	html_page_end(out);
}
