/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/collect.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "evidence/read.h"
#include "slo/fidelity.h"
#include "slo/get.h"
#include "slo/plan_read.h"
#include "slo/track.h"

#define MAX_EVENT_TYPES 64
#define CLOCK_STEP_NS (10 * NS_PER_MS) /* a change of the offset that is worth a note */

struct collector {
	struct results *r;
	struct track *track;
	bool started, ended;
	bool said_balanced, has_balanced;
	int64_t first_offset_ns, widest_ns;
	bool has_offset;
	uint64_t unreadable;  /* events whose data is not as documented */
	uint64_t strangers;   /* samples of probes that the plan doesn't have */
	uint64_t lost_at_end; /* as run.end says */
	const struct event *event;
	const json_t *json, *data;
};

static void count_type(struct results *r, const char *type)
{
	size_t i;

	for (i = 0; i < r->n_events; i++) {
		if (strcmp(r->events[i].name, type) == 0) {
			r->events[i].count++;
			return;
		}
	}
	if (r->n_events >= MAX_EVENT_TYPES || !results_grow(r, r->events, r->n_events))
		return;
	r->events[r->n_events++] = (struct result_count){.name = results_keep(r, type), .count = 1};
}

static const char *join_words(struct results *r, const json_t *list)
{
	struct buf text = {0};
	const char *word, *kept;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		word = json_string_value(json_array_get(list, i));
		buf_printf(&text, "%s%s", i ? " " : "", word ? word : "?");
	}
	kept = results_keep(r, text.data);
	buf_free(&text);
	return kept;
}

static void on_run_start(struct collector *c)
{
	struct results *r = c->r;

	c->started = true;
	r->start_ts_ns = c->event->ts_ns;
	r->version = results_keep(r, get_string(c->data, "version"));
	r->command = join_words(r, json_object_get(c->data, "command"));
	r->host = results_keep(r, get_string(c->data, "host"));
	r->operator_name = results_keep(r, get_string(c->data, "operator"));
	r->kernel = results_keep(r, get_string(c->data, "kernel"));
	r->attach = results_keep(r, get_string(c->data, "attach"));
	if (json_is_integer(json_object_get(c->data, "seed")))
		r->seed = json_integer_value(json_object_get(c->data, "seed"));
	if (json_array_size(json_object_get(c->data, "interfaces")))
		take_interfaces(r, json_object_get(c->data, "interfaces"));
	if (json_is_object(json_object_get(c->data, "meta")))
		take_meta(r, json_object_get(c->data, "meta"));
}

static void on_run_end(struct collector *c)
{
	const char *outcome = get_string(c->data, "outcome"), *reason = get_string(c->data, "reason");
	struct results *r = c->r;
	int i;

	for (i = OUTCOME_PASS; i <= OUTCOME_HOST_FAILED; i++) {
		if (outcome && strcmp(outcome, result_outcome_name(i)) == 0)
			break;
	}
	if (i > OUTCOME_HOST_FAILED) {
		c->unreadable++;
		return;
	}
	c->ended = true;
	r->outcome = i;
	r->end_ts_ns = c->event->ts_ns;
	if (reason && *reason)
		r->reason = results_keep(r, reason);
	c->has_balanced = json_is_boolean(json_object_get(c->data, "balanced"));
	c->said_balanced = get_true(c->data, "balanced");
	c->lost_at_end = get_u64(c->data, "lost");
}

static void on_clock(struct collector *c)
{
	const json_t *offset = json_object_get(c->data, "offset_ns");
	int64_t moved;

	if (!json_is_integer(offset)) {
		c->unreadable++;
		return;
	}
	if (!c->has_offset)
		c->first_offset_ns = json_integer_value(offset);
	c->has_offset = true;
	if (__builtin_sub_overflow(json_integer_value(offset), c->first_offset_ns, &moved))
		moved = INT64_MAX;
	if (moved == INT64_MIN || llabs(moved) > llabs(c->widest_ns))
		c->widest_ns = moved == INT64_MIN ? INT64_MAX : moved;
}

