/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/course.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "slo/get.h"
#include "slo/parts.h"

#define MOST_DECISIONS 65536
#define MOST_PHASES 4096
#define MAX_NAMED 20 /* expectations that are named one by one */

/* NULL: there is no such value. */
static const char *keep_json(struct results *r, const json_t *value)
{
	const char *kept;
	char *text;

	if (!value || json_is_null(value))
		return NULL;
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	r->failed |= !text;
	kept = results_keep(r, text);
	free(text);
	return kept;
}

/* What stands in the log as an object, or as its text. */
static const char *condition_words(struct results *r, json_t *value)
{
	json_t *inner = json_object_get(value, "expect"), *parsed;
	const char *words = json_string_value(value);

	if (json_is_object(inner) && json_object_size(value) == 1)
		return parts_words(r, inner);
	if (json_is_object(value))
		return parts_words(r, value);
	parsed = words ? json_loads(words, 0, NULL) : NULL;
	words = json_is_object(parsed) ? parts_words(r, parsed) : results_keep(r, words);
	json_decref(parsed);
	return words;
}

bool course_expect(struct results *r, const struct event *event, const json_t *json, bool pass)
{
	const json_t *data = json_object_get(json, "data");
	uint64_t instance = get_u64(json, "instance"), samples = get_u64(data, "samples");
	uint64_t opens = get_u64(data, "opens_ns"), decided = get_u64(data, "decided_ns");
	const char *step = get_string(json, "step");

	if (!step || !instance || instance > UINT_MAX || r->n_expects == MOST_DECISIONS)
		return false;
	if (!results_grow(r, r->expects, r->n_expects))
		return true;
	if (decided == NO_NS)
		decided = event->mono_ns;
	r->expects[r->n_expects++] = (struct result_expect){
		.step = results_keep(r, step),
		.instance = instance,
		.words = condition_words(r, json_object_get(data, "expectation")),
		.how = results_keep(r, get_string(data, "how")),
		.opens_ns = opens,
		.closes_ns = get_u64(data, "closes_ns"),
		.decided_ns = decided,
		.decided_ts = decided + (event->ts_ns - event->mono_ns),
		.seq = event->seq,
		.samples = samples == NO_NS ? 0 : samples,
		.seen = results_keep(r, get_string(data, "seen")),
		.value = keep_json(r, json_object_get(data, "value")),
		.pass = pass,
	};
	return true;
}

static struct result_phase *find_phase(struct results *r, const char *name, uint64_t index)
{
	for (size_t i = 0; i < r->n_phases; i++) {
		if (r->phases[i].index == index && strcmp(r->phases[i].name, name) == 0)
			return &r->phases[i];
	}
	if (r->n_phases == MOST_PHASES || !results_grow(r, r->phases, r->n_phases))
		return NULL;
	r->phases[r->n_phases] = (struct result_phase){
		.name = results_keep(r, name),
		.index = index,
		.share = -1,
		.started_ns = NO_NS,
		.ended_ns = NO_NS,
		.started_ts_ns = NO_NS,
		.ended_ts_ns = NO_NS,
		.seq = NO_NS,
	};
	return &r->phases[r->n_phases++];
}

bool course_phase(struct results *r, const struct event *event, const json_t *json, bool ends)
{
	const json_t *data = json_object_get(json, "data"), *share = json_object_get(data, "share");
	const char *name = get_string(data, "name");
	uint64_t index = get_u64(data, "index");
	struct result_phase *p;

	if (!name || index == NO_NS)
		return false;
	p = find_phase(r, name, index);
	if (!p)
		return r->failed;
	if (json_is_number(share))
		p->share = json_number_value(share);
	p->shadow |= get_true(data, "shadow");
	if (!p->words && json_object_size(json_object_get(data, "set")))
		p->words = parts_words(r, json_object_get(data, "set"));
	p->seq = event->seq;
	if (ends) {
		p->ended = true;
		p->ended_ns = event->mono_ns;
		p->ended_ts_ns = event->ts_ns;
		p->result = results_keep(r, get_string(data, "result"));
	} else {
		p->started_ns = event->mono_ns;
		p->started_ts_ns = event->ts_ns;
	}
	return true;
}

