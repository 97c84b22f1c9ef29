/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/parts.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "slo/fidelity.h"
#include "slo/get.h"

/* What makes one value of it, as YAML has it: nothing, single quotes, or double quotes and their escapes. */
static char quote_of(const char *text)
{
	char quote = *text ? '\0' : '\'';

	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == '\'')
			return '"';
		if (*text == ' ' || *text == '"')
			quote = '\'';
	}
	return quote;
}

/* As it would stand on the command line: 5%, every:10, gemodel:p=1%,r=10%, percent=25%,by=3ms, 'two words' */
static void add_value(struct buf *text, json_t *value)
{
	const char *between = json_object_size(value) == 1 ? ":" : "=", *before = "", *key;
	const char *string = json_string_value(value), quote = string ? quote_of(string) : '"';
	json_t *member;
	char *other;

	if (string && quote != '"') {
		buf_printf(text, quote ? "'%s'" : "%s", string);
		return;
	}
	if (!json_is_object(value)) {
		other = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_puts(text, other ? other : "?");
		free(other);
		return;
	}
	json_object_foreach(value, key, member)
	{
		buf_printf(text, "%s%s%s", before, key, between);
		add_value(text, member);
		before = ",";
	}
}

/* Of these `true` is a value to compare with. */
static bool compares(const char *key)
{
	return strcmp(key, "equals") == 0 || strcmp(key, "differs") == 0 || strcmp(key, "contains") == 0;
}

const char *parts_words(struct results *r, json_t *fault)
{
	struct buf text = {0};
	const char *key, *kept;
	json_t *value;

	json_object_foreach(fault, key, value)
	{
		buf_printf(&text, "%s%s", text.len ? " " : "", key);
		if (json_is_true(value) && !compares(key))
			continue;
		buf_puts(&text, "=");
		add_value(&text, value);
	}
	if (text.failed)
		r->failed = true;
	kept = results_keep(r, text.data);
	buf_free(&text);
	return kept;
}

static void take_fault(struct results *r, struct result_window *w, json_t *fault)
{
	char *text;

	if (w->fault || !json_is_object(fault))
		return;
	text = json_dumps(fault, JSON_COMPACT);
	w->fault = results_keep(r, text);
	w->words = parts_words(r, fault);
	free(text);
}

static struct result_part *find_part(struct results *r, struct result_window *w, const char *target)
{
	struct result_part *part;
	size_t i;

	for (i = 0; i < w->n_parts; i++) {
		if (strcmp(w->parts[i].target, target) == 0)
			return &w->parts[i];
	}
	if (!results_grow(r, w->parts, w->n_parts))
		return NULL;
	part = &w->parts[w->n_parts++];
	*part = (struct result_part){
		.target = results_keep(r, target),
		.opened_ns = NO_NS,
		.closed_ns = NO_NS,
		.opened_ts_ns = NO_NS,
		.closed_ts_ns = NO_NS,
		.first_hit_ns = NO_NS,
		.last_hit_ns = NO_NS,
		.open_seq = NO_NS,
		.close_seq = NO_NS,
	};
	return part;
}

static bool is_documented(const json_t *json)
{
	const json_t *data = json_object_get(json, "data");
	uint64_t instance = get_u64(json, "instance");

	return get_string(json, "step") && instance && instance <= UINT_MAX &&
	       get_u64(data, "opens_ns") != NO_NS && get_u64(data, "closes_ns") != NO_NS;
}

static const struct result_step *find_step(const struct results *r, const char *name)
{
	for (size_t i = 0; i < r->n_steps; i++) {
		if (strcmp(r->steps[i].name, name) == 0)
			return &r->steps[i];
	}
	return NULL;
}

/* The part of a window that the event is about; NULL: no memory. */
static struct result_part *event_part(struct results *r, struct track *track, const json_t *json,
				      struct result_window **ret_window)
{
	const json_t *data = json_object_get(json, "data");
	const char *target = get_string(json, "target");
	uint64_t opens = get_u64(data, "opens_ns");
	const struct result_step *step;
	struct result_part *part = NULL;

