/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"
#include "report/report.h"

static void put_ns(struct json *j, const char *key, uint64_t value)
{
	if (value == NO_NS)
		json_null(j, key);
	else
		json_u64(j, key, value);
}

static void put_strings(struct json *j, const char *key, const char **items, size_t n)
{
	json_array(j, key);
	for (size_t i = 0; i < n; i++)
		json_string(j, NULL, items[i]);
	json_end_array(j);
}

static void put_head(struct json *j, const struct results *r)
{
	json_u64(j, "version", 1);
	json_string(j, "name", r->name);
	json_string(j, "run", r->run);
	json_string(j, "outcome", result_outcome_name(r->outcome));
	json_i64(j, "exit", r->exit);
	json_string(j, "reason", r->reason);
	json_bool(j, "complete", r->n_incomplete == 0);
	json_bool(j, "balanced", r->balanced);
	json_u64(j, "seed", r->seed);
	put_ns(j, "start_ts_ns", r->start_ts_ns);
	put_ns(j, "end_ts_ns", r->end_ts_ns);
	json_string(j, "host", r->host);
	json_string(j, "operator", r->operator_name);
	put_strings(j, "interfaces", r->interfaces, r->n_interfaces);
	json_object(j, "meta");
	for (size_t i = 0; i < r->n_meta; i++)
		json_string(j, r->meta[i].key, r->meta[i].value);
	json_end_object(j);
}

static void put_probes(struct json *j, const struct results *r, const struct result_window *w)
{
	json_array(j, "probes");
	for (size_t i = 0; i < r->n_probes; i++) {
		json_object(j, NULL);
		json_string(j, "probe", r->probes[i].name);
		put_ns(j, "detection_ns", w->probes[i].detection_ns);
		put_ns(j, "recovery_ns", w->probes[i].recovery_ns);
		put_ns(j, "recovery_after_inject_ns", w->probes[i].recovery_after_inject_ns);
		json_bool(j, "censored", w->probes[i].censored);
		json_end_object(j);
	}
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
	histogram_write(j, "requested", &receipt->requested, true, false);
	histogram_write(j, "achieved", &receipt->achieved, true, false);
	histogram_write(j, "late", &receipt->late, false, true);
	json_u64(j, "entered", receipt->entered);
	json_u64(j, "returned", receipt->returned);
	json_u64(j, "lost", receipt->lost);
	json_u64(j, "full", receipt->full);
	json_u64(j, "stale", receipt->stale);
	json_u64(j, "overflow", receipt->overflow);
	json_u64(j, "clipped", receipt->clipped);
	json_u64(j, "raised", receipt->raised);
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

static void put_part(struct json *j, const struct results *r, const struct result_window *w,
		     const struct result_part *p)
{
	json_object(j, NULL);
	json_string(j, "step", w->step);
	json_u64(j, "instance", w->instance);
	json_string(j, "target", p->target);
	json_raw(j, "fault", w->fault ? w->fault : "null");
	put_ns(j, "opened_ns", p->opened_ns);
	put_ns(j, "closed_ns", p->closed_ns);
	put_ns(j, "opened_ts_ns", p->opened_ts_ns);
	put_ns(j, "closed_ts_ns", p->closed_ts_ns);
	json_bool(j, "cut", p->cut);
	put_ns(j, "first_hit_ns", p->first_hit_ns);
	put_ns(j, "last_hit_ns", p->last_hit_ns);
	for (size_t i = 0; i < n_result_counters; i++)
		put_ns(j, result_counters[i].name, p->counted ? result_counter(&p->n, i) : NO_NS);
	json_bool(j, "balanced", p->balanced);
	put_receipt(j, p->receipt);
	put_probes(j, r, w);
	json_end_object(j);
}

static void put_recovery(struct json *j, const struct result_samples *s)
{
	json_object(j, "recovery");
	json_u64(j, "samples", s->samples);
	json_u64(j, "censored", s->missing);
	put_ns(j, "p50_ns", s->p50_ns);
	put_ns(j, "p95_ns", s->p95_ns);
	put_ns(j, "p99_ns", s->p99_ns);
	put_ns(j, "max_ns", s->max_ns);
	json_end_object(j);
}

static void put_detection(struct json *j, const struct result_samples *s)
{
	json_object(j, "detection");
	json_u64(j, "samples", s->samples);
	json_u64(j, "undetected", s->missing);
	put_ns(j, "p50_ns", s->p50_ns);
	put_ns(j, "max_ns", s->max_ns);
	json_end_object(j);
}

static void put_by_probe(struct json *j, const struct results *r)
{
	const struct result_probe_summary *p;

	json_array(j, "probes");
	for (size_t i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		json_object(j, NULL);
		json_string(j, "probe", p->name);
		json_u64(j, "healthy", p->up);
		json_u64(j, "unhealthy", p->down);
		put_recovery(j, &p->recovery);
		put_detection(j, &p->detection);
		json_end_object(j);
	}
	json_end_array(j);
}

static void put_slos(struct json *j, const struct results *r)
{
	const struct result_slo *slo;

	json_array(j, "slo");
	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		json_object(j, NULL);
		json_string(j, "key", slo->key);
		put_ns(j, "limit", slo->limit);
		put_ns(j, "value", slo->value);
		json_bool(j, "pass", slo->pass);
		json_u64(j, "samples", slo->samples);
		json_u64(j, "censored", slo->missing);
		json_string(j, "step", slo->step);
		json_string(j, "probe", slo->probe);
		json_end_object(j);
	}
	json_end_array(j);
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
	if (!line) {
		json_null(j, "line");
		return;
	}
	json_object(j, "line");
	json_string(j, "backend", line->backend);
	json_bool(j, "realtime", line->realtime);
	put_ns(j, "parcels", line->parcels);
	put_ns(j, "memory", line->memory);
	put_ns(j, "held_max", line->held_max);
	put_ns(j, "device_dropped", line->device_dropped);
	put_ns(j, "memory_full", line->memory_full);
	put_ns(j, "write_failed", line->write_failed);
	json_bool(j, "device_lost", line->device_lost);
	json_end_object(j);
}

void report_json(const struct results *r, struct buf *out)
{
	struct json j;
	size_t i, p;

	json_begin(&j, out);
	json_object(&j, NULL);
	put_head(&j, r);
	json_array(&j, "steps");
	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->windows[i]->n_parts; p++)
			put_part(&j, r, r->windows[i], &r->windows[i]->parts[p]);
	}
	json_end_array(&j);
	put_recovery(&j, &r->recovery);
	put_detection(&j, &r->detection);
	put_by_probe(&j, r);
	put_slos(&j, r);
	put_fidelity(&j, r);
	put_line(&j, r->line);
	json_u64(&j, "lost", r->lost);
	put_strings(&j, "incomplete", r->incomplete, r->n_incomplete);
	put_strings(&j, "notes", r->notes, r->n_notes);
	json_end_object(&j);
	buf_puts(out, "\n");
}
