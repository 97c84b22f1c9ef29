/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/drill_results.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "report/course.h"
#include "report/verdict.h"
#include "report/words.h"
#include "slo/slo_words.h"

/* Strings of an array, one at a time. */
struct list {
	struct json *j;
	struct buf text;
	uint64_t n;
};

static void list_begin(struct list *l, struct json *j, const char *key)
{
	*l = (struct list){.j = j};
	json_array(j, key);
}

static void list_add(struct list *l)
{
	json_string(l->j, NULL, l->text.data);
	l->j->out->failed |= l->text.failed;
	buf_clear(&l->text);
	l->n++;
}

static void list_end(struct list *l)
{
	json_end_array(l->j);
	buf_free(&l->text);
}

/* Seconds since 1970, to the microsecond. */
static void put_epoch(struct json *j, const char *key, uint64_t ts_ns)
{
	char text[40];

	if (ts_ns == NO_NS) {
		json_null(j, key);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64 ".%06u", (uint64_t)(ts_ns / NS_PER_S),
		 (unsigned)(ts_ns % NS_PER_S / NS_PER_US));
	json_raw(j, key, text);
}

static void put_after(struct list *l, uint64_t ns, const char *of, uint64_t seq)
{
	char text[32];

	format_duration(ns, text, sizeof(text));
	buf_printf(&l->text, " %s after the %s", text, of);
	if (seq != NO_NS)
		buf_printf(&l->text, " (event %" PRIu64 ")", seq);
}

static void put_expected(struct json *j, const struct results *r, const struct result_window *w)
{
	struct list l;
	size_t i;

	list_begin(&l, j, "expected_observations");
	for (i = 0; i < r->n_probes; i++) {
		buf_printf(&l.text, "%s becomes unhealthy%s", r->probes[i].name,
			   w->stands ? "" : " while the window is open");
		list_add(&l);
		buf_printf(&l.text, "%s is healthy again after it", r->probes[i].name);
		list_add(&l);
	}
	for (i = 0; i < w->n_flows; i++) {
		if (!w->flows[i].is_hit)
			continue;
		buf_printf(&l.text, "%s carries data again after the window",
			   r->paths[w->flows[i].path].name);
		list_add(&l);
	}
	list_end(&l);
}

static void observe_part(struct list *l, const struct result_part *p)
{
	buf_printf(&l->text, "%s: ", p->target);
	if (p->counted)
		buf_printf(&l->text, "%" PRIu64 " of %" PRIu64 " packets were hit",
			   p->n.matched - p->n.passed - p->n.suppressed, p->n.matched);
	else
		buf_puts(&l->text, "its counters are not in the log");
	list_add(l);
}

static void observe_probe(struct list *l, const char *name, const struct result_window *w,
			  const struct result_probe *p)
{
	if (p->detection_ns != NO_NS) {
		buf_printf(&l->text, "%s was unhealthy", name);
		put_after(l, p->detection_ns, "opening", p->unhealthy_seq);
	} else {
		buf_printf(&l->text, "%s noticed nothing", name);
	}
	list_add(l);
	if (p->recovery_ns != NO_NS) {
		buf_printf(&l->text, "%s was healthy", name);
		put_after(l, p->recovery_ns, w->stands ? "opening" : "closing", p->healthy_seq);
	} else {
		buf_printf(&l->text, "%s was not seen to recover", name);
	}
	list_add(l);
}

static void observe_flow(struct list *l, const char *path, const struct result_flow *f)
{
	if (f->notice != NOTICE_NONE) {
		buf_printf(&l->text, "%s noticed it (%s)", path, result_notice_name(f->notice));
		if (f->detection_ns != NO_NS)
			put_after(l, f->detection_ns, "opening", f->noticed_seq);
		list_add(l);
	}
	if (f->attempts) {
		buf_printf(&l->text, "%s made %" PRIu64 " attempts, back-off: ", path, f->attempts);
		slo_words_backoff(&l->text, &f->backoff);
		list_add(l);
	}
	if (!f->is_hit)
		return;
	if (f->recovery_ns != NO_NS) {
		buf_printf(&l->text, "%s carried data", path);
		put_after(l, f->recovery_ns, "closing", f->recovered_seq);
	} else {
		buf_printf(&l->text, "%s was not seen to recover", path);
	}
	list_add(l);
}