	*ret_window = track_window(track, get_string(json, "step"), get_u64(json, "instance"), opens);
	if (*ret_window)
		part = find_part(r, *ret_window, target ? target : "");
	if (!part)
		return NULL;
	take_fault(r, *ret_window, json_object_get(data, "fault"));
	step = find_step(r, (*ret_window)->step);
	(*ret_window)->shadow |= get_true(data, "shadow") || (step && step->shadow);
	part->opened_ns = opens;
	return part;
}

static uint64_t to_real(const struct event *event, uint64_t mono_ns)
{
	return mono_ns + (event->ts_ns - event->mono_ns);
}

/* The window opens with its first part and closes with its last. */
static void span_parts(struct track *track, struct result_window *w, uint64_t planned_close)
{
	const struct result_part *last = NULL;
	size_t i;

	w->closed = true;
	for (i = 0; i < w->n_parts; i++) {
		const struct result_part *p = &w->parts[i];

		if (p->opened_ns <= w->opened_ns) {
			w->opened_ns = p->opened_ns;
			w->opened_ts_ns = p->opened_ts_ns;
		}
		w->closed &= p->closed;
		w->cut |= p->cut;
		if (p->closed && (!last || p->closed_ns > last->closed_ns))
			last = p;
	}
	if (w->closed && last) {
		w->closed_ns = last->closed_ns;
		w->closed_ts_ns = last->closed_ts_ns;
	} else if (w->closed_ns == NO_NS || planned_close > w->closed_ns) {
		w->closed_ns = planned_close;
	}
	if (w->closed_ns < w->opened_ns)
		w->closed_ns = w->opened_ns;
	track_moved(track, w);
}

bool parts_open(struct results *r, struct track *track, const struct event *event, const json_t *json)
{
	struct result_window *w;
	struct result_part *part;

	if (!is_documented(json))
		return false;
	part = event_part(r, track, json, &w);
	if (!part)
		return true;
	part->open_seq = event->seq;
	part->opened_ts_ns = to_real(event, part->opened_ns);
	span_parts(track, w, get_u64(json_object_get(json, "data"), "closes_ns"));
	return true;
}

static bool read_counters(const json_t *data, struct result_counters *n)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < n_result_counters; i++) {
		value = get_u64(data, result_counters[i].name);
		if (value == NO_NS && !result_counters[i].special)
			return false;
		memcpy((char *)n + result_counters[i].offset, &value, sizeof(value));
	}
	return true;
}

static bool adds_up(const struct result_counters *n)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < n_result_counters; i++) {
		if (result_counters[i].part && __builtin_add_overflow(sum, result_counter(n, i), &sum))
			return false;
	}
	return sum == n->matched;
}

static void take_closing(struct results *r, const struct event *event, const json_t *data,
			 struct result_part *part)
{
	uint64_t closes = get_u64(data, "closes_ns");

	part->closed = true;
	part->close_seq = event->seq;
	part->cut = get_true(data, "cut");
	part->closed_ns = part->cut && event->mono_ns < closes ? event->mono_ns : closes;
	if (part->closed_ns < part->opened_ns)
		part->closed_ns = part->opened_ns;
	part->closed_ts_ns = to_real(event, part->closed_ns);
	if (part->opened_ts_ns == NO_NS)
		part->opened_ts_ns = to_real(event, part->opened_ns);
	part->first_hit_ns = get_u64(data, "first_hit_ns");
	part->last_hit_ns = get_u64(data, "last_hit_ns");
	part->outside = (part->first_hit_ns != NO_NS && part->first_hit_ns < part->opened_ns) ||
			(part->last_hit_ns != NO_NS && part->last_hit_ns > part->closed_ns);
	part->counted = read_counters(data, &part->n);
	part->balanced = part->counted && adds_up(&part->n);
	part->damaged_receipt = !fidelity_read(r, data, &part->receipt);
}

bool parts_close(struct results *r, struct track *track, const struct event *event, const json_t *json)
{
	const json_t *data = json_object_get(json, "data");
	struct result_window *w;
	struct result_part *part;

	if (!is_documented(json))
		return false;
	part = event_part(r, track, json, &w);
	if (!part)
		return true;
	take_closing(r, event, data, part);
	span_parts(track, w, get_u64(data, "closes_ns"));
	return true;
}

