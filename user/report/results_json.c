/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/results_json.h"
#include "base/json.h"
#include "report/json_fields.h"
#include "report/report.h"

static void put_pairs(struct json *j, const char *key, const struct result_pair *pairs, size_t n)
{
	json_object(j, key);
	for (size_t i = 0; i < n; i++)
		json_string(j, pairs[i].key, pairs[i].value);
	json_end_object(j);
}

void json_outcome(struct json *j, const struct results *r)
{
	json_string(j, "outcome", result_outcome_name(r->outcome));
	json_i64(j, "exit", r->exit);
	json_string(j, "reason", r->reason);
	json_bool(j, "complete", r->n_incomplete == 0);
}

static void put_head(struct json *j, const struct results *r)
{
	json_u64(j, "version", 1);
	json_string(j, "name", r->name);
	json_string(j, "run", r->run);
	json_outcome(j, r);
	json_bool(j, "balanced", r->balanced);
	json_u64(j, "seed", r->seed);
	json_ns(j, "start_ts_ns", r->start_ts_ns);
	json_ns(j, "end_ts_ns", r->end_ts_ns);
	json_string(j, "host", r->host);
	json_string(j, "operator", r->operator_name);
	json_strings(j, "interfaces", r->interfaces, r->n_interfaces);
	put_pairs(j, "meta", r->meta, r->n_meta);
}

/* The share of healthy samples; null without one. */
static void put_availability(struct json *j, uint64_t up, uint64_t down)
{
	if (up + down)
		json_double(j, "availability", (double)up / (double)(up + down));
	else
		json_null(j, "availability");
}

static void put_probe(struct json *j, const char *name, const struct result_probe *p)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct result_probe, "detection_ns", detection_ns),
		JSON_FIELD(struct result_probe, "recovery_ns", recovery_ns),
		JSON_FIELD(struct result_probe, "recovery_after_inject_ns", recovery_after_inject_ns),
	};
	static const struct json_field sources[] = {
		JSON_FIELD(struct result_probe, "unhealthy_seq", unhealthy_seq),
		JSON_FIELD(struct result_probe, "healthy_seq", healthy_seq),
		JSON_FIELD(struct result_probe, "healthy", up),
		JSON_FIELD(struct result_probe, "unhealthy", down),
	};

	json_object(j, NULL);
	json_string(j, "probe", name);
	json_fields(j, p, fields);
	json_bool(j, "censored", p->censored);
	json_bool(j, "already_down", p->already_down);
	json_fields(j, p, sources);
	put_availability(j, p->up, p->down);
	json_end_object(j);
}

void json_window_probes(struct json *j, const struct results *r, const struct result_window *w)
{
	json_array(j, "probes");
	for (size_t i = 0; i < r->n_probes; i++)
		put_probe(j, r->probes[i].name, &w->probes[i]);
	json_end_array(j);
}

static void put_chance(struct json *j, const char *name, const struct result_chance *c)
{
	if (!c->asked)
		return;
	json_object(j, name);
	json_double(j, "requested", c->requested);
	json_u64(j, "drawn", c->drawn);
	json_u64(j, "hit", c->hit);
	json_double(j, "spread", c->spread);
	if (c->drawn) {
		json_double(j, "achieved", c->achieved);
		json_double(j, "low", c->low);
		json_double(j, "high", c->high);
		json_bool(j, "inside", c->inside);
	}
	json_end_object(j);
}

static void put_receipt_line(struct json *j, const struct result_receipt *receipt)
{
	static const struct json_field counts[] = {
		JSON_FIELD(struct result_receipt, "entered", entered),
		JSON_FIELD(struct result_receipt, "returned", returned),
		JSON_FIELD(struct result_receipt, "lost", lost),
		JSON_FIELD(struct result_receipt, "full", full),
		JSON_FIELD(struct result_receipt, "stale", stale),
		JSON_FIELD(struct result_receipt, "overflow", overflow),
		JSON_FIELD(struct result_receipt, "clipped", clipped),
		JSON_FIELD(struct result_receipt, "raised", raised),
	};

	histogram_write(j, "requested", &receipt->requested, true, false);
	histogram_write(j, "achieved", &receipt->achieved, true, false);
	histogram_write(j, "late", &receipt->late, false, true);
	json_fields(j, receipt, counts);
}

static void put_receipt(struct json *j, const struct result_receipt *receipt)
{
	if (!receipt) {
		json_null(j, "receipt");
		return;
	}
	json_object(j, "receipt");
	if (receipt->line)
		put_receipt_line(j, receipt);
	json_object(j, "chance");
	for (int i = 0; i < CHANCES; i++)
		put_chance(j, result_chance_name(i), &receipt->chance[i]);
	json_end_object(j);
	json_end_object(j);
}

