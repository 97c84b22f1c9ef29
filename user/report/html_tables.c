/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of report.html that are about objectives, windows, probes and counters. */
#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/html.h"
#include "report/words.h"

static const char dash[] = "\xe2\x80\x93";

/* What of the run the objective is about: "disconnect, probe gateway". */
static void scope(const struct result_slo *slo, struct buf *out)
{
	const struct {
		const char *word, *name;
	} parts[] = {{"step ", slo->step}, {"probe ", slo->probe}, {"target ", slo->target}};
	bool any = false;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!parts[i].name)
			continue;
		buf_printf(out, "%s%s", any ? ", " : "", parts[i].word);
		html_text(out, parts[i].name);
		any = true;
	}
	if (!any)
		buf_puts(out, "the whole run");
	buf_puts(out, slo->by_flow ? ", by flow" : "");
}

static void objective(const struct result_slo *slo, struct buf *out)
{
	const char *words = slo->unit == UNIT_WORDS ? " words" : "";

	buf_puts(out, "<tr");
	html_attribute(out, "data-key", slo->key);
	buf_printf(out, " data-pass=\"%s\"><td class=\"t %s</td>", slo->pass ? "true" : "false",
		   slo->pass ? "pass\">\xe2\x9c\x93 met" : "bad\">\xe2\x9c\x97 missed");
	html_row_head(out, slo->key);
	buf_printf(out, "<td class=\"n%s\">", words);
	html_text(out, slo->limit_words);
	buf_printf(out, "</td><td class=\"n%s\"><b>", words);
	html_text(out, slo->value_words);
	buf_puts(out, "</b></td><td>");
	scope(slo, out);
	buf_puts(out, "</td>");
	html_cell_count(out, slo->samples);
	html_cell_count(out, slo->missing);
	buf_puts(out, "<td>");
	html_text(out, slo->worst);
	html_seq(out, slo->worst ? slo->worst_seq : NO_NS);
	buf_puts(out, "</td></tr>\n");
}

void html_objectives(const struct results *r, struct buf *out)
{
	if (!r->n_slos)
		return;
	html_section(out, "objectives", "Objectives");
	html_table(out, "Objectives",
		   "Result|Objective|>Limit|>Value|Scope|>Samples|>Without a value|Decided by");
	for (size_t i = 0; i < r->n_slos; i++)
		objective(&r->slos[i], out);
	html_table_end(out);
	html_section_end(out);
}

/* The slowest of the paths that it hit; NO_NS if one saw no recovery, or it hit none. */
static uint64_t flow_recovery(const struct result_window *w, bool *ret_any)
{
	uint64_t slowest = 0;

	*ret_any = false;
	for (size_t i = 0; i < w->n_flows; i++) {
		if (!w->flows[i].is_hit)
			continue;
		*ret_any = true;
		if (w->flows[i].recovery_ns > slowest)
			slowest = w->flows[i].recovery_ns;
	}
	return *ret_any ? slowest : NO_NS;
}

static void recovered_cell(struct buf *out, bool measured, uint64_t ns, uint64_t seq)
{
	if (measured && ns == NO_NS)
		buf_puts(out, "<td class=\"n bad\">never</td>");
	else
		html_cell_seconds(out, ns, seq);
}

static void matrix_row(const struct results *r, size_t i, struct buf *out)
{
	const struct result_window *w = r->windows[i];
	struct buf text = {0};
	uint64_t by_flow;
	bool any;

	buf_printf(out, "<tr id=\"window-%zu\"", i + 1);
	html_attribute(out, "data-step", w->step);
	buf_printf(out, " data-instance=\"%u\"><th scope=\"row\">", w->instance);
	html_text(out, w->step);
	buf_printf(out, "\xc2\xa0#%u</th>", w->instance);
	window_parameters(r, w, &text);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, text.data);
	buf_puts(out, "</td>");
	html_cell_time(out, w->opened_ts_ns, window_seq(w, false));
	html_cell_time(out, w->closed_ts_ns, window_seq(w, true));
	if (!window_measured(r, w))
		html_cell(out, NULL);
	else
		html_cell_yes(out, window_recovery(r, w) != NO_NS);
	recovered_cell(out, r->n_probes && !w->shadow, r->n_probes ? window_recovery(r, w) : NO_NS, NO_NS);
	by_flow = flow_recovery(w, &any);
	recovered_cell(out, any && !w->shadow, w->shadow ? NO_NS : by_flow, NO_NS);
	buf_clear(&text);
	window_remarks(r, w, &text);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, text.len ? text.data : NULL);
	buf_puts(out, "</td></tr>\n");
	out->failed |= text.failed;
	buf_free(&text);
}

void html_matrix(const struct results *r, struct buf *out)
{
	size_t shown = r->n_windows < HTML_MAX_ROWS ? r->n_windows : HTML_MAX_ROWS;

	html_section(out, "windows", "Scenario Matrix");
	if (!shown)
		buf_puts(out, "<p>No window opened.</p>\n");
	else
		html_table(out, "Windows",
			   "Scenario|Parameters|Start Time (UTC)|End Time (UTC)|Recovered|>Recovery by probe "
			   "(s)|"
			   ">Recovery by flow (s)|Notes");
	for (size_t i = 0; i < shown; i++)
		matrix_row(r, i, out);
	if (shown) {
		html_table_end(out);
		buf_puts(out,
			 "<p class=\"fine\">Recovery counts from the window's closing. It is that of the "
			 "slowest probe, and of the slowest flow that the fault hit.</p>\n");
	}
	html_more_rows(out, shown, r->n_windows, "windows");
	html_section_end(out);
}

static void share_cell(struct buf *out, uint64_t part, uint64_t whole)
{
	buf_puts(out, "<td class=\"n\">");
	if (whole)
		html_percent(out, (double)part / whole);
	else
		buf_puts(out, dash);
	buf_puts(out, "</td>");
}