static void put_observed(struct json *j, const struct results *r, const struct result_window *w)
{
	struct list l;
	size_t i;

	list_begin(&l, j, "actual_observations");
	for (i = 0; i < w->n_parts; i++)
		observe_part(&l, &w->parts[i]);
	for (i = 0; i < r->n_probes; i++)
		observe_probe(&l, r->probes[i].name, w, &w->probes[i]);
	for (i = 0; i < w->n_flows; i++)
		observe_flow(&l, r->paths[w->flows[i].path].name, &w->flows[i]);
	list_end(&l);
}

static void put_conditions(struct json *j, const struct results *r, const struct result_window *w)
{
	const struct result_slo *slo;
	struct list l;

	list_begin(&l, j, "success_conditions");
	buf_puts(&l.text, "every probe, and every connection path that was hit, recovers");
	list_add(&l);
	buf_puts(&l.text, "the evidence is complete, and all counters add up");
	list_add(&l);
	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		if (!slo_concerns(slo, w))
			continue;
		buf_printf(&l.text, "%s %s", slo->key, slo->limit_words ? slo->limit_words : "-");
		list_add(&l);
	}
	for (size_t i = 0; i < r->n_expects; i++) {
		const struct result_expect *e = &r->expects[i];

		if (!window_expects(r, w, e))
			continue;
		buf_printf(&l.text, "%s #%u: %s", e->step, e->instance, e->words ? e->words : "-");
		list_add(&l);
	}
	list_end(&l);
}

/* How many there are: without one, the window is a success. */
static uint64_t put_errors(struct json *j, const struct results *r, const struct result_window *w)
{
	const struct result_slo *slo;
	struct list l;
	size_t i;

	list_begin(&l, j, "errors");
	if (window_failed(r, w, &l.text))
		list_add(&l);
	for (i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		if (!window_misses(r, w, slo))
			continue;
		buf_printf(&l.text, "%s ", slo->key);
		slo_value(slo, &l.text);
		list_add(&l);
	}
	for (i = 0; i < r->n_expects; i++) {
		if (r->expects[i].pass || !window_expects(r, w, &r->expects[i]))
			continue;
		expect_failure(&r->expects[i], &l.text);
		list_add(&l);
	}
	if (w->cut) {
		buf_printf(&l.text, "the window was cut short: %s",
			   r->reason ? r->reason : "by the operator");
		list_add(&l);
	}
	for (i = 0; i < r->n_incomplete; i++) {
		buf_printf(&l.text, "incomplete evidence: %s", r->incomplete[i]);
		list_add(&l);
	}
	list_end(&l);
	return l.n;
}

static const char *status_of(const struct results *r, const struct result_window *w, bool success)
{
	if (w->cut || !w->closed)
		return result_outcome_name(r->outcome);
	return success ? "passed" : "failed";
}

static void put_result(struct json *j, const struct results *r, const struct result_window *w)
{
	uint64_t recovery = window_recovery(r, w);
	bool success;

	json_object(j, NULL);
	json_string(j, "drill_type", w->step);
	put_epoch(j, "start_time", w->opened_ts_ns);
	put_epoch(j, "end_time", w->closed_ts_ns);
	put_expected(j, r, w);
	put_observed(j, r, w);
	put_conditions(j, r, w);
	success = put_errors(j, r, w) == 0;
	json_string(j, "status", status_of(r, w, success));
	json_bool(j, "success", success);
	if (recovery == NO_NS)
		json_null(j, "recovery_time");
	else
		json_double(j, "recovery_time", (double)recovery / (double)NS_PER_S);
	json_string(j, "run", r->run);
	json_u64(j, "instance", w->instance);
	json_end_object(j);
}

/* The end of the last run. */
static uint64_t last_end(const struct results *const *runs, size_t n)
{
	uint64_t last = NO_NS;

	for (size_t i = 0; i < n; i++) {
		if (runs[i]->end_ts_ns != NO_NS && (last == NO_NS || runs[i]->end_ts_ns > last))
			last = runs[i]->end_ts_ns;
	}
	return last;
}

void report_drill_results(const struct results *const *runs, size_t n, struct buf *out)
{
	struct json j;
	size_t i, w;

	json_begin(&j, out);
	json_object(&j, NULL);
	put_epoch(&j, "timestamp", last_end(runs, n));
	json_array(&j, "results");
	for (i = 0; i < n; i++) {
		for (w = 0; w < runs[i]->n_windows; w++) {
			if (!runs[i]->windows[w]->shadow)
				put_result(&j, runs[i], runs[i]->windows[w]);
		}
	}
	json_end_array(&j);
	json_end_object(&j);
	buf_puts(out, "\n");
}