/* As it would stand on the command line: 5%, every:10, gemodel:p=1%,r=10%, percent=25%,by=3ms */
static void add_value(struct buf *text, json_t *value)
{
	const char *between = json_object_size(value) == 1 ? ":" : "=", *before = "", *key;
	json_t *member;
	char *other;

	if (json_is_string(value)) {
		buf_puts(text, json_string_value(value));
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

/* {"reset":"both","loss":"5%"} -> "reset=both loss=5%" */
static const char *fault_words(struct results *r, json_t *fault)
{
	struct buf text = {0};
	const char *key, *kept;
	json_t *value;

	json_object_foreach(fault, key, value)
	{
		buf_printf(&text, "%s%s", text.len ? " " : "", key);
		if (json_is_true(value))
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
	w->words = fault_words(r, fault);
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
	};
	return part;
}

/* The part of a window that the event is about; NULL: the event doesn't say it as documented. */
static struct result_part *event_part(struct collector *c, struct result_window **ret_window)
{
	const char *step = get_string(c->json, "step"), *target = get_string(c->json, "target");
	uint64_t instance = get_u64(c->json, "instance"), opens = get_u64(c->data, "opens_ns");
	struct result_part *part = NULL;

	if (!step || !instance || instance > UINT_MAX || opens == NO_NS ||
	    get_u64(c->data, "closes_ns") == NO_NS) {
		c->unreadable++;
		return NULL;
	}
	*ret_window = track_window(c->track, step, instance, opens);
	if (*ret_window)
		part = find_part(c->r, *ret_window, target ? target : "");
	if (!part)
		return NULL;
	take_fault(c->r, *ret_window, json_object_get(c->data, "fault"));
	part->opened_ns = opens;
	return part;
}

static uint64_t to_real(const struct event *event, uint64_t mono_ns)
{
	return mono_ns + (event->ts_ns - event->mono_ns);
}

/* The window opens with its first part and closes with its last. */
static void span_parts(struct collector *c, struct result_window *w, uint64_t planned_close)
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
	track_moved(c->track, w);
}

static void on_fault_open(struct collector *c)
{
	struct result_window *w;
	struct result_part *part = event_part(c, &w);

	if (!part)
		return;
	part->opened_ts_ns = to_real(c->event, part->opened_ns);
	span_parts(c, w, get_u64(c->data, "closes_ns"));
}

static bool read_counters(const json_t *data, struct result_counters *n)
{
	uint64_t value;
	size_t i;

	for (i = 0; i < n_result_counters; i++) {
		value = get_u64(data, result_counters[i].name);
		if (value == NO_NS)
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

static void on_fault_close(struct collector *c)
{
	uint64_t closes = get_u64(c->data, "closes_ns");
	struct result_window *w;
	struct result_part *part = event_part(c, &w);

	if (!part)
		return;
	part->closed = true;
	part->cut = get_true(c->data, "cut");
	part->closed_ns = part->cut && c->event->mono_ns < closes ? c->event->mono_ns : closes;
	part->closed_ts_ns = to_real(c->event, part->closed_ns);
	if (part->opened_ts_ns == NO_NS)
		part->opened_ts_ns = to_real(c->event, part->opened_ns);
	part->first_hit_ns = get_u64(c->data, "first_hit_ns");
	part->last_hit_ns = get_u64(c->data, "last_hit_ns");
	part->outside = (part->first_hit_ns != NO_NS && part->first_hit_ns < part->opened_ns) ||
			(part->last_hit_ns != NO_NS && part->last_hit_ns > part->closed_ns);
	part->counted = read_counters(c->data, &part->n);
	part->balanced = part->counted && adds_up(&part->n);
	part->damaged_receipt = !fidelity_read(c->r, c->data, &part->receipt);
	span_parts(c, w, closes);
}

static void on_sample(struct collector *c, bool healthy)
{
	const char *name = get_string(c->data, "probe");
	struct results *r = c->r;
	size_t i;

	if (!name) {
		c->unreadable++;
		return;
	}
	for (i = 0; i < r->n_probes; i++) {
		if (strcmp(r->probes[i].name, name) != 0)
			continue;
		if (healthy)
			r->probes[i].up++;
		else
			r->probes[i].down++;
		track_sample(c->track, i, c->event->mono_ns, healthy);
		return;
	}
	c->strangers++;
}

static void on_probe_up(struct collector *c)
{
	on_sample(c, true);
}

static void on_probe_down(struct collector *c)
{
	on_sample(c, false);
}

static void on_lost(struct collector *c)
{
	uint64_t count = get_u64(c->data, "count");

	if (count == NO_NS)
		c->unreadable++;
	else if (__builtin_add_overflow(c->r->lost, count, &c->r->lost))
		c->r->lost = UINT64_MAX;
}

static void on_abort(struct collector *c)
{
	if (!c->r->reason)
		c->r->reason = results_keep(c->r, get_string(c->data, "reason"));
}

static void on_budget(struct collector *c)
{
	const char *limit = get_string(c->data, "limit");

	results_note(c->r, "the limit of %s was reached: every fault was suppressed from then on",
		     limit ? limit : "?");
}

static void on_packets(struct collector *c)
{
	c->r->fragments = get_u64(c->data, "fragments");
	c->r->unparsable = get_u64(c->data, "unparsable");
	c->r->own = get_u64(c->data, "own");
}

static void on_line(struct collector *c)
{
	if (!fidelity_read_line(c->r, c->data))
		c->unreadable++;
}

static const struct {
	const char *type;
	void (*call)(struct collector *c);
} handlers[] = {
	{"run.start", on_run_start},
	{"run.end", on_run_end},
	{"clock", on_clock},
	{"fault.open", on_fault_open},
	{"fault.close", on_fault_close},
	{"probe.up", on_probe_up},
	{"probe.down", on_probe_down},
	{"lost", on_lost},
	{"abort", on_abort},
	{"budget", on_budget},
	{"packets", on_packets},
	{"line", on_line},
};

static void handle(struct collector *c, const struct event *event)
{
	json_t *json;
	size_t i;

	count_type(c->r, event->type);
	if (!c->ended)
		c->r->end_ts_ns = event->ts_ns;
	for (i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
		if (strcmp(event->type, handlers[i].type) != 0)
			continue;
		json = event_json(event);
		c->event = event;
		c->json = json;
		c->data = json_object_get(json, "data");
		if (json)
			handlers[i].call(c);
		else
			c->unreadable++;
		json_decref(json);
		return;
	}
}

static void check_file(struct results *r, const struct read_check *check)
{
	if (check->cut)
		results_lack(r, "events.jsonl ends in the middle of a line");
	if (check->damaged)
		results_lack(r, "events.jsonl: %" PRIu64 " lines are no events, the first is line %" PRIu64,
			     check->damaged, check->damaged_line);
	if (check->missing_line)
		results_lack(r, "events.jsonl: %" PRIu64 " events are missing, first before line %" PRIu64,
			     check->missing, check->missing_line);
	if (check->unchained)
		results_lack(r,
			     "events.jsonl: the hash of the line before is wrong on %" PRIu64
			     " lines, first on line %" PRIu64 ": it was altered",
			     check->unchained, check->unchained_line);
	r->head = results_keep(r, check->head);
}

static void check_collected(struct collector *c)
{
	struct results *r = c->r;

	if (!c->started)
		results_lack(r, "the log has no run.start");
	if (!c->ended) {
		results_lack(r, "the log has no run.end: the run was not ended in order");
		r->outcome = OUTCOME_HOST_FAILED;
	}
	if (c->unreadable)
		results_lack(r, "%" PRIu64 " events don't have the data that they should have",
			     c->unreadable);
	if (c->strangers)
		results_lack(r, "%" PRIu64 " samples are of probes that the plan doesn't have", c->strangers);
	if (c->lost_at_end != NO_NS && c->lost_at_end > r->lost)
		r->lost = c->lost_at_end;
	if (r->lost)
		results_lack(r, "%" PRIu64 " records of the kernel found no room in the ring buffer",
			     r->lost);
	if (c->has_balanced && !c->said_balanced)
		results_lack(r, "the run itself found counters that don't add up");
	if (llabs(c->widest_ns) > (int64_t)CLOCK_STEP_NS)
		results_note(r,
			     "the wall clock moved by %" PRId64
			     " ms during the run; durations are not affected",
			     c->widest_ns / (int64_t)NS_PER_MS);
}

int collect_events(int dirfd, struct results *r)
{
	struct collector c = {.r = r, .lost_at_end = NO_NS};
	struct reader *reader = NULL;
	struct event event;
	int err;

	err = reader_open(dirfd, &reader);
	if (err)
		return err;
	err = track_new(r, &c.track);
	if (err)
		goto out;
	while ((err = reader_next(reader, &event)) > 0)
		handle(&c, &event);
	if (err)
		goto out;
	check_file(r, reader_check(reader));
	check_collected(&c);
	if (r->failed)
		err = -ENOMEM;
out:
	track_free(c.track);
	reader_close(reader);
	return err;
}
