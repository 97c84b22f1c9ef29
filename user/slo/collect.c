/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/collect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "evidence/log.h"
#include "evidence/read.h"
#include "slo/course.h"
#include "slo/current.h"
#include "slo/facts.h"
#include "slo/fidelity.h"
#include "slo/get.h"
#include "slo/inorder.h"
#include "slo/moment.h"
#include "slo/parts.h"
#include "slo/plan_read.h"
#include "slo/samples.h"
#include "slo/track.h"
#include "slo/watch.h"

#define MAX_EVENT_TYPES 64
#define CLOCK_STEP_NS (10 * NS_PER_MS) /* a change of the offset that is worth a note */

struct collector {
	struct results *r;
	struct track *track;
	struct current current;
	struct moment_reader *reader;
	struct inorder *inorder;
	struct watchers *watchers;
	struct samples *samples;
	bool started, ended;
	uint64_t format; /* as run.start says; NO_NS: it doesn't */
	bool said_balanced, has_balanced;
	int64_t first_offset_ns, widest_ns;
	bool has_offset;
	uint64_t unreadable;  /* events whose data is not as documented */
	uint64_t strangers;   /* samples of probes that the plan doesn't have */
	uint64_t aliens;      /* events of flows of targets that it doesn't have */
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
	c->format = get_u64(c->data, "format");
	r->start_ts_ns = c->event->ts_ns;
	r->start_ns = c->event->mono_ns;
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
	take_facts(r, c->data);
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
	r->end_ns = c->event->mono_ns;
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

static void on_fault_open(struct collector *c)
{
	c->unreadable += !parts_open(c->r, c->track, c->event, c->json);
	current_changed(&c->current);
}

static void on_fault_close(struct collector *c)
{
	c->unreadable += !parts_close(c->r, c->track, c->event, c->json);
	current_changed(&c->current);
}

/* Of a step of packet faults, its windows tell everything; of an expectation, its decision. */
static void on_step(struct collector *c, bool closes)
{
	const char *kind = get_string(c->data, "kind");

	if (!kind || strcmp(kind, "fault") == 0 || strcmp(kind, "expect") == 0)
		return;
	if (strcmp(kind, "wait") == 0)
		c->unreadable += !course_wait(c->r, c->event, c->json, closes);
	else if (strcmp(kind, "clock") == 0)
		c->unreadable += !parts_clock(c->r, c->track, c->event, c->json, closes);
	else
		c->unreadable += !parts_change(c->r, c->track, c->event, c->json, closes);
	current_changed(&c->current);
}

static void on_step_start(struct collector *c)
{
	on_step(c, false);
}

static void on_step_end(struct collector *c)
{
	on_step(c, true);
}

static void on_step_undo(struct collector *c)
{
	c->unreadable += !parts_undo(c->r, c->track, c->json);
}

static void on_expect_pass(struct collector *c)
{
	c->unreadable += !course_expect(c->r, c->event, c->json, true);
}

static void on_expect_fail(struct collector *c)
{
	c->unreadable += !course_expect(c->r, c->event, c->json, false);
}

static void on_phase_start(struct collector *c)
{
	c->unreadable += !course_phase(c->r, c->event, c->json, false);
}

static void on_phase_end(struct collector *c)
{
	c->unreadable += !course_phase(c->r, c->event, c->json, true);
}

static void on_zero(struct collector *c)
{
	c->unreadable += !course_zero(c->r, c->event, c->json);
}

static void on_baseline_end(struct collector *c)
{
	uint64_t zero_ns = get_u64(c->data, "zero_ns");

	if (zero_ns == NO_NS)
		c->unreadable++;
	else
		c->r->zero_ns = zero_ns;
}

/* Told where thresholds make it another than the state. */
static bool is_good(const json_t *data, bool healthy)
{
	const json_t *good = json_object_get(data, "good");

	return json_is_boolean(good) ? json_is_true(good) : healthy;
}

/* "1000 received, 3 missing, 2 twice, 1 late": what a probe of a stream says of it. */
static void take_stream(struct result_probe_summary *p, const char *detail)
{
	uint64_t received, missing, twice, late;

	if (!detail ||
	    sscanf(detail, "%" SCNu64 " received, %" SCNu64 " missing, %" SCNu64 " twice, %" SCNu64 " late",
		   &received, &missing, &twice, &late) != 4)
		return;
	p->stream = true;
	p->missing = missing;
	p->twice = twice;
}

static void take_sample(struct collector *c, size_t probe, bool healthy)
{
	struct result_probe_summary *p = &c->r->probes[probe];
	struct moment moment = {
		.ns = c->event->mono_ns,
		.seq = c->event->seq,
		.kind = MOMENT_SAMPLE,
		.sample = {probe, healthy, is_good(c->data, healthy), get_u64(c->data, "latency_ns")},
	};

	if (healthy)
		p->up++;
	else
		p->down++;
	take_stream(p, get_string(c->data, "detail"));
	track_sample(c->track, probe, c->event->mono_ns, c->event->seq, healthy);
	inorder_put(c->inorder, &moment);
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
		if (strcmp(r->probes[i].name, name) == 0) {
			take_sample(c, i, healthy);
			return;
		}
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
	course_abort(c->r, c->event, c->data);
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

static void on_conns(struct collector *c)
{
	uint64_t evicted = get_u64(c->data, "evicted"), untracked = get_u64(c->data, "untracked");

	c->r->observed = true;
	if (evicted == NO_NS) {
		c->unreadable++;
		return;
	}
	c->r->evicted = evicted;
	if (evicted)
		results_note(c->r,
			     "the observer gave up %" PRIu64
			     " connections to make room for others: what became of them is not known",
			     evicted);
	if (untracked != NO_NS && untracked)
		results_note(c->r, "the observer had no memory for %" PRIu64 " connections", untracked);
}

static void on_capture(struct collector *c)
{
	c->r->captured = get_u64(c->data, "packets");
	c->r->capture_lost = get_u64(c->data, "lost");
	if (c->r->captured == NO_NS || c->r->capture_lost == NO_NS)
		c->unreadable++;
	else if (c->r->capture_lost)
		results_note(c->r, "capture.pcapng lacks %" PRIu64 " packets that were hit",
			     c->r->capture_lost);
}

static void on_flow(struct collector *c)
{
	struct moment moment;

	switch (moment_read_flow(c->reader, c->event, c->json, &moment)) {
	case MOMENT_FOUND:
		c->r->observed |= moment.kind != MOMENT_HIT;
		inorder_put(c->inorder, &moment);
		break;
	case MOMENT_NONE:
		break;
	case MOMENT_ODD:
		c->unreadable++;
		break;
	case MOMENT_STRANGER:
		c->aliens++;
		break;
	}
}

static void on_moment(void *arg, const struct moment *moment)
{
	struct collector *c = arg;

	current_set(&c->current, moment->ns);
	if (moment->kind == MOMENT_SAMPLE)
		samples_add(c->samples, moment);
	else
		watch_moment(c->watchers, moment);
}

typedef void handler(struct collector *c);

static handler *find_handler(const char *type)
{
	static const struct {
		const char *type;
		handler *call;
	} handlers[] = {
		{"probe.up", on_probe_up},
		{"probe.down", on_probe_down},
		{"run.start", on_run_start},
		{"run.end", on_run_end},
		{"clock", on_clock},
		{"baseline.end", on_baseline_end},
		{"fault.open", on_fault_open},
		{"fault.close", on_fault_close},
		{"step.start", on_step_start},
		{"step.end", on_step_end},
		{"step.undo", on_step_undo},
		{"expect.pass", on_expect_pass},
		{"expect.fail", on_expect_fail},
		{"phase.start", on_phase_start},
		{"phase.end", on_phase_end},
		{"zero", on_zero},
		{"lost", on_lost},
		{"abort", on_abort},
		{"budget", on_budget},
		{"packets", on_packets},
		{"line", on_line},
		{"conns", on_conns},
		{"capture", on_capture},
	};

	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
		if (strcmp(type, handlers[i].type) == 0)
			return handlers[i].call;
	}
	return moment_is_flow(type) ? on_flow : NULL;
}

static void handle(struct collector *c, const struct event *event)
{
	handler *call = find_handler(event->type);
	json_t *json;

	count_type(c->r, event->type);
	if (!c->ended) {
		c->r->end_ts_ns = event->ts_ns;
		c->r->end_ns = event->mono_ns;
	}
	if (!call)
		return;
	json = event_json(event);
	c->event = event;
	c->json = json;
	c->data = json_object_get(json, "data");
	if (json)
		call(c);
	else
		c->unreadable++;
	json_decref(json);
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
	if (c->aliens)
		results_lack(r, "%" PRIu64 " events of flows are of targets that the plan doesn't have",
			     c->aliens);
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

static int collector_init(struct collector *c, struct results *r)
{
	int err;

	*c = (struct collector){.r = r, .format = NO_NS, .lost_at_end = NO_NS};
	current_init(&c->current, r);
	err = track_new(r, &c->track);
	if (!err)
		err = moment_reader_new(r, &c->reader);
	if (!err)
		err = inorder_new(on_moment, c, &c->inorder);
	if (!err)
		err = watch_new(r, &c->current, &c->watchers);
	if (!err)
		err = samples_new(r, &c->current, &c->samples);
	return err;
}

static void collector_free(struct collector *c)
{
	track_free(c->track);
	inorder_free(c->inorder);
	watch_free(c->watchers);
	samples_free(c->samples);
	moment_reader_free(c->reader);
	current_free(&c->current);
}

static void collector_end(struct collector *c)
{
	inorder_end(c->inorder);
	samples_end(c->samples);
	watch_end(c->watchers);
	if (!c->r->observed)
		results_drop_flows(c->r);
	check_collected(c);
}

int collect_events(int dirfd, struct results *r)
{
	struct reader *reader = NULL;
	struct collector c;
	struct event event;
	int err;

	err = reader_open(dirfd, &reader);
	if (err)
		return err;
	err = collector_init(&c, r);
	if (err)
		goto out;
	while ((err = reader_next(reader, &event)) > 0) {
		handle(&c, &event);
		if (c.format != NO_NS && c.format > LOG_FORMAT) {
			err = -EPROTONOSUPPORT;
			goto out;
		}
	}
	if (err)
		goto out;
	check_file(r, reader_check(reader));
	collector_end(&c);
	if (r->failed)
		err = -ENOMEM;
out:
	collector_free(&c);
	reader_close(reader);
	return err;
}