static void latency_cell(struct buf *out, const struct result_latency *l, uint64_t ns)
{
	if (l->samples && ns == NO_NS)
		buf_puts(out, "<td class=\"n\">unhealthy</td>");
	else
		html_cell_millis(out, l->samples ? ns : NO_NS);
}

static void probe_totals(const struct results *r, struct buf *out)
{
	const struct result_probe_summary *p;

	html_table(out, "Probes",
		   "Probe|>Healthy|>Unhealthy|>Recovery P50 (s)|>P99 (s)|>Max (s)|>Not recovered|>Detection "
		   "max (s)|"
		   ">Unnoticed|>Latency P95, baseline (ms)|>in windows (ms)");
	for (size_t i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		buf_puts(out, "<tr>");
		html_row_head(out, p->name);
		html_cell_count(out, p->up);
		html_cell_count(out, p->down);
		html_cell_seconds(out, p->recovery.p50_ns, NO_NS);
		html_cell_seconds(out, p->recovery.p99_ns, NO_NS);
		html_cell_seconds(out, p->recovery.max_ns, NO_NS);
		html_cell_count(out, p->recovery.missing);
		html_cell_seconds(out, p->detection.max_ns, NO_NS);
		html_cell_count(out, p->detection.missing);
		latency_cell(out, &p->baseline, p->baseline.p95_ns);
		latency_cell(out, &p->faults, p->faults.p95_ns);
		buf_puts(out, "</tr>\n");
	}
	html_table_end(out);
}

static void probe_row(const struct results *r, const struct result_window *w, size_t i, struct buf *out)
{
	const struct result_probe *p = &w->probes[i];

	buf_puts(out, "<tr>");
	html_window_head(out, r, w);
	html_cell(out, r->probes[i].name);
	html_cell_seconds(out, p->detection_ns, p->unhealthy_seq);
	recovered_cell(out, !w->shadow, w->shadow ? NO_NS : p->recovery_ns, p->healthy_seq);
	html_cell_seconds(out, w->shadow ? NO_NS : p->recovery_after_inject_ns, NO_NS);
	share_cell(out, p->up, p->up + p->down);
	html_cell_count(out, p->up + p->down);
	buf_puts(out, "</tr>\n");
}

void html_probes(const struct results *r, struct buf *out)
{
	size_t shown = 0, i, p;

	if (!r->n_probes)
		return;
	html_section(out, "probes", "Recovery by Probe");
	probe_totals(r, out);
	if (r->n_windows)
		html_table(out, "Windows as seen by probes",
			   "Window|Probe|>Detection (s)|>Recovery (s)|>Recovery after inject (s)|"
			   ">Availability in the window|>Samples in it");
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->n_probes && shown < HTML_MAX_ROWS; p++, shown++)
			probe_row(r, r->windows[i], p, out);
	}
	if (r->n_windows)
		html_table_end(out);
	html_more_rows(out, shown, r->n_windows * r->n_probes, "rows");
	html_section_end(out);
}

static void counter_head(const struct results *r, struct buf *out)
{
	struct buf columns = {0};

	buf_puts(&columns, "Window|Target");
	for (size_t i = 0; i < n_result_counters; i++) {
		if (counter_counted(r, i))
			buf_printf(&columns, "|>%s", result_counters[i].name);
	}
	buf_puts(&columns, "|>First hit after opening (ms)|>Last hit before closing (ms)|Adds up");
	if (columns.failed)
		out->failed = true;
	else
		html_table(out, "Counters", columns.data);
	buf_free(&columns);
}

static void span_cell(struct buf *out, uint64_t from_ns, uint64_t to_ns)
{
	bool known = from_ns != NO_NS && to_ns != NO_NS;

	if (known && to_ns < from_ns)
		buf_puts(out, "<td class=\"n bad\">outside</td>");
	else
		html_cell_millis(out, known ? to_ns - from_ns : NO_NS);
}

static void counter_row(const struct results *r, const struct result_window *w, const struct result_part *p,
			struct buf *out)
{
	buf_puts(out, "<tr>");
	html_window_head(out, r, w);
	buf_puts(out, "<td>");
	html_text(out, p->target);
	html_seq(out, p->closed ? p->close_seq : NO_NS);
	buf_puts(out, "</td>");
	for (size_t i = 0; i < n_result_counters; i++) {
		if (counter_counted(r, i))
			html_cell_count(out, p->counted ? result_counter(&p->n, i) : NO_NS);
	}
	span_cell(out, p->opened_ns, p->first_hit_ns);
	span_cell(out, p->last_hit_ns, p->closed_ns);
	if (p->counted)
		html_cell_yes(out, p->balanced);
	else
		html_cell(out, NULL);
	buf_puts(out, "</tr>\n");
}

void html_counters(const struct results *r, struct buf *out)
{
	size_t shown = 0, all = 0, i, p;

	if (!r->n_windows)
		return;
	html_section(out, "counters", "Counters");
	buf_puts(
		out,
		"<p>Packets, except bytes, flows and idle connections reset, as the kernel counted them. In "
		"every row, matched must be the sum of passed, dropped, reset, refused, delayed, duplicated, "
		"altered and suppressed. A counter that has no column is 0 everywhere, or no window's fault "
		"has it.");
	counter_notes(r, out);
	buf_puts(out, "</p>\n");
	counter_head(r, out);
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->windows[i]->n_parts; p++, all++) {
			if (shown < HTML_MAX_ROWS && ++shown)
				counter_row(r, r->windows[i], &r->windows[i]->parts[p], out);
		}
	}
	html_table_end(out);
	html_more_rows(out, shown, all, "rows");
	html_section_end(out);
}
