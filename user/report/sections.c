/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/sections.h"

#include <inttypes.h>
#include <string.h>

#include "report/course.h"
#include "report/md.h"
#include "report/words.h"

/* How many things narrow the SLO down; flows where the Summary is about probes are one. */
static unsigned narrowness(const struct results *r, const struct result_slo *slo)
{
	return !!slo->step + !!slo->probe + !!slo->target + (slo->by_flow && r->n_probes);
}

const struct result_slo *target_slo(const struct results *r)
{
	const struct result_slo *slo, *found = NULL;

	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		if (strcmp(slo->key, "recovery_p99") == 0 &&
		    (!found || narrowness(r, slo) < narrowness(r, found)))
			found = slo;
	}
	return found;
}

static void slo_row(const struct result_slo *slo, struct buf *out)
{
	const char *const cells[] = {slo->key,
				     slo->step ? slo->step : "all",
				     slo->probe     ? slo->probe
				     : slo->by_flow ? "flows"
						    : "all",
				     slo->target ? slo->target : "all",
				     slo->limit_words,
				     slo->value_words};

	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		buf_puts(out, i ? " | " : "| ");
		md_text(out, cells[i]);
	}
	buf_printf(out, " | %" PRIu64 " | %" PRIu64 " | ", slo->samples, slo->missing);
	md_text(out, slo->worst);
	md_seq(out, slo->worst ? slo->worst_seq : NO_NS);
	buf_printf(out, " | %s |\n", slo->pass ? "PASS" : "FAIL");
}

static void slo_table(const struct results *r, struct buf *out)
{
	if (!r->n_slos)
		return;
	buf_puts(out, "\n");
	md_table(out, "SLO|Step|Probe|Target|Limit|Value|Samples|Without a value|Decided by|Result");
	for (size_t i = 0; i < r->n_slos; i++)
		slo_row(&r->slos[i], out);
}

static void put_course(const struct results *r, struct buf *out)
{
	struct buf words = {0};

	abort_condition(r, &words);
	if (words.len)
		md_item(out, "Abort condition", words.data);
	if (r->n_expects)
		buf_printf(out, "- Expectations: %" PRIu64 " of %zu met\n", expects_met(r), r->n_expects);
	out->failed |= words.failed;
	buf_free(&words);
}

static bool measured(const struct results *r)
{
	return r->n_probes || (r->observed && r->flow_recovery.samples);
}

void section_summary(const struct results *r, struct buf *out)
{
	const struct result_slo *target = target_slo(r);

	buf_printf(out,
		   "\n## Summary\n\n- Samples: %" PRIu64 "\n- Recovery P99 (s): ", run_recovery(r)->samples);
	md_seconds(out, run_recovery(r)->p99_ns);
	buf_puts(out, "\n- Target P99 (s): ");
	md_seconds(out, target ? target->limit : NO_NS);
	buf_printf(out, "\n- Meets target: %s\n", !target ? "-" : target->pass ? "yes" : "no");
	md_item(out, "Verdict", result_outcome_name(r->outcome));
	if (r->reason)
		md_item(out, "Reason", r->reason);
	put_course(r, out);
	buf_printf(out, "- Windows: %zu", r->n_windows);
	if (measured(r))
		buf_printf(out, ", of them %" PRIu64 " not seen to recover%s\n", run_unrecovered(r),
			   r->n_probes ? "" : " (by flow: no probe watched)");
	else
		buf_printf(out, "; recovery was not measured, since no probe watched%s\n",
			   r->observed ? " and no flow was hit" : "");
	slo_table(r, out);
}

void section_window(const struct result_window *w, struct buf *out)
{
	buf_puts(out, "| ");
	md_text(out, w->step);
	buf_printf(out, " #%u | ", w->instance);
}

/* Words of words.h as a cell. */
static void words_cell(const struct results *r, const struct result_window *w, struct buf *out,
		       void (*say)(const struct results *r, const struct result_window *w, struct buf *out))
{
	struct buf words = {0};

	say(r, w, &words);
	md_text(out, words.data);
	out->failed |= words.failed;
	buf_free(&words);
}

static void matrix_row(const struct results *r, const struct result_window *w, struct buf *out)
{
	uint64_t recovery = window_recovery(r, w);

	section_window(w, out);
	words_cell(r, w, out, window_parameters);
	buf_puts(out, " | ");
	md_utc(out, w->opened_ts_ns);
	buf_puts(out, " | ");
	md_utc(out, w->closed_ts_ns);
	buf_printf(out, " | %s | ", !window_measured(r, w) ? "-" : recovery == NO_NS ? "no" : "yes");
	md_seconds(out, recovery);
	buf_puts(out, " | ");
	words_cell(r, w, out, window_remarks);
	buf_puts(out, " |\n");
}

void section_matrix(const struct results *r, struct buf *out)
{
	buf_puts(out, "\n## Scenario Matrix\n\n");
	md_table(out, "Scenario|Parameters|Start Time (UTC)|End Time (UTC)|Recovered|Recovery Seconds|Notes");
	for (size_t i = 0; i < r->n_windows; i++)
		matrix_row(r, r->windows[i], out);
}