static struct result_wait *find_wait(struct results *r, const char *step)
{
	for (size_t i = 0; i < r->n_waits; i++) {
		if (strcmp(r->waits[i].step, step) == 0)
			return &r->waits[i];
	}
	if (!results_grow(r, r->waits, r->n_waits))
		return NULL;
	r->waits[r->n_waits] = (struct result_wait){
		.step = results_keep(r, step),
		.from_ns = NO_NS,
		.to_ns = NO_NS,
		.zero_ns = NO_NS,
		.seq = NO_NS,
	};
	return &r->waits[r->n_waits++];
}

bool course_wait(struct results *r, const struct event *event, const json_t *json, bool ends)
{
	const char *step = get_string(json, "step");
	struct result_wait *w = step ? find_wait(r, step) : NULL;

	if (!w)
		return step && r->failed;
	w->seq = event->seq;
	if (ends) {
		w->to_ns = event->mono_ns;
		w->result = results_keep(r, get_string(json_object_get(json, "data"), "result"));
	} else
		w->from_ns = event->mono_ns;
	return true;
}

bool course_zero(struct results *r, const struct event *event, const json_t *json)
{
	const json_t *data = json_object_get(json, "data");
	const char *step = get_string(json, "step") ?: get_string(data, "step");
	uint64_t zero_ns = get_u64(data, "zero_ns");
	struct result_wait *w;

	if (zero_ns == NO_NS)
		return false;
	w = find_wait(r, step ? step : "");
	if (!w)
		return r->failed;
	w->zero_ns = zero_ns;
	w->seq = event->seq;
	if (w->to_ns == NO_NS)
		w->to_ns = event->mono_ns;
	return true;
}

void course_abort(struct results *r, const struct event *event, const json_t *data)
{
	struct result_abort *a = r->abort ? NULL : results_alloc(r, sizeof(*a));
	json_t *condition = json_object_get(data, "condition");

	if (!a)
		return;
	*a = (struct result_abort){
		.reason = results_keep(r, get_string(data, "reason")),
		.kind = results_keep(r, get_string(data, "kind")),
		.condition = condition_words(r, condition),
		.value = keep_json(r, json_object_get(data, "value")),
		.since_ns = get_u64(data, "since_ns"),
		.lasting = json_object_get(condition, "for") || json_object_get(condition, "unhealthy_for"),
		.at_ns = event->mono_ns,
		.seq = event->seq,
	};
	r->abort = a;
	if (!r->reason)
		r->reason = a->reason;
}

static uint64_t decisions(const struct results *r, const char *step, unsigned instance)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n_expects; i++)
		n += r->expects[i].instance == instance && strcmp(r->expects[i].step, step) == 0;
	return n;
}

void course_judge(struct results *r)
{
	bool whole = r->outcome == OUTCOME_PASS || r->outcome == OUTCOME_SLO_MISSED;
	const struct result_step *step;
	uint64_t missing = 0, found;

	for (size_t i = 0; i < r->n_steps; i++) {
		step = &r->steps[i];
		if (strcmp(step->kind, "expect") != 0)
			continue;
		for (unsigned instance = 1; instance <= step->times; instance++) {
			found = decisions(r, step->name, instance);
			if (found > 1)
				results_lack(r, "%s #%u: the log decides it %" PRIu64 " times", step->name,
					     instance, found);
			else if (!found && missing++ < MAX_NAMED && whole)
				results_lack(r, "%s #%u: the log has no decision", step->name, instance);
		}
	}
	if (missing && !whole)
		results_note(r, "%" PRIu64 " of the expectations were not decided", missing);
}
