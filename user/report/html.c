/* SPDX-License-Identifier: BSD-2-Clause */
/* report.html: the page, and what stands on top of it. */
#include <inttypes.h>

#include "base/timeutil.h"
#include "report/course.h"
#include "report/html.h"
#include "report/report.h"
#include "report/words.h"

#define MAX_NAMED_LACKS 8    /* in the banner; the section Evidence has all */
#define MAX_NAMED_FAILURES 3 /* in the first sentence; the section Expectations has all */

static const char *verdict_words(const struct results *r)
{
	static const char *const words[] = {
		[OUTCOME_PASS] = "PASS",
		[OUTCOME_SLO_MISSED] = "SLO MISSED",
		[OUTCOME_ABORTED] = "ABORTED",
		[OUTCOME_INTERRUPTED] = "INTERRUPTED",
		[OUTCOME_HOST_FAILED] = "HOST FAILED",
		[OUTCOME_REFUSED] = "REFUSED",
		[OUTCOME_NOT_RUN] = "NOT RUN",
	};

	if (r->outcome == OUTCOME_SLO_MISSED && slos_met(r) == r->n_slos)
		return "EXPECTATION FAILED";
	return words[r->outcome];
}

/* A pass that rests on incomplete evidence has not the colour of one. */
static const char *verdict_class(const struct results *r)
{
	if (r->outcome == OUTCOME_SLO_MISSED || r->outcome == OUTCOME_HOST_FAILED)
		return "bad";
	return r->outcome == OUTCOME_PASS && !r->n_incomplete ? "pass" : "warn";
}

static void banner(const struct results *r, struct buf *out)
{
	size_t shown = r->n_incomplete < MAX_NAMED_LACKS ? r->n_incomplete : MAX_NAMED_LACKS;

	if (!r->n_incomplete)
		return;
	buf_puts(out,
		 "<div class=\"incomplete\" role=\"alert\"><strong>INCOMPLETE</strong> The evidence lacks "
		 "something, and the figures below are no better than it:\n<ul>");
	for (size_t i = 0; i < shown; i++) {
		buf_puts(out, "<li>");
		html_text(out, r->incomplete[i]);
		buf_puts(out, "</li>");
	}
	if (shown < r->n_incomplete)
		buf_printf(out, "<li><a href=\"#evidence\">and %zu more</a></li>", r->n_incomplete - shown);
	buf_puts(out, "</ul></div>\n");
}

static void missed_objective(const struct result_slo *slo, struct buf *out)
{
	html_text(out, slo->key);
	buf_puts(out, " ");
	if (!slo->samples)
		buf_puts(out, "has no sample");
	else if (slo->missing && slo->unit == UNIT_NS)
		buf_printf(out, "has %" PRIu64 " of %" PRIu64 " samples without a value", slo->missing,
			   slo->samples);
	else
		html_text(out, slo_has_value(slo) ? slo->value_words : "has no value");
	buf_puts(out, " (asked ");
	html_text(out, slo->limit_words);
	buf_puts(out, ")");
}

static void missed_objectives(const struct results *r, uint64_t missed, struct buf *out)
{
	bool first = true;

	buf_printf(out, "%" PRIu64 " of %zu objectives missed:", missed, r->n_slos);
	for (size_t i = 0; i < r->n_slos; i++) {
		if (r->slos[i].pass)
			continue;
		buf_puts(out, first ? " " : "; ");
		missed_objective(&r->slos[i], out);
		first = false;
	}
	buf_puts(out, ".");
}

/* Without the conditions, which may be long: the section Expectations has them. */
static void failed_expectations(const struct results *r, uint64_t failed, struct buf *out)
{
	struct buf words = {0};
	uint64_t named = 0;

	buf_printf(out, " %" PRIu64 " of %zu expectations failed:", failed, r->n_expects);
	for (size_t i = 0; i < r->n_expects && named < MAX_NAMED_FAILURES; i++) {
		if (r->expects[i].pass)
			continue;
		buf_printf(&words, "%s #%u: ", r->expects[i].step, r->expects[i].instance);
		expect_seen(&r->expects[i], &words);
		buf_puts(out, named++ ? "; " : " ");
		html_text(out, words.data);
		buf_clear(&words);
	}
	if (named < failed)
		buf_printf(out, "; and %" PRIu64 " more", failed - named);
	buf_puts(out, ".");
	out->failed |= words.failed;
	buf_free(&words);
}

