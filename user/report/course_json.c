/* SPDX-License-Identifier: BSD-2-Clause */
/* Of results.json: expectations, phases, waits, and what ended the run. */
#include "report/json_fields.h"
#include "report/results_json.h"

static void put_expect(struct json *j, const struct result_expect *e)
{
	static const struct json_field times[] = {
		JSON_FIELD(struct result_expect, "opens_ns", opens_ns),
		JSON_FIELD(struct result_expect, "closes_ns", closes_ns),
		JSON_FIELD(struct result_expect, "decided_ns", decided_ns),
		JSON_FIELD(struct result_expect, "decided_ts_ns", decided_ts),
		JSON_FIELD(struct result_expect, "seq", seq),
		JSON_FIELD(struct result_expect, "samples", samples),
	};

	json_object(j, NULL);
	json_string(j, "step", e->step);
	json_u64(j, "instance", e->instance);
	json_bool(j, "pass", e->pass);
	json_string(j, "words", e->words);
	json_string(j, "how", e->how);
	json_fields(j, e, times);
	json_string(j, "seen", e->seen);
	json_raw(j, "value", e->value ? e->value : "null");
	json_end_object(j);
}

void json_expects(struct json *j, const struct results *r)
{
	json_array(j, "expectations");
	for (size_t i = 0; i < r->n_expects; i++)
		put_expect(j, &r->expects[i]);
	json_end_array(j);
}

static void put_phase(struct json *j, const struct result_phase *p)
{
	static const struct json_field times[] = {
		JSON_FIELD(struct result_phase, "started_ns", started_ns),
		JSON_FIELD(struct result_phase, "ended_ns", ended_ns),
		JSON_FIELD(struct result_phase, "started_ts_ns", started_ts_ns),
		JSON_FIELD(struct result_phase, "ended_ts_ns", ended_ts_ns),
		JSON_FIELD(struct result_phase, "seq", seq),
	};

	json_object(j, NULL);
	json_string(j, "phase", p->name);
	json_u64(j, "index", p->index);
	if (p->share < 0)
		json_null(j, "share");
	else
		json_double(j, "share", p->share);
	json_bool(j, "shadow", p->shadow);
	json_string(j, "set", p->words);
	json_string(j, "result", p->result);
	json_fields(j, p, times);
	json_end_object(j);
}

static void put_wait(struct json *j, const struct result_wait *w)
{
	static const struct json_field times[] = {
		JSON_FIELD(struct result_wait, "from_ns", from_ns),
		JSON_FIELD(struct result_wait, "to_ns", to_ns),
		JSON_FIELD(struct result_wait, "zero_ns", zero_ns),
		JSON_FIELD(struct result_wait, "seq", seq),
	};

	json_object(j, NULL);
	json_string(j, "step", w->step);
	json_string(j, "result", w->result);
	json_fields(j, w, times);
	json_end_object(j);
}

static void put_abort(struct json *j, const struct result_abort *a)
{
	if (!a) {
		json_null(j, "abort");
		return;
	}
	json_object(j, "abort");
	json_string(j, "reason", a->reason);
	json_string(j, "kind", a->kind);
	json_string(j, "condition", a->condition);
	json_raw(j, "value", a->value ? a->value : "null");
	json_ns(j, "since_ns", a->since_ns);
	json_u64(j, "at_ns", a->at_ns);
	json_u64(j, "seq", a->seq);
	json_end_object(j);
}

void json_course(struct json *j, const struct results *r)
{
	json_expects(j, r);
	json_array(j, "phases");
	for (size_t i = 0; i < r->n_phases; i++)
		put_phase(j, &r->phases[i]);
	json_end_array(j);
	json_array(j, "waits");
	for (size_t i = 0; i < r->n_waits; i++)
		put_wait(j, &r->waits[i]);
	json_end_array(j);
	put_abort(j, r->abort);
	json_strings(j, "disabled", r->disabled, r->n_disabled);
}
