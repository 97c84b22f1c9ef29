/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/mm_bot.h"

#include <ctype.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/intensity.h"
#include "report/json_fields.h"
#include "report/verdict.h"
#include "report/words.h"

void mm_bot_scenario(const char *step, struct buf *out)
{
	char c;

	for (; *step; step++) {
		c = isalnum((unsigned char)*step) ? (char)tolower((unsigned char)*step) : '_';
		buf_add(out, &c, 1);
	}
}

static void put_seconds(struct json *j, const char *key, uint64_t ns)
{
	if (ns == NO_NS)
		json_null(j, key);
	else
		json_double(j, key, (double)ns / (double)NS_PER_S);
}

/* While a window of the step was open; NULL: the plan has no such step. */
static const struct result_latency *step_latency(const struct results *r, const char *name)
{
	for (size_t i = 0; i < r->n_steps; i++) {
		if (strcmp(r->steps[i].name, name) == 0)
			return r->steps[i].latency;
	}
	return NULL;
}

/*
 * The slowest probe's P95 while faults acted; NO_NS: there was no sample. Where it falls on a failed sample, it is at least
 * the time that the probe waits for an answer.
 */
static uint64_t latency_p95(const struct results *r, const struct result_window *w, bool *ret_failed)
{
	const struct result_latency *latency = step_latency(r, w->step);
	const struct result_probe_summary *p;
	uint64_t slowest = NO_NS, p95;

	*ret_failed = false;
	for (size_t i = 0; latency && i < r->n_probes; i++) {
		p = &r->probes[i];
		if (!latency[i].samples)
			continue;
		p95 = latency[i].p95_ns;
		if (p95 == NO_NS) {
			*ret_failed = true;
			p95 = p->timeout_ns != NO_NS ? p->timeout_ns : p->every_ns;
		}
		if (p95 != NO_NS && (slowest == NO_NS || p95 > slowest))
			slowest = p95;
	}
	return slowest;
}

/* Of the worst probe's samples in the window, as a percentage. */
static double missed_percent(const struct results *r, const struct result_window *w)
{
	double worst = 0, missed;

	for (size_t i = 0; i < r->n_probes; i++) {
		const struct result_probe *p = &w->probes[i];

		missed = p->up + p->down ? 100.0 * (double)p->down / (double)(p->up + p->down) : 0;
		if (missed > worst)
			worst = missed;
	}
	return worst;
}

/* A recovery that was not seen is longer than the search for it. */
static uint64_t recovery_at_least(const struct results *r, const struct result_window *w, uint64_t recovery)
{
	uint64_t until = window_observed_until(r, w);

	if (recovery != NO_NS)
		return recovery;
	return until == NO_NS || window_end(w) == NO_NS || until <= window_end(w) ? 0 : until - window_end(w);
}

/* Periods of the probe, begun ones counted as whole; of the slowest probe. */
static uint64_t recovery_ticks(const struct results *r, const struct result_window *w)
{
	uint64_t most = 0, every, recovery, ticks;

	for (size_t i = 0; i < r->n_probes; i++) {
		every = r->probes[i].every_ns;
		if (!every || every == NO_NS)
			continue;
		recovery = recovery_at_least(r, w, w->probes[i].recovery_ns);
		ticks = recovery / every + (recovery % every != 0);
		if (w->probes[i].censored)
			ticks++;
		if (ticks > most)
			most = ticks;
	}
	return most;
}

/* What wasn't measured is left out; the reader takes it for 0, which `measured` tells apart. */
static void put_metrics(struct json *j, const struct results *r, const struct result_window *w)
{
	bool failed = false;
	uint64_t p95 = latency_p95(r, w, &failed);

	json_object(j, "metrics");
	if (p95 != NO_NS) {
		json_double(j, "p95_tick_ms", (double)p95 / (double)NS_PER_MS);
		json_bool(j, "p95_is_of_a_failed_sample", failed);
	}
	if (r->n_probes) {
		json_double(j, "deadline_miss_pct", missed_percent(r, w));
		json_u64(j, "recovery_ticks", recovery_ticks(r, w));
	}
	json_bool(j, "measured", window_measured(r, w));
	json_bool(j, "recovered", window_recovery(r, w) != NO_NS);
	put_seconds(j, "recovery_sec", window_recovery(r, w));
	put_seconds(j, "recovery_after_inject_sec", window_after_inject(r, w));
	json_end_object(j);
}

static bool passed(const struct results *r, const struct result_window *w)
{
	struct buf why = {0};
	bool failed = r->n_incomplete || window_failed(r, w, &why);

	for (size_t i = 0; !failed && i < r->n_slos; i++)
		failed = window_misses(r, w, &r->slos[i]);
	for (size_t i = 0; !failed && i < r->n_expects; i++)
		failed = !r->expects[i].pass && window_expects(r, w, &r->expects[i]);
	buf_free(&why);
	return !failed;
}

static void put_window(const struct results *r, const struct result_window *w, struct buf *out)
{
	struct buf scenario = {0};
	struct json j;

	mm_bot_scenario(w->step, &scenario);
	out->failed |= scenario.failed;
	json_begin(&j, out);
	json_object(&j, NULL);
	json_string(&j, "scenario", scenario.data ? scenario.data : "");
	json_double(&j, "intensity", fault_intensity(w->fault));
	put_seconds(&j, "duration_sec",
		    w->closed_ns == NO_NS || w->closed_ns < w->opened_ns ? 0 : w->closed_ns - w->opened_ns);
	json_string(&j, "result", passed(r, w) ? "pass" : "fail");
	put_metrics(&j, r, w);
	json_string(&j, "run", r->run);
	json_string(&j, "step", w->step);
	json_u64(&j, "instance", w->instance);
	json_raw(&j, "fault", w->fault ? w->fault : "null");
	json_ns(&j, "opened_ts_ns", w->opened_ts_ns);
	json_ns(&j, "closed_ts_ns", w->closed_ts_ns);
	json_bool(&j, "complete", r->n_incomplete == 0);
	json_end_object(&j);
	buf_puts(out, "\n");
	buf_free(&scenario);
}

void report_mm_bot(const struct results *const *runs, size_t n, struct documents *out)
{
	size_t i, w, number = 0;
	struct buf *text;

	for (i = 0; i < n; i++) {
		for (w = 0; w < runs[i]->n_windows; w++) {
			if (runs[i]->windows[w]->shadow)
				continue;
			text = documents_add(out, "runs/%zu.json", ++number);
			if (text)
				put_window(runs[i], runs[i]->windows[w], text);
		}
	}
	text = documents_add(out, "findings.json");
	if (text)
		mm_bot_findings(runs, n, text);
}