static void expectations(const struct results *r, struct buf *out)
{
	uint64_t failed = r->n_expects - expects_met(r);

	if (failed)
		failed_expectations(r, failed, out);
	else if (r->n_expects)
		buf_printf(out,
			   r->n_expects == 1 ? " The expectation is met." : " All %zu expectations are met.",
			   r->n_expects);
}

static void condition(const struct results *r, struct buf *out)
{
	struct buf words = {0};

	abort_condition(r, &words);
	if (words.len) {
		buf_puts(out, "<p id=\"abort\">The condition that ended it: ");
		html_text(out, words.data);
		html_seq(out, r->abort->seq);
		buf_puts(out, "</p>\n");
	}
	out->failed |= words.failed;
	buf_free(&words);
}

/* One sentence that a reader may take along. */
static void lead(const struct results *r, struct buf *out)
{
	uint64_t missed = 0;

	for (size_t i = 0; i < r->n_slos; i++)
		missed += !r->slos[i].pass;
	buf_puts(out, "<p class=\"lead\">");
	if (r->reason) {
		html_text(out, r->reason);
		buf_puts(out, ". ");
	}
	if (missed)
		missed_objectives(r, missed, out);
	else if (r->n_slos == 1)
		buf_puts(out, "The objective is met.");
	else if (r->n_slos)
		buf_printf(out, "All %zu objectives are met.", r->n_slos);
	else if (!r->n_expects)
		buf_puts(out, "The scenario sets no objective.");
	expectations(r, out);
	if (!r->n_windows)
		buf_puts(out, " No fault window opened.");
	buf_puts(out, "</p>\n");
	condition(r, out);
}

static void figure(struct buf *out, const char *label)
{
	buf_printf(out, "<div><dt>%s</dt><dd>", label);
}

/* `note` in small print below the figure. */
static void figure_end(struct buf *out, const char *note)
{
	buf_printf(out, "<small>%s</small></dd></div>\n", note);
}

static void figure_count(struct buf *out, const char *label, uint64_t count, const char *note)
{
	figure(out, label);
	html_count(out, count);
	figure_end(out, note);
}

static void figure_samples(struct buf *out, const char *label, const char *by, uint64_t ns,
			   const struct result_samples *s, const char *missing)
{
	figure(out, label);
	html_seconds(out, ns);
	buf_printf(out, "%s<small>by %s, ", ns == NO_NS ? "" : " s", by);
	html_count(out, s->samples);
	buf_puts(out, s->samples == 1 ? " sample" : " samples");
	if (s->missing) {
		buf_puts(out, ", ");
		html_count(out, s->missing);
		buf_printf(out, " %s", missing);
	}
	buf_puts(out, "</small></dd></div>\n");
}

static void figures_of(struct buf *out, const char *by, const struct result_samples *recovery,
		       const struct result_samples *detection)
{
	figure_samples(out, "Recovery P99", by, recovery->p99_ns, recovery, "not recovered");
	figure_samples(out, "Longest detection", by, detection->max_ns, detection, "unnoticed");
}

static void figures(const struct results *r, struct buf *out)
{
	buf_puts(out, "<dl class=\"figures\">\n");
	figure_count(out, "Fault windows", r->n_windows,
		     r->balanced ? "every packet accounted for" : "counters do not add up");
	if (r->n_expects) {
		figure(out, "Expectations met");
		buf_printf(out, "%" PRIu64 " of %zu", expects_met(r), r->n_expects);
		figure_end(out, "each decided by samples");
	}
	if (r->n_probes)
		figures_of(out, "probe", &r->recovery, &r->detection);
	if (r->observed && r->flow_recovery.samples)
		figures_of(out, "flow", &r->flow_recovery, &r->flow_detection);
	if (r->n_probes || r->flow_recovery.samples)
		figure_count(out, "Not recovered", run_unrecovered(r),
			     r->n_probes ? "windows, by any probe" : "windows, by any flow");
	if (r->observed && r->n_paths)
		figure_count(out, "Attempts a second", r->peak_per_s, "at most, to one target");
	buf_puts(out, "</dl>\n");
}

static void item_time(struct buf *out, const char *label, uint64_t ts_ns)
{
	char text[64] = "";

	if (ts_ns != NO_NS)
		format_utc(ts_ns, text, sizeof(text));
	html_item(out, label, text);
}

