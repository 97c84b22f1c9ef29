/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/sections.h"

#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/md.h"

const struct result_slo *target_slo(const struct results *r)
{
	const struct result_slo *slo, *found = NULL;

	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		if (strcmp(slo->key, "recovery_p99") != 0)
			continue;
		if (!slo->step && !slo->probe)
			return slo;
		if (!found)
			found = slo;
	}
	return found;
}

static void slo_number(const struct result_slo *slo, uint64_t value, struct buf *out)
{
	if (slo->unit != UNIT_COUNT || value == NO_NS)
		md_seconds(out, value);
	else
		buf_printf(out, "%" PRIu64, value);
	if (slo->unit != UNIT_COUNT && value != NO_NS)
		buf_puts(out, " s");
}

static void slo_table(const struct results *r, struct buf *out)
{
	const struct result_slo *slo;

	if (!r->n_slos)
		return;
	buf_puts(out, "\n");
	md_table(out, "SLO|Step|Probe|Limit|Value|Samples|Without a value|Result");
	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		buf_puts(out, "| ");
		md_text(out, slo->key);
		buf_puts(out, " | ");
		md_text(out, slo->step ? slo->step : "all");
		buf_puts(out, " | ");
		md_text(out, slo->probe ? slo->probe : "all");
		buf_puts(out, " | ");
		slo_number(slo, slo->limit, out);
		buf_puts(out, " | ");
		slo_number(slo, slo->value, out);
		buf_printf(out, " | %" PRIu64 " | %" PRIu64 " | %s |\n", slo->samples, slo->missing,
			   slo->pass ? "PASS" : "FAIL");
	}
}

void section_summary(const struct results *r, struct buf *out)
{
	const struct result_slo *target = target_slo(r);

	buf_printf(out, "\n## Summary\n\n- Samples: %" PRIu64 "\n- Recovery P99 (s): ", r->recovery.samples);
	md_seconds(out, r->recovery.p99_ns);
	buf_puts(out, "\n- Target P99 (s): ");
	md_seconds(out, target ? target->limit : NO_NS);
	buf_printf(out, "\n- Meets target: %s\n", !target ? "-" : target->pass ? "yes" : "no");
	md_item(out, "Verdict", result_outcome_name(r->outcome));
	if (r->reason)
		md_item(out, "Reason", r->reason);
	buf_printf(out, "- Windows: %zu", r->n_windows);
	if (r->n_probes)
		buf_printf(out, ", of them %" PRIu64 " not seen to recover\n", r->unrecovered);
	else
		buf_puts(out, "; recovery was not measured, since no probe watched\n");
	slo_table(r, out);
}

static const char *target_words(const struct results *r, const char *name)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		if (strcmp(r->targets[i].name, name) == 0)
			return r->targets[i].words;
	}
	return NULL;
}

static uint64_t planned_length(const struct results *r, const struct result_window *w)
{
	for (size_t i = 0; i < r->n_steps; i++) {
		if (strcmp(r->steps[i].name, w->step) == 0)
			return r->steps[i].for_ns;
	}
	return NO_NS;
}

static void window_name(const struct result_window *w, struct buf *out)
{
	buf_puts(out, "| ");
	md_text(out, w->step);
	buf_printf(out, " #%u | ", w->instance);
}

static void parameters(const struct results *r, const struct result_window *w, struct buf *out)
{
	uint64_t length = planned_length(r, w);
	const char *words;
	char text[32];

	md_text(out, w->words);
	if (length != NO_NS) {
		format_duration(length, text, sizeof(text));
		buf_printf(out, " for %s", text);
	}
	for (size_t i = 0; i < w->n_parts; i++) {
		words = target_words(r, w->parts[i].target);
		buf_puts(out, i ? "; " : " on ");
		md_text(out, w->parts[i].target);
		if (words) {
			buf_puts(out, " (");
			md_text(out, words);
			buf_puts(out, ")");
		}
	}
}

/* The slowest probe's; NO_NS if one saw no recovery, or there is none. */
static uint64_t window_recovery(const struct results *r, const struct result_window *w)
{
	uint64_t slowest = 0;

	for (size_t i = 0; i < r->n_probes; i++) {
		if (w->probes[i].recovery_ns > slowest)
			slowest = w->probes[i].recovery_ns;
	}
	return r->n_probes ? slowest : NO_NS;
}

struct remarks {
	struct buf *out;
	bool any;
};

static void remark(struct remarks *m, const char *subject, const char *text)
{
	buf_puts(m->out, m->any ? "; " : "");
	if (subject) {
		md_text(m->out, subject);
		buf_puts(m->out, " ");
	}
	buf_puts(m->out, text);
	m->any = true;
}

static void remark_count(struct remarks *m, const char *target, uint64_t count, const char *text)
{
	if (!count)
		return;
	remark(m, target, "had ");
	buf_printf(m->out, "%" PRIu64 " %s", count, text);
}

