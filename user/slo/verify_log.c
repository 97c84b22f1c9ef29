/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/verify_log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/log.h"
#include "slo/get.h"
#include "slo/packet_line.h"
#include "slo/verify.h"

#define MOST_DRAWS (1ULL << 28) /* packets of all flows whose lots are drawn again: seconds */

static const char *const verdict_names[SP_VERDICTS] = {
	[SP_PASS] = "passed",          [SP_SUPPRESS] = "suppressed", [SP_DELAY] = "delayed",
	[SP_DUPLICATE] = "duplicated", [SP_ALTER] = "altered",       [SP_REFUSE] = "refused",
	[SP_RESET] = "reset",          [SP_DROP] = "dropped",
};

static const char *const chance_names[SP_CHANCES] = {
	[SP_CHANCE_LOSS] = "loss",
	[SP_CHANCE_DUPLICATE] = "duplicate",
	[SP_CHANCE_CORRUPT] = "corrupt",
	[SP_CHANCE_REORDER] = "reorder",
};

/* An event of a rule's window. */
struct told {
	const struct event *event;
	const json_t *data;
	const struct replay_rule *rule;
	struct verify_window *window;
	uint32_t instance; /* from 0 */
	const char *flow;
	uint64_t hash; /* the flow's */
};

static void wrong_at(struct tally *t, uint64_t line, uint64_t seq, uint64_t offset, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void wrong_at(struct tally *t, uint64_t line, uint64_t seq, uint64_t offset, const char *format, ...)
{
	va_list args;

	if (t->wrong++)
		return;
	t->line = line;
	t->seq = seq;
	t->offset = offset;
	va_start(args, format);
	vsnprintf(t->what, sizeof(t->what), format, args);
	va_end(args);
}

#define WRONG(tally, event, ...) wrong_at(tally, (event)->number, (event)->seq, (event)->offset, __VA_ARGS__)

static enum sp_verdict verdict_of(const char *name)
{
	unsigned v = SP_DELAY;

	while (v < SP_VERDICTS && (!name || strcmp(name, verdict_names[v]) != 0))
		v++;
	return v;
}

int verify_log_open(const json_t *plan, struct verify_log **ret)
{
	const char *evidence = get_string(plan, "evidence");
	struct verify_log *log = calloc(1, sizeof(*log));
	size_t n = 0;
	int err;

	if (!log)
		return -ENOMEM;
	err = replay_rules(plan, &log->rules, &log->n_rules);
	if (!err)
		err = verify_expects_open(plan, &log->expects);
	if (err)
		goto fail;
	for (size_t r = 0; r < log->n_rules; r++) {
		log->first_window[r] = n;
		n += log->rules[r].rule.times;
	}
	log->first_window[log->n_rules] = n;
	log->windows = calloc(n + 1, sizeof(*log->windows));
	if (!log->windows) {
		err = -ENOMEM;
		goto fail;
	}
	log->packet_evidence = evidence && strcmp(evidence, "packets") == 0;
	log->plan_seed = json_integer_value(json_object_get(plan, "seed"));
	log->seed = log->zero_ns = NO_NS;
	*ret = log;
	return 0;
fail:
	verify_log_close(log);
	return err;
}

void verify_log_close(struct verify_log *log)
{
	if (!log)
		return;
	verify_expects_close(&log->expects);
	free(log->rules);
	free(log->windows);
	free(log);
}

struct verify_window *verify_windows(const struct verify_log *log, size_t *ret_n)
{
	*ret_n = log->first_window[log->n_rules];
	return log->windows;
}

static const struct replay_rule *rule_of(const struct verify_log *log, const struct verify_window *w)
{
	size_t r = 0;

	while (log->first_window[r + 1] <= (size_t)(w - log->windows))
		r++;
	return &log->rules[r];
}

void verify_window_name(const struct verify_log *log, const struct verify_window *w, char *name, size_t size)
{
	const struct replay_rule *rule = rule_of(log, w);
	size_t instance = w - log->windows - log->first_window[rule - log->rules] + 1;

	snprintf(name, size, "%s #%zu, %s", rule->step, instance, rule->target);
}

static bool is_named(const json_t *json, const char *key, const char *name)
{
	const char *said = get_string(json, key);

	return said && strcmp(said, name) == 0;
}

/* The window that the event is of. False: it is none of the plan's, or the event doesn't say. */
static bool find_window(struct verify_log *log, uint64_t rule, uint64_t instance, struct told *t)
{
	if (rule >= log->n_rules || !instance || instance > log->rules[rule].rule.times)
		return false;
	t->rule = &log->rules[rule];
	t->instance = instance - 1;
	t->window = &log->windows[log->first_window[rule] + t->instance];
	t->window->told = true;
	return true;
}

static bool read_window(struct verify_log *log, const json_t *json, struct told *t)
{
	return find_window(log, get_u64(t->data, "rule"), get_u64(json, "instance"), t) &&
	       is_named(json, "step", t->rule->step) && is_named(json, "target", t->rule->target);
}

static bool read_flow(struct verify_log *log, const json_t *json, struct told *t)
{
	t->flow = get_string(json, "flow");
	return read_window(log, json, t) && t->flow && replay_flow(t->flow, &t->hash);
}

static bool on_run_start(struct verify_log *log, const json_t *json, struct told *t)
{
	uint64_t format = get_u64(t->data, "format");

	(void)json;
	log->started = true;
	log->seed = get_u64(t->data, "seed");
	log->format = format == NO_NS ? 1 : format;
	return true;
}

static bool on_run_end(struct verify_log *log, const json_t *json, struct told *t)
{
	uint64_t lost = get_u64(t->data, "lost");

	(void)json;
	log->ended = true;
	log->whole = is_named(t->data, "outcome", "pass");
	if (lost != NO_NS && lost > log->lost)
		log->lost = lost;
	return lost != NO_NS;
}

static bool on_lost(struct verify_log *log, const json_t *json, struct told *t)
{
	uint64_t count = get_u64(t->data, "count");

	(void)json;
	if (count != NO_NS)
		log->lost += count;
	return count != NO_NS;
}

static bool on_budget(struct verify_log *log, const json_t *json, struct told *t)
{
	(void)json;
	(void)t;
	log->spent = true;
	return true;
}

/* At the end of the baseline, and behind each wait. */
static bool on_zero(struct verify_log *log, const json_t *json, struct told *t)
{
	(void)json;
	log->zero_ns = get_u64(t->data, "zero_ns");
	return log->zero_ns != NO_NS;
}

static bool on_expect(struct verify_log *log, const json_t *json, struct told *t)
{
	(void)t;
	return verify_expects_decided(&log->expects, get_string(json, "step"), get_u64(json, "instance"));
}

static void check_time(struct verify_log *log, const struct told *t)
{
	uint64_t planned = t->rule->at_ns + t->instance * t->rule->every_ns;
	uint64_t opens = get_u64(t->data, "opens_ns");

	if (log->zero_ns == NO_NS || opens == NO_NS)
		log->times.open++;
	else if (opens - log->zero_ns == planned)
		log->times.right++;
	else
		WRONG(&log->times, t->event,
		      "%s #%" PRIu32 " opens at %" PRIu64
		      " ns, by the plan and the zero in force at %" PRIu64,
		      t->rule->step, t->instance + 1, opens, log->zero_ns + planned);
}

static bool on_fault_open(struct verify_log *log, const json_t *json, struct told *t)
{
	struct verify_window *w;

	if (!read_window(log, json, t))
		return false;
	check_time(log, t);
	w = t->window;
	w->opened = true;
	w->open_line = t->event->number;
	w->open_seq = t->event->seq;
	w->open_offset = t->event->offset;
	return true;
}

static void read_chances(const json_t *receipt, struct verify_window *w)
{
	const json_t *chances = json_object_get(receipt, "chance");

	w->has_receipt = json_is_object(chances);
	for (int i = 0; i < SP_CHANCES; i++) {
		const json_t *chance = json_object_get(chances, chance_names[i]);
		uint64_t drawn = get_u64(chance, "drawn"), hit = get_u64(chance, "hit");

		w->drawn[i] = drawn == NO_NS ? 0 : drawn;
		w->hit[i] = hit == NO_NS ? 0 : hit;
	}
}

static bool read_counters(const json_t *data, struct verify_window *w)
{
	uint64_t sum = 0;

	w->matched = get_u64(data, "matched");
	w->untracked = get_u64(data, "untracked");
	w->has_counters = w->matched != NO_NS && w->untracked != NO_NS;
	for (int v = 0; w->has_counters && v < SP_VERDICTS; v++) {
		w->counted[v] = get_u64(data, verdict_names[v]);
		w->has_counters = w->counted[v] != NO_NS && !__builtin_add_overflow(sum, w->counted[v], &sum);
	}
	w->unbalanced = w->has_counters && sum != w->matched;
	return w->has_counters;
}

/* The lots that receipts count. */
static bool has_counted_lots(const struct sp_rule *r)
{
	return r->flags & SP_RULE_GEMODEL || (r->drop_below && r->drop_below < SP_ALWAYS) ||
	       r->duplicate_below || r->corrupt_below || r->reorder_below;
}

/* A GSO packet draws one lot for all its segments: then fewer are drawn than packets came. */
static bool has_lot_each(const struct sp_rule *r, const struct verify_window *w)
{
	uint64_t left = w->matched;
	bool any = false, each = true;

	if (r->flags & SP_RULE_GEMODEL || (r->drop_below && r->drop_below < SP_ALWAYS)) {
		any = true;
		each = w->drawn[SP_CHANCE_LOSS] == left;
		left -= each ? w->hit[SP_CHANCE_LOSS] : 0;
	}
	if (r->duplicate_below) {
		any = true;
		each &= w->drawn[SP_CHANCE_DUPLICATE] == left;
	}
	if (r->corrupt_below && !(r->flags & SP_RULE_CORRUPT_VALID)) {
		any = true;
		each &= w->drawn[SP_CHANCE_CORRUPT] == left;
	}
	if (r->reorder_below && !r->reorder_gap) {
		any = true;
		each &= w->drawn[SP_CHANCE_REORDER] == left;
	}
	return any && each && !w->untracked && !w->stale;
}

static bool on_fault_close(struct verify_log *log, const json_t *json, struct told *t)
{
	const json_t *receipt = json_object_get(t->data, "receipt");
	struct verify_window *w;
	uint64_t stale;

	if (!read_window(log, json, t))
		return false;
	w = t->window;
	w->closed = true;
	w->close_line = t->event->number;
	w->close_seq = t->event->seq;
	w->close_offset = t->event->offset;
	stale = get_u64(receipt, "stale");
	w->stale = stale == NO_NS ? 0 : stale;
	read_chances(receipt, w);
	if (!read_counters(t->data, w))
		return false;
	w->exact = has_lot_each(&t->rule->rule, w);
	return true;
}

static bool takes_part(struct verify_log *log, const struct told *t)
{
	if (t->rule->rule.share >= SP_ALWAYS) {
		log->takes_part.certain++;
	} else if (replay_takes_part(&t->rule->rule, t->hash)) {
		log->takes_part.right++;
	} else {
		WRONG(&log->takes_part, t->event, "the flow %s is none of the share that %s draws", t->flow,
		      t->rule->target);
		return false;
	}
	return true;
}

static bool on_flow_hit(struct verify_log *log, const json_t *json, struct told *t)
{
	enum sp_verdict verdict = verdict_of(get_string(t->data, "verdict"));

	if (!read_flow(log, json, t) || verdict == SP_VERDICTS)
		return false;
	if (!takes_part(log, t) ||
	    (verdict != SP_RESET && verdict != SP_REFUSE && !replay_goes_by_connection(&t->rule->rule)))
		return true;
	if (t->rule->rule.flow_below >= SP_ALWAYS)
		log->answered.certain++;
	else if (replay_is_answered(&t->rule->rule, t->hash))
		log->answered.right++;
	else
		WRONG(&log->answered, t->event,
		      "%s: the flow %s is told as %s, and its lot says that it isn't", t->rule->step, t->flow,
		      verdict_names[verdict]);
	return true;
}

/* A connection that was taken to the responder: of its rule, no packet is told of. */
static bool on_answered(struct verify_log *log, const json_t *json, struct told *t)
{
	uint64_t index = get_u64(t->data, "index");

	if (!read_flow(log, json, t) || index > UINT32_MAX)
		return false;
	t->window->events[SP_ALTER]++;
	if (t->rule->rule.flow_below >= SP_ALWAYS && t->rule->rule.share >= SP_ALWAYS)
		log->answered.certain++;
	else if (replay_is_taken(&t->rule->rule, t->hash, index))
		log->answered.right++;
	else
		WRONG(&log->answered, t->event,
		      "%s: connection %" PRIu64
		      " of the flow %s is told as answered, and its lot says that it isn't",
		      t->rule->step, index, t->flow);
	return true;
}

static void judge_packet(struct verify_log *log, const struct told *t, const struct replay_packet *packet)
{
	if (!replay_takes_part(&t->rule->rule, t->hash)) {
		WRONG(&log->packets, t->event, "the flow %s is none of the share that %s draws", t->flow,
		      t->rule->target);
		return;
	}
	switch (replay_packet(&t->rule->rule, packet)) {
	case REPLAY_SAME:
		log->packets.right++;
		break;
	case REPLAY_CERTAIN:
		log->packets.certain++;
		break;
	case REPLAY_OPEN:
		log->packets.open++;
		break;
	case REPLAY_OTHER:
		WRONG(&log->packets, t->event,
		      "%s #%" PRIu32 ": packet %" PRIu32
		      " %s of the flow %s is told as %s, and its lot says otherwise",
		      t->rule->step, t->instance + 1, packet->index, packet->dir == SP_DIR_OUT ? "out" : "in",
		      t->flow, verdict_names[packet->verdict]);
	}
}

static bool take_packet(struct verify_log *log, struct told *t, enum sp_verdict verdict, bool out,
			uint64_t index, uint64_t segments)
{
	const struct replay_packet packet = {.flow = t->hash,
					     .instance = t->instance,
					     .dir = out ? SP_DIR_OUT : SP_DIR_IN,
					     .index = index,
					     .segments = segments,
					     .verdict = verdict};

	if (verdict == SP_VERDICTS || index > UINT32_MAX || segments > UINT32_MAX)
		return false;
	t->window->events[verdict] += segments;
	judge_packet(log, t, &packet);
	return true;
}

static bool on_packet(struct verify_log *log, const json_t *json, struct told *t)
{
	return read_flow(log, json, t) &&
	       take_packet(log, t, verdict_of(get_string(t->data, "verdict")),
			   is_named(t->data, "direction", "out"), get_u64(t->data, "index"),
			   get_u64(t->data, "segments"));
}

/* There may be millions of them: without a JSON document each. False: it isn't as the log writes it. */
static bool on_packet_line(struct verify_log *log, struct told *t)
{
	struct packet_line line;
	bool taken;

	if (!packet_line_read(t->event, &line) || !find_window(log, line.rule, line.instance, t) ||
	    strcmp(line.step, t->rule->step) != 0 || strcmp(line.target, t->rule->target) != 0 ||
	    !replay_flow(line.flow, &t->hash))
		return false;
	t->flow = line.flow;
	taken = take_packet(log, t, verdict_of(line.verdict), strcmp(line.direction, "out") == 0, line.index,
			    line.segments);
	t->flow = NULL;
	return taken;
}

/* Another rule may have dropped or answered a packet that this one hits, too: then this one counts it as passed. */
static bool has_rivals(const struct verify_log *log, const struct replay_rule *rule)
{
	uint64_t ends = rule->at_ns + (rule->rule.times - 1) * rule->every_ns + rule->for_ns;

	for (size_t i = 0; i < log->n_rules; i++) {
		const struct replay_rule *o = &log->rules[i];

		if (o != rule && o->at_ns < ends &&
		    rule->at_ns < o->at_ns + (o->rule.times - 1) * o->every_ns + o->for_ns)
			return true;
	}
	return false;
}

static void judge_flow(struct verify_log *log, const struct told *t, uint64_t hits, uint64_t replayed)
{
	bool known = (t->window->exact || t->rule->rule.drop_every) && !t->window->stale;

	if (hits == replayed && known)
		log->flows.right++;
	else if (!known || (hits < replayed && (!t->window->exact || log->spent || has_rivals(log, t->rule))))
		log->flows.open++;
	else
		WRONG(&log->flows, t->event,
		      "%s #%" PRIu32 ": of the flow %s %" PRIu64 " packets are told as hit, and %" PRIu64
		      " are by their lots",
		      t->rule->step, t->instance + 1, t->flow, hits, replayed);
}

static bool on_flow_end(struct verify_log *log, const json_t *json, struct told *t)
{
	uint64_t in = get_u64(t->data, "packets_in"), out = get_u64(t->data, "packets_out");
	uint64_t hits = get_u64(t->data, "hits");
	struct replay_lots lots = {0};

	if (!read_flow(log, json, t) || in > UINT32_MAX || out > UINT32_MAX || hits == NO_NS)
		return false;
	if (!takes_part(log, t))
		return true;
	if (!has_counted_lots(&t->rule->rule) && !t->rule->rule.drop_every) {
		log->flows.certain++;
		return true;
	}
	if (!replay_is_closed(&t->rule->rule) || log->draws + in + out > MOST_DRAWS) {
		log->flows.open++;
		return true;
	}
	log->draws += in + out;
	t->window->flow_packets += in + out;
	replay_lots(&t->rule->rule, t->hash, t->instance, SP_DIR_IN, in, &lots);
	replay_lots(&t->rule->rule, t->hash, t->instance, SP_DIR_OUT, out, &lots);
	for (int i = 0; i < SP_CHANCES; i++) {
		t->window->lots.drawn[i] += lots.drawn[i];
		t->window->lots.hit[i] += lots.hit[i];
	}
	judge_flow(log, t, hits, t->rule->rule.shadow ? 0 : lots.hits);
	return true;
}

static const struct {
	const char *type;
	bool (*call)(struct verify_log *log, const json_t *json, struct told *t);
} handlers[] = {
	{"packet", on_packet},          {"flow.hit", on_flow_hit},       {"flow.end", on_flow_end},
	{"fault.open", on_fault_open},  {"fault.close", on_fault_close}, {"lost", on_lost},
	{"budget", on_budget},          {"run.start", on_run_start},     {"run.end", on_run_end},
	{"conn.answered", on_answered}, {"baseline.end", on_zero},       {"zero", on_zero},
	{"expect.pass", on_expect},     {"expect.fail", on_expect},
};

bool verify_log_event(struct verify_log *log, const struct event *event)
{
	struct told told = {.event = event};
	json_t *json;

	if (strcmp(event->type, "packet") == 0 && on_packet_line(log, &told))
		return true;
	for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers); i++) {
		if (strcmp(event->type, handlers[i].type) != 0)
			continue;
		json = event_json(event);
		told.data = json_object_get(json, "data");
		if (!json || !handlers[i].call(log, json, &told))
			WRONG(&log->unreadable, event,
			      "a %s event that isn't as documented, or is of no window of the plan",
			      event->type);
		json_decref(json);
		break;
	}
	return log->format <= LOG_FORMAT;
}

static void judge_sums(struct verify_log *log, const struct verify_window *w)
{
	char name[160];

	if (!w->exact || w->flow_packets != w->matched) {
		log->sums.open++;
		return;
	}
	for (int i = 0; i < SP_CHANCES; i++) {
		if (w->lots.drawn[i] == w->drawn[i] && w->lots.hit[i] == w->hit[i])
			continue;
		verify_window_name(log, w, name, sizeof(name));
		wrong_at(&log->sums, w->close_line, w->close_seq, w->close_offset,
			 "%s: its receipt has %" PRIu64 " hits of %s in %" PRIu64
			 " lots, the seed gives %" PRIu64 " in %" PRIu64,
			 name, w->hit[i], chance_names[i], w->drawn[i], w->lots.hit[i], w->lots.drawn[i]);
		return;
	}
	log->sums.right++;
}

void verify_log_end(struct verify_log *log)
{
	size_t n;
	struct verify_window *w = verify_windows(log, &n);

	for (; n; n--, w++) {
		const struct sp_rule *r = &rule_of(log, w)->rule;

		if (w->has_counters && w->has_receipt && has_counted_lots(r) && replay_is_closed(r))
			judge_sums(log, w);
	}
}