static void item_length(struct buf *out, const struct results *r)
{
	char text[32];

	if (r->start_ts_ns == NO_NS || r->end_ts_ns == NO_NS || r->end_ts_ns < r->start_ts_ns)
		return;
	format_duration(r->end_ts_ns - r->start_ts_ns, text, sizeof(text));
	html_item(out, "Length", text);
}

static void interfaces(const struct results *r, struct buf *out)
{
	buf_puts(out, "<div><dt>Interface</dt><dd>");
	for (size_t i = 0; i < r->n_interfaces; i++) {
		buf_puts(out, i ? ", " : "");
		html_text(out, r->interfaces[i]);
	}
	buf_puts(out, r->n_interfaces ? "</dd></div>\n" : "\xe2\x80\x93</dd></div>\n");
}

static void further_meta(const struct results *r, struct buf *out)
{
	static const char *const own[] = {"operator", "host", "interface", NULL};

	meta_others(r, own, out, html_item);
}

static void turned_off(const struct results *r, struct buf *out)
{
	struct buf steps = {0};

	disabled_steps(r, &steps);
	if (steps.len)
		html_item(out, "Steps turned off", steps.data);
	out->failed |= steps.failed;
	buf_free(&steps);
}

static void metadata(const struct results *r, struct buf *out)
{
	const char *name = meta_value(r, "operator"), *host = meta_value(r, "host");

	buf_puts(out, "<dl class=\"facts\">\n");
	item_time(out, "Date", r->start_ts_ns);
	item_length(out, r);
	html_item(out, "Operator", name ? name : r->operator_name);
	html_item(out, "Host", host ? host : r->host);
	interfaces(r, out);
	if (r->source)
		html_item(out, "Scenario file", r->source);
	buf_printf(out, "<div><dt>Seed</dt><dd>%" PRIu64 "</dd></div>\n", r->seed);
	further_meta(r, out);
	turned_off(r, out);
	buf_puts(out, "</dl>\n");
}

void html_verdict(const struct results *r, struct buf *out)
{
	buf_puts(out, "<header>\n");
	banner(r, out);
	buf_puts(out, "<h1>");
	html_text(out, r->name);
	buf_puts(out, "</h1>\n");
	if (r->description) {
		buf_puts(out, "<p class=\"about\">");
		html_text(out, r->description);
		buf_puts(out, "</p>\n");
	}
	buf_printf(out,
		   "<p class=\"verdict %s\" id=\"verdict\" data-outcome=\"%s\" data-complete=\"%s\">%s</p>\n",
		   verdict_class(r), result_outcome_name(r->outcome), r->n_incomplete ? "false" : "true",
		   verdict_words(r));
	lead(r, out);
	figures(r, out);
	metadata(r, out);
	buf_puts(out,
		 "<p class=\"fine\">A number like <span class=\"seq\">#17</span> names the event that the "
		 "value beside it rests on: line 17 of events.jsonl.</p>\n</header>\n");
}

void html_page(struct buf *out, const char *before, const char *title)
{
	buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
		      "<meta charset=\"utf-8\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n"
		      "<link rel=\"icon\" href=\"data:,\">\n<title>");
	buf_puts(out, before);
	html_text(out, title);
	buf_puts(out, "</title>\n<style>\n");
	buf_puts(out, html_style);
	buf_puts(out, "</style>\n</head>\n<body>\n");
	buf_puts(out, html_marks);
	buf_puts(out, "<main>\n");
}

void html_page_end(struct buf *out)
{
	buf_puts(out, "</main>\n</body>\n</html>\n");
}

static void head(const struct results *r, struct buf *out)
{
	struct buf before = {0};

	buf_printf(&before, "%s%s: ", r->n_incomplete ? "INCOMPLETE, " : "", verdict_words(r));
	out->failed |= before.failed;
	html_page(out, before.data ? before.data : "", r->name);
	buf_free(&before);
}

void report_html(const struct results *r, struct buf *out)
{
	head(r, out);
	html_verdict(r, out);
	html_objectives(r, out);
	html_expects(r, out);
	html_phases(r, out);
	html_time_line(r, out);
	html_recovery(r, out);
	html_matrix(r, out);
	html_probes(r, out);
	html_flows(r, out);
	html_counters(r, out);
	html_fidelity(r, out);
	html_evidence(r, out);
	html_page_end(out);
}