static void probe_remarks(struct remarks *m, const struct results *r, const struct result_window *w)
{
	const struct result_probe *p;
	size_t i;

	for (i = 0; i < r->n_probes; i++) {
		p = &w->probes[i];
		if (p->already_down)
			remark(m, r->probes[i].name, "was unhealthy before the window opened");
		if (p->detection_ns == NO_NS)
			remark(m, r->probes[i].name, "noticed nothing");
		else if (w->closed_ns != NO_NS && p->unhealthy_at > w->closed_ns)
			remark(m, r->probes[i].name, "became unhealthy only after the window closed");
		if (p->censored)
			remark(m, r->probes[i].name, "was not seen to recover");
	}
}

static void part_remarks(struct remarks *m, const struct result_part *p)
{
	if (!p->closed)
		remark(m, p->target, "has no closing in the log");
	if (p->cut)
		remark(m, p->target, "was cut short");
	if (!p->counted)
		return;
	if (p->first_hit_ns == NO_NS && !p->n.idle_reset)
		remark(m, p->target, p->n.matched ? "had no packet that was hit" : "had no packet at all");
	if (p->outside)
		remark(m, p->target, "had a hit outside the window");
	if (!p->balanced)
		remark(m, p->target, "has counters that don't add up");
	remark_count(m, p->target, p->n.suppressed, "packets suppressed by the budget");
	remark_count(m, p->target, p->n.untracked, "packets of flows that found no room in the flow table");
	remark_count(m, p->target, p->n.failed, "packets that couldn't be rewritten");
	if (!p->receipt)
		return;
	remark_count(m, p->target, p->receipt->lost + p->receipt->full,
		     "packets lost by the delay line, apart from the fault");
	remark_count(m, p->target, p->receipt->stale, "packets passed undelayed");
}

static void matrix_row(const struct results *r, const struct result_window *w, struct buf *out)
{
	uint64_t recovery = window_recovery(r, w);
	struct remarks m = {out, false};

	window_name(w, out);
	parameters(r, w, out);
	buf_puts(out, " | ");
	md_utc(out, w->opened_ts_ns);
	buf_puts(out, " | ");
	md_utc(out, w->closed_ts_ns);
	buf_printf(out, " | %s | ", !r->n_probes ? "-" : recovery == NO_NS ? "no" : "yes");
	md_seconds(out, recovery);
	buf_puts(out, " | ");
	probe_remarks(&m, r, w);
	for (size_t i = 0; i < w->n_parts; i++)
		part_remarks(&m, &w->parts[i]);
	buf_puts(out, m.any ? " |\n" : "- |\n");
}

void section_matrix(const struct results *r, struct buf *out)
{
	buf_puts(out, "\n## Scenario Matrix\n\n");
	md_table(out, "Scenario|Parameters|Start Time (UTC)|End Time (UTC)|Recovered|Recovery Seconds|Notes");
	for (size_t i = 0; i < r->n_windows; i++)
		matrix_row(r, r->windows[i], out);
}

/* Counters that are zero in most runs have a column only if one isn't. */
static bool shown(const struct results *r, size_t counter)
{
	static const char *const rare[] = {"delayed", "duplicated", "altered", "untracked", "failed"};
	size_t i, p;

	for (i = 0; i < sizeof(rare) / sizeof(*rare); i++) {
		if (strcmp(rare[i], result_counters[counter].name) == 0)
			break;
	}
	if (i == sizeof(rare) / sizeof(*rare))
		return true;
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->windows[i]->n_parts; p++) {
			if (result_counter(&r->windows[i]->parts[p].n, counter))
				return true;
		}
	}
	return false;
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
	size_t i;

	window_name(w, out);
	md_text(out, p->target);
	for (i = 0; i < n_result_counters; i++) {
		if (!shown(r, i))
			continue;
		if (p->counted)
			buf_printf(out, " | %" PRIu64, result_counter(&p->n, i));
		else
			buf_puts(out, " | -");
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
		      "matched must be the sum of its verdicts in every row.\n\n");
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

static void probe_row(const struct result_window *w, const struct result_probe *p, const char *name,
		      struct buf *out)
{
	window_name(w, out);
	md_text(out, name);
	buf_puts(out, " | ");
	md_seconds(out, p->detection_ns);
	buf_puts(out, " | ");
	md_seconds(out, p->recovery_ns);
	buf_puts(out, " | ");
	md_seconds(out, p->recovery_after_inject_ns);
	buf_puts(out, " |\n");
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
	md_table(out, "Window|Probe|Detection (s)|Recovery (s)|Recovery after inject (s)");
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->n_probes; p++)
			probe_row(r->windows[i], &r->windows[i]->probes[p], r->probes[p].name, out);
	}
}
