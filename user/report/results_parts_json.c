/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/json_fields.h"
#include "report/results_json.h"

void json_samples(struct json *j, const char *key, const char *missing, const struct result_samples *s)
{
	static const struct json_field percentiles[] = {
		JSON_FIELD(struct result_samples, "p50_ns", p50_ns),
		JSON_FIELD(struct result_samples, "p95_ns", p95_ns),
		JSON_FIELD(struct result_samples, "p99_ns", p99_ns),
		JSON_FIELD(struct result_samples, "max_ns", max_ns),
	};

	json_object(j, key);
	json_u64(j, "samples", s->samples);
	json_u64(j, missing, s->missing);
	json_fields(j, s, percentiles);
	json_end_object(j);
}

static void put_path(struct json *j, const struct result_path *path)
{
	static const struct json_field counts[] = {
		JSON_FIELD(struct result_path, "before", before),
		JSON_FIELD(struct result_path, "attempts", attempts),
		JSON_FIELD(struct result_path, "established", established),
		JSON_FIELD(struct result_path, "refused", refused),
		JSON_FIELD(struct result_path, "reset", reset),
		JSON_FIELD(struct result_path, "closed", closed),
		JSON_FIELD(struct result_path, "open", open),
		JSON_FIELD(struct result_path, "packets_in", packets_in),
		JSON_FIELD(struct result_path, "packets_out", packets_out),
		JSON_FIELD(struct result_path, "bytes_in", bytes_in),
		JSON_FIELD(struct result_path, "bytes_out", bytes_out),
		JSON_FIELD(struct result_path, "resent_in", resent_in),
		JSON_FIELD(struct result_path, "resent_out", resent_out),
	};

	json_object(j, NULL);
	json_string(j, "path", path->name);
	json_string(j, "target", path->target);
	json_bool(j, "incoming", path->incoming);
	json_string(j, "process", path->process);
	json_fields(j, path, counts);
	json_end_object(j);
}

void json_paths(struct json *j, const struct results *r)
{
	json_array(j, "paths");
	for (size_t i = 0; i < r->n_paths; i++)
		put_path(j, &r->paths[i]);
	json_end_array(j);
}

static void put_backoff(struct json *j, const struct result_backoff *b)
{
	static const struct json_field times[] = {
		JSON_FIELD(struct result_backoff, "intervals", intervals),
		JSON_FIELD(struct result_backoff, "first_ns", first_ns),
		JSON_FIELD(struct result_backoff, "median_ns", median_ns),
		JSON_FIELD(struct result_backoff, "max_ns", max_ns),
		JSON_FIELD(struct result_backoff, "cap_ns", cap_ns),
	};

	json_object(j, "backoff");
	json_string(j, "kind", result_backoff_name(b->kind));
	json_fields(j, b, times);
	if (b->kind == BACKOFF_EXPONENTIAL)
		json_double(j, "factor", b->factor);
	else
		json_null(j, "factor");
	if (b->kind == BACKOFF_LINEAR)
		json_i64(j, "step_ns", b->step_ns);
	else
		json_null(j, "step_ns");
	json_double(j, "jitter", b->jitter);
	json_bool(j, "has_jitter", b->has_jitter);
	json_end_object(j);
}

static void put_attempts(struct json *j, const struct result_flow *f)
{
	uint64_t n = f->attempts < RESULT_MOST_ATTEMPTS ? f->attempts : RESULT_MOST_ATTEMPTS;

	json_array(j, "attempts_at_ns");
	for (uint64_t i = 0; f->attempts_at && i < n; i++)
		json_u64(j, NULL, f->attempts_at[i]);
	json_end_array(j);
}

static void put_flow(struct json *j, const struct results *r, const struct result_flow *f)
{
	static const struct json_field notice[] = {
		JSON_FIELD(struct result_flow, "noticed_at_ns", noticed_at),
		JSON_FIELD(struct result_flow, "noticed_seq", noticed_seq),
		JSON_FIELD(struct result_flow, "resent_at_ns", resent_at),
		JSON_FIELD(struct result_flow, "resent_seq", resent_seq),
		JSON_FIELD(struct result_flow, "recovered_at_ns", recovered_at),
		JSON_FIELD(struct result_flow, "recovered_seq", recovered_seq),
		JSON_FIELD(struct result_flow, "detection_ns", detection_ns),
		JSON_FIELD(struct result_flow, "recovery_ns", recovery_ns),
		JSON_FIELD(struct result_flow, "recovery_after_inject_ns", recovery_after_inject_ns),
		JSON_FIELD(struct result_flow, "gap_ns", gap_ns),
		JSON_FIELD(struct result_flow, "gap_seq", gap_seq),
		JSON_FIELD(struct result_flow, "attempts", attempts),
		JSON_FIELD(struct result_flow, "refused", refused),
		JSON_FIELD(struct result_flow, "attempts_seq", attempts_seq),
		JSON_FIELD(struct result_flow, "peak_per_s", peak_per_s),
	};

	json_object(j, NULL);
	json_string(j, "path", r->paths[f->path].name);
	json_string(j, "target", r->paths[f->path].target);
	json_bool(j, "hit", f->is_hit);
	json_ns(j, "hit_at_ns", f->is_hit ? f->hit_at : NO_NS);
	json_ns(j, "hit_seq", f->is_hit ? f->hit_seq : NO_NS);
	json_string(j, "notice", result_notice_name(f->notice));
	json_fields(j, f, notice);
	json_bool(j, "survived", f->survived);
	json_bool(j, "censored", f->censored);
	json_bool(j, "storm", f->storm);
	put_backoff(j, &f->backoff);
	put_attempts(j, f);
	json_end_object(j);
}

static void put_rates(struct json *j, const struct results *r, const struct result_window *w)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct result_rate, "attempts", attempts),
		JSON_FIELD(struct result_rate, "peak_per_s", peak_per_s),
		JSON_FIELD(struct result_rate, "peak_seq", peak_seq),
	};

	json_array(j, "rates");
	for (size_t i = 0; w->rates && i < r->n_targets; i++) {
		json_object(j, NULL);
		json_string(j, "target", r->targets[i].name);
		json_fields(j, &w->rates[i], fields);
		json_end_object(j);
	}
	json_end_array(j);
}

/* What no window of a target says. */
static void put_change(struct json *j, const struct results *r, const struct result_window *w)
{
	json_raw(j, "change", w->fault ? w->fault : "null");
	json_bool(j, "stands", w->stands);
	json_string(j, "undo", w->undo);
	json_ns(j, "open_seq", w->open_seq);
	json_ns(j, "close_seq", w->close_seq);
	json_window_probes(j, r, w);
}

static void put_window(struct json *j, const struct results *r, const struct result_window *w)
{
	json_object(j, NULL);
	json_string(j, "step", w->step);
	json_u64(j, "instance", w->instance);
	json_ns(j, "opened_ns", w->opened_ns);
	json_ns(j, "closed_ns", w->closed_ns);
	json_bool(j, "closed", w->closed);
	json_bool(j, "cut", w->cut);
	json_string(j, "kind", w->kind);
	json_bool(j, "shadow", w->shadow);
	if (!w->n_parts)
		put_change(j, r, w);
	put_rates(j, r, w);
	json_array(j, "flows");
	for (size_t i = 0; i < w->n_flows; i++)
		put_flow(j, r, &w->flows[i]);
	json_end_array(j);
	json_end_object(j);
}

void json_windows(struct json *j, const struct results *r)
{
	json_array(j, "windows");
	for (size_t i = 0; i < r->n_windows; i++)
		put_window(j, r, r->windows[i]);
	json_end_array(j);
}