/* As the scenario has it: {"clock":"+5s"} */
static void take_clock(struct results *r, struct result_window *w, int64_t offset_ns)
{
	char text[32];
	json_t *fault;

	format_duration_exact(offset_ns < 0 ? 0 - (uint64_t)offset_ns : (uint64_t)offset_ns, text,
			      sizeof(text));
	fault = json_pack("{s:s++}", "clock", offset_ns < 0 ? "-" : "+", text, "");
	if (!fault)
		r->failed = true;
	take_fault(r, w, fault);
	json_decref(fault);
}

bool parts_clock(struct results *r, struct track *track, const struct event *event, const json_t *json,
		 bool closes)
{
	const json_t *data = json_object_get(json, "data"), *offset = json_object_get(data, "offset_ns");
	struct result_window *w;
	uint64_t ts_ns = event->ts_ns;

	if (!is_documented(json) || !json_is_integer(offset))
		return false;
	w = track_window(track, get_string(json, "step"), get_u64(json, "instance"),
			 get_u64(data, "opens_ns"));
	if (!w)
		return true;
	take_clock(r, w, json_integer_value(offset));
	w->kind = "clock";
	if (closes) {
		w->closed = true;
		w->cut = get_true(data, "cut");
		w->closed_ns = event->mono_ns;
		w->closed_ts_ns = ts_ns;
		w->close_seq = event->seq;
	} else {
		w->open_seq = event->seq;
		w->opened_ns = event->mono_ns;
		w->opened_ts_ns = ts_ns - json_integer_value(offset); /* it has been moved already */
		w->closed_ns = get_u64(data, "closes_ns");
	}
	if (w->closed_ns < w->opened_ns)
		w->closed_ns = w->opened_ns;
	track_moved(track, w);
	return true;
}

/* Where the log says no more than the kind, that is what is known of it. */
static void take_change(struct results *r, struct result_window *w, const struct result_step *step,
			const json_t *data)
{
	json_t *bare;

	w->kind = results_keep(r, get_string(data, "kind"));
	w->stands = step->stands;
	if (step->change) {
		w->fault = step->change;
		w->words = step->change_words;
		return;
	}
	bare = json_pack("{s:b}", w->kind, 1);
	take_fault(r, w, bare);
	json_decref(bare);
}

bool parts_change(struct results *r, struct track *track, const struct event *event, const json_t *json,
		  bool closes)
{
	const json_t *data = json_object_get(json, "data");
	const char *name = get_string(json, "step");
	const struct result_step *step = name ? find_step(r, name) : NULL;
	uint64_t instance = get_u64(json, "instance"), planned = get_u64(data, "closes_ns");
	struct result_window *w;

	if (!step || !instance || instance > UINT_MAX)
		return false;
	w = track_window(track, name, instance, event->mono_ns);
	if (!w)
		return true;
	if (!w->words)
		take_change(r, w, step, data);
	if (closes) {
		w->closed = true;
		w->cut = get_true(data, "cut") && !w->stands;
		w->closed_ns = event->mono_ns;
		w->closed_ts_ns = event->ts_ns;
		w->close_seq = event->seq;
	} else {
		w->opened_ns = event->mono_ns;
		w->opened_ts_ns = event->ts_ns;
		w->open_seq = event->seq;
		w->closed_ns = !w->stands ? planned : step->until_end ? NO_NS : w->opened_ns;
	}
	if (w->closed_ns < w->opened_ns)
		w->closed_ns = w->opened_ns;
	track_moved(track, w);
	return true;
}

bool parts_undo(struct results *r, struct track *track, const json_t *json)
{
	const json_t *data = json_object_get(json, "data");
	const char *step = get_string(json, "step"), *result = get_string(data, "result");
	const char *reason = get_string(data, "reason");
	uint64_t instance = get_u64(json, "instance");
	struct result_window *w;

	if (!step || !instance || instance > UINT_MAX) /* what a dead run left */
		return !step;
	w = track_find(track, step, instance);
	if (w && result)
		w->undo = reason ? results_keepf(r, "%s: %s", result, reason) : results_keep(r, result);
	return result;
}