/* A counter that only some fault has is there for no other. */
static void put_counters(struct json *j, const struct result_part *p)
{
	for (size_t i = 0; i < n_result_counters; i++) {
		uint64_t n = p->counted ? result_counter(&p->n, i) : NO_NS;

		if (n != NO_NS || !result_counters[i].special)
			json_ns(j, result_counters[i].name, n);
	}
}

static void put_part(struct json *j, const struct results *r, const struct result_window *w,
		     const struct result_part *p)
{
	static const struct json_field times[] = {
		JSON_FIELD(struct result_part, "opened_ns", opened_ns),
		JSON_FIELD(struct result_part, "closed_ns", closed_ns),
		JSON_FIELD(struct result_part, "opened_ts_ns", opened_ts_ns),
		JSON_FIELD(struct result_part, "closed_ts_ns", closed_ts_ns),
	};
	static const struct json_field hits[] = {
		JSON_FIELD(struct result_part, "first_hit_ns", first_hit_ns),
		JSON_FIELD(struct result_part, "last_hit_ns", last_hit_ns),
		JSON_FIELD(struct result_part, "open_seq", open_seq),
		JSON_FIELD(struct result_part, "close_seq", close_seq),
	};

	json_object(j, NULL);
	json_string(j, "step", w->step);
	json_u64(j, "instance", w->instance);
	json_string(j, "target", p->target);
	json_raw(j, "fault", w->fault ? w->fault : "null");
	json_fields(j, p, times);
	json_bool(j, "cut", p->cut);
	json_fields(j, p, hits);
	put_counters(j, p);
	json_bool(j, "balanced", p->balanced);
	put_receipt(j, p->receipt);
	json_window_probes(j, r, w);
	json_end_object(j);
}

static void put_steps(struct json *j, const struct results *r)
{
	const struct result_window *w;
	size_t i, p;

	json_array(j, "steps");
	for (i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		for (p = 0; p < w->n_parts; p++)
			put_part(j, r, w, &w->parts[p]);
	}
	json_end_array(j);
}

static void put_latency(struct json *j, const struct result_latency *l)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct result_latency, "samples", samples),
		JSON_FIELD(struct result_latency, "p50_ns", p50_ns),
		JSON_FIELD(struct result_latency, "p95_ns", p95_ns),
		JSON_FIELD(struct result_latency, "p99_ns", p99_ns),
		JSON_FIELD(struct result_latency, "p50_seq", p50_seq),
		JSON_FIELD(struct result_latency, "p95_seq", p95_seq),
		JSON_FIELD(struct result_latency, "p99_seq", p99_seq),
	};

	json_fields(j, l, fields);
}

static void put_latencies(struct json *j, const struct results *r, size_t probe)
{
	const struct result_step *step;

	json_object(j, "latency_baseline");
	put_latency(j, &r->probes[probe].baseline);
	json_end_object(j);
	json_object(j, "latency_faults");
	put_latency(j, &r->probes[probe].faults);
	json_end_object(j);
	json_array(j, "latency_steps");
	for (size_t i = 0; i < r->n_steps; i++) {
		step = &r->steps[i];
		if (!step->latency)
			continue;
		json_object(j, NULL);
		json_string(j, "step", step->name);
		put_latency(j, &step->latency[probe]);
		json_end_object(j);
	}
	json_end_array(j);
}

static void put_changes(struct json *j, const struct result_probe_summary *p)
{
	json_array(j, "changes");
	for (size_t i = 0; i < p->n_changes; i++) {
		json_object(j, NULL);
		json_u64(j, "at_ns", p->changes[i].at_ns);
		json_u64(j, "seq", p->changes[i].seq);
		json_bool(j, "healthy", p->changes[i].healthy);
		json_end_object(j);
	}
	json_end_array(j);
}

static void put_by_probe(struct json *j, const struct results *r)
{
	const struct result_probe_summary *p;

	json_array(j, "probes");
	for (size_t i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		json_object(j, NULL);
		json_string(j, "probe", p->name);
		json_ns(j, "every_ns", p->every_ns);
		json_ns(j, "timeout_ns", p->timeout_ns);
		json_u64(j, "healthy", p->up);
		json_u64(j, "unhealthy", p->down);
		json_samples(j, "recovery", "censored", &p->recovery);
		json_samples(j, "detection", "undetected", &p->detection);
		put_latencies(j, r, i);
		put_changes(j, p);
		json_end_object(j);
	}
	json_end_array(j);
}

static void put_figure(struct json *j, const char *key, enum slo_unit unit, uint64_t value)
{
	if (unit == UNIT_SHARE && value != NO_NS)
		json_double(j, key, (double)value / 1e6);
	else
		json_ns(j, key, unit == UNIT_WORDS ? NO_NS : value);
}