/* Counters that are zero in most runs, or that few faults have, have a column only if there is something to show. */
static bool shown(const struct results *r, size_t counter)
{
	static const char *const rare[] = {"delayed", "duplicated", "altered", "untracked", "failed"};

	if (result_counters[counter].special)
		return counter_counted(r, counter);
	for (size_t i = 0; i < sizeof(rare) / sizeof(*rare); i++) {
		if (strcmp(rare[i], result_counters[counter].name) == 0)
			return counter_counted(r, counter);
	}
	return true;
}

static void hit(struct buf *out, uint64_t from_ns, uint64_t to_ns)
{
	buf_puts(out, " | ");
	if (from_ns == NO_NS || to_ns == NO_NS)
		buf_puts(out, "-");
	else
		md_millis(out, (int64_t)(to_ns - from_ns));
}

static void counters_row(const struct results *r, const struct result_window *w, const struct result_part *p,
			 struct buf *out)
{
	uint64_t n;
	size_t i;

	section_window(w, out);
	md_text(out, p->target);
	for (i = 0; i < n_result_counters; i++) {
		if (!shown(r, i))
			continue;
		n = p->counted ? result_counter(&p->n, i) : NO_NS;
		if (n == NO_NS)
			buf_puts(out, " | -");
		else
			buf_printf(out, " | %" PRIu64, n);
	}
	hit(out, p->opened_ns, p->first_hit_ns);
	hit(out, p->last_hit_ns, p->closed_ns);
	buf_printf(out, " | %s |\n", !p->counted ? "-" : p->balanced ? "yes" : "no");
}

void section_counters(const struct results *r, struct buf *out)
{
	struct buf columns = {0};
	size_t i, p;

	buf_puts(out, "\n## Counters\n\n");
	buf_puts(out, "Packets, except bytes, flows and idle connections reset. "
		      "matched must be the sum of its verdicts in every row.");
	counter_notes(r, out);
	buf_puts(out, "\n\n");
	buf_puts(&columns, "Window|Target");
	for (i = 0; i < n_result_counters; i++) {
		if (shown(r, i))
			buf_printf(&columns, "|%s", result_counters[i].name);
	}
	buf_puts(&columns, "|first hit after opening (ms)|last hit before closing (ms)|adds up");
	if (columns.failed)
		out->failed = true;
	else
		md_table(out, columns.data);
	buf_free(&columns);
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->windows[i]->n_parts; p++)
			counters_row(r, r->windows[i], &r->windows[i]->parts[p], out);
	}
}

static void probe_totals(const struct results *r, struct buf *out)
{
	const struct result_probe_summary *p;

	md_table(out,
		 "Probe|Healthy|Unhealthy|Windows|Not recovered|P50 (s)|P95 (s)|P99 (s)|Max (s)|Unnoticed|"
		 "Detection max (s)");
	for (size_t i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		buf_puts(out, "| ");
		md_text(out, p->name);
		buf_printf(out, " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | ", p->up, p->down,
			   p->recovery.samples, p->recovery.missing);
		md_seconds(out, p->recovery.p50_ns);
		buf_puts(out, " | ");
		md_seconds(out, p->recovery.p95_ns);
		buf_puts(out, " | ");
		md_seconds(out, p->recovery.p99_ns);
		buf_puts(out, " | ");
		md_seconds(out, p->recovery.max_ns);
		buf_printf(out, " | %" PRIu64 " | ", p->detection.missing);
		md_seconds(out, p->detection.max_ns);
		buf_puts(out, " |\n");
	}
}

/* Availability: of the samples while the window was open, the healthy ones. */
static void probe_row(const struct result_window *w, const struct result_probe *p, const char *name,
		      struct buf *out)
{
	section_window(w, out);
	md_text(out, name);
	buf_puts(out, " | ");
	md_seconds(out, p->detection_ns);
	buf_puts(out, " | ");
	md_seconds(out, p->recovery_ns);
	buf_puts(out, " | ");
	md_seconds(out, p->recovery_after_inject_ns);
	buf_puts(out, " | ");
	if (p->up + p->down)
		buf_printf(out, "%.4g %%", 100.0 * p->up / (p->up + p->down));
	else
		buf_puts(out, "-");
	buf_printf(out, " | %" PRIu64 " |\n", p->up + p->down);
}

void section_probes(const struct results *r, struct buf *out)
{
	size_t i, p;

	buf_puts(out, "\n## Recovery by Probe\n\n");
	if (!r->n_probes) {
		buf_puts(out, "The scenario has no probe: neither detection nor recovery was measured.\n");
		return;
	}
	probe_totals(r, out);
	buf_puts(out, "\n");
	md_table(out,
		 "Window|Probe|Detection (s)|Recovery (s)|Recovery after inject (s)|Availability|Samples");
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->n_probes; p++)
			probe_row(r->windows[i], &r->windows[i]->probes[p], r->probes[p].name, out);
	}
}