static void put_slo(struct json *j, const struct result_slo *slo)
{
	static const char *const units[] = {
		[UNIT_NS] = "ns",       [UNIT_COUNT] = "count", [UNIT_RATE] = "per_s",
		[UNIT_SHARE] = "share", [UNIT_WORDS] = "words",
	};

	json_object(j, NULL);
	json_string(j, "key", slo->key);
	put_figure(j, "limit", slo->unit, slo->limit);
	put_figure(j, "value", slo->unit, slo->value);
	json_bool(j, "pass", slo->pass);
	json_u64(j, "samples", slo->samples);
	json_u64(j, "censored", slo->missing);
	json_string(j, "step", slo->step);
	json_string(j, "probe", slo->probe);
	json_string(j, "target", slo->target);
	json_string(j, "by", slo->by_flow ? "flow" : "probe");
	json_string(j, "unit", units[slo->unit]);
	json_string(j, "limit_words", slo->limit_words);
	json_string(j, "value_words", slo->value_words);
	json_string(j, "worst", slo->worst);
	json_ns(j, "worst_seq", slo->worst ? slo->worst_seq : NO_NS);
	json_end_object(j);
}

static void put_slos(struct json *j, const struct results *r)
{
	json_array(j, "slo");
	for (size_t i = 0; i < r->n_slos; i++)
		put_slo(j, &r->slos[i]);
	json_end_array(j);
}

static void put_flow_totals(struct json *j, const struct results *r)
{
	static const struct json_field totals[] = {
		JSON_FIELD(struct results, "flow_unrecovered", flow_unrecovered),
		JSON_FIELD(struct results, "peak_per_s", peak_per_s),
		JSON_FIELD(struct results, "evicted", evicted),
		JSON_FIELD(struct results, "captured", captured),
		JSON_FIELD(struct results, "capture_lost", capture_lost),
	};

	json_bool(j, "observed", r->observed);
	json_samples(j, "flow_recovery", "censored", &r->flow_recovery);
	json_samples(j, "flow_detection", "undetected", &r->flow_detection);
	json_fields(j, r, totals);
	json_paths(j, r);
}

static void put_fidelity(struct json *j, const struct results *r)
{
	json_array(j, "fidelity");
	for (size_t i = 0; i < r->n_fidelity; i++) {
		json_object(j, NULL);
		json_string(j, "step", r->fidelity[i].step);
		json_u64(j, "receipts", r->fidelity[i].receipts);
		put_receipt(j, r->fidelity[i].sum);
		json_end_object(j);
	}
	json_end_array(j);
}

static void put_line(struct json *j, const struct result_line *line)
{
	static const struct json_field counts[] = {
		JSON_FIELD(struct result_line, "parcels", parcels),
		JSON_FIELD(struct result_line, "memory", memory),
		JSON_FIELD(struct result_line, "held_max", held_max),
		JSON_FIELD(struct result_line, "device_dropped", device_dropped),
		JSON_FIELD(struct result_line, "memory_full", memory_full),
		JSON_FIELD(struct result_line, "write_failed", write_failed),
	};

	if (!line) {
		json_null(j, "line");
		return;
	}
	json_object(j, "line");
	json_string(j, "backend", line->backend);
	json_bool(j, "realtime", line->realtime);
	json_fields(j, line, counts);
	json_bool(j, "device_lost", line->device_lost);
	json_end_object(j);
}

void report_json(const struct results *r, struct buf *out)
{
	static const struct json_field span[] = {
		JSON_FIELD(struct results, "start_ns", start_ns),
		JSON_FIELD(struct results, "zero_ns", zero_ns),
		JSON_FIELD(struct results, "end_ns", end_ns),
	};
	struct json j;

	json_begin(&j, out);
	json_object(&j, NULL);
	put_head(&j, r);
	json_fields(&j, r, span);
	put_pairs(&j, "facts", r->facts, r->n_facts);
	put_steps(&j, r);
	json_windows(&j, r);
	json_samples(&j, "recovery", "censored", &r->recovery);
	json_samples(&j, "detection", "undetected", &r->detection);
	json_u64(&j, "unrecovered", r->unrecovered);
	put_by_probe(&j, r);
	put_flow_totals(&j, r);
	put_slos(&j, r);
	json_course(&j, r);
	put_fidelity(&j, r);
	put_line(&j, r->line);
	json_u64(&j, "lost", r->lost);
	json_string(&j, "head", r->head);
	json_strings(&j, "incomplete", r->incomplete, r->n_incomplete);
	json_strings(&j, "notes", r->notes, r->n_notes);
	json_end_object(&j);
	buf_puts(out, "\n");
}
