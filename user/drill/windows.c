/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/windows.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/timeutil.h"
#include "drill/narrow_log.h"
#include "drill/receipts.h"
#include "kernel/counters.h"

/* A second look finds the connections that had a segment under way at the first. */
#define SECOND_WALK_NS (25 * NS_PER_MS)
/* Connections that are reset one by one, each at its time: what sends nothing waits for the next look. */
#define DISCONNECTS_WALK_NS (250 * NS_PER_MS)
/* Events wait in the log's memory for a while: batches of flows at this pace keep it small. */
#define BATCH_NS (5 * NS_PER_MS)

struct window {
	const struct plan_rule *rule;
	const struct plan_step *step;
	size_t rule_index;
	uint32_t instance; /* from 0 */
	uint32_t slot;
	uint64_t opens, closes, next_walk;
	uint64_t burst_opens; /* of the burst that next_walk belongs to */
	bool is_open, is_closed, cut;
	unsigned graces, still; /* looks after the closing; the last ones at which nothing had come back */
	uint64_t returned;      /* from the delay line, when last looked at after the closing */
	struct flows *flows;    /* that are still to be told of, after the closing */
	uint64_t next_batch;
	uint64_t idle_reset, idle_failed;
	uint64_t next_pause; /* of a stall: when its burst or window closes, and who waits is to be told */
	bool untold;         /* the rule's next window was open by then */
	struct stalls_told told;
};

struct windows {
	const struct plan *plan;
	struct engine *engine;
	struct journal *journal;
	struct fault_events *fault_events;
	const struct answers *answers;
	struct window *items; /* by slot */
	struct drill_window *view;
	size_t n, n_done; /* done: closed, and every flow told of */
	uint64_t last_close;
	bool unbalanced;
};

int windows_open(const struct plan *plan, struct engine *engine, struct journal *journal,
		 struct fault_events *fault_events, struct windows **ret)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->plan = plan;
	w->engine = engine;
	w->journal = journal;
	w->fault_events = fault_events;
	w->n = plan->n_slots;
	w->items = calloc(w->n + 1, sizeof(*w->items));
	w->view = calloc(w->n + 1, sizeof(*w->view));
	if (!w->items || !w->view) {
		windows_close(w);
		return -ENOMEM;
	}
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_rule *rule = &plan->rules[r];
		const struct plan_step *step = &plan->steps[rule->step];

		for (uint32_t i = 0; i < step->window.times; i++) {
			uint32_t slot = rule->first_slot + i;

			w->items[slot] = (struct window){.rule = rule,
							 .step = step,
							 .rule_index = r,
							 .instance = i,
							 .slot = slot,
							 .opens = UINT64_MAX, /* until zero is set */
							 .closes = UINT64_MAX,
							 .next_walk = UINT64_MAX,
							 .next_pause = UINT64_MAX};
			w->view[slot] = (struct drill_window){
				.step = step, .target = &plan->targets[rule->target], .instance = i};
		}
	}
	*ret = w;
	return 0;
}

void windows_close(struct windows *windows)
{
	if (!windows)
		return;
	for (size_t i = 0; windows->items && i < windows->n; i++)
		flows_close(windows->items[i].flows);
	free(windows->items);
	free(windows->view);
	free(windows);
}

/*
 * The end of a stall's first burst that ends behind `ns`, or of its window. What is still in the delay line then is let go, and
 * says that there is no room: it comes first.
 */
static uint64_t pause_after(const struct window *w, uint64_t ns)
{
	const struct plan_window *plan = &w->step->window;
	uint64_t period = plan->burst_on_ns + plan->burst_off_ns, end = w->closes;
	uint64_t line = plan_fault_holds(&w->step->fault) ? CLOSE_GRACE_NS : 0;

	if (w->step->fault.meaning != PLAN_MEANS_STALL || ns >= w->closes)
		return UINT64_MAX;
	if (plan->burst_off_ns) {
		end = w->opens + plan->burst_on_ns;
		if (ns >= end)
			end += ((ns - end) / period + 1) * period;
	}
	return (end < w->closes ? end : w->closes) + line;
}

void windows_answer(struct windows *windows, const struct answers *answers)
{
	windows->answers = answers;
}

void windows_set_zero(struct windows *windows, uint64_t zero_ns)
{
	for (size_t i = 0; i < windows->n; i++) {
		struct window *w = &windows->items[i];

		w->opens = zero_ns + plan_opens(&w->step->window, w->instance);
		w->closes = zero_ns + plan_closes(&w->step->window, w->instance);
		w->burst_opens = w->opens;
		w->next_walk = plan_fault_walks(&w->step->fault) ? w->opens : UINT64_MAX;
		w->next_pause = pause_after(w, w->opens);
		windows->view[i].opens_ns = w->opens;
		windows->view[i].closes_ns = w->closes;
	}
}

static struct journal_where where(const struct windows *ws, const struct window *w)
{
	return (struct journal_where){
		.step = w->step->name,
		.instance = w->instance + 1,
		.target = ws->plan->targets[w->rule->target].name,
	};
}

/* Windows of one step are one for those who read fault_events.jsonl: the first rule's stands for all. */
static bool speaks_for_step(const struct windows *ws, const struct window *w)
{
	return !w->rule_index || ws->plan->rules[w->rule_index - 1].step != w->rule->step;
}

static int tell_narrow(struct windows *ws, const struct window *w, uint64_t mono_ns,
		       int (*tell)(struct fault_events *, uint64_t, const struct fault_window *))
{
	return narrow_log_tell(ws->fault_events, ws->plan, w->step, w->instance,
			       mono_ns + ws->journal->offset_ns, tell);
}

static void tell_step(struct windows *ws, const struct window *w, uint64_t mono_ns, const char *type)
{
	struct journal_where at = {.step = w->step->name};

	journal_data(ws->journal);
	journal_write(ws->journal, mono_ns, type, &at);
}

static int open_window(struct windows *ws, struct window *w)
{
	struct journal_where at = where(ws, w);
	struct json *data;

	if (speaks_for_step(ws, w) && !w->instance)
		tell_step(ws, w, w->opens, "step.start");
	data = journal_data(ws->journal);
	json_u64(data, "rule", w->rule_index);
	json_u64(data, "opens_ns", w->opens);
	json_u64(data, "closes_ns", w->closes);
	json_raw(data, "fault", w->step->fault.text);
	journal_write(ws->journal, w->opens, "fault.open", &at);
	w->is_open = true;
	return speaks_for_step(ws, w) ? tell_narrow(ws, w, w->opens, fault_events_apply) : 0;
}

struct flow_teller {
	struct windows *ws;
	struct window *w;
};

static void tell_flow_end(void *arg, const struct sp_flow_key *key, const struct sp_flow *flow)
{
	struct flow_teller *t = arg;
	struct journal_where at = where(t->ws, t->w);
	struct json *data = journal_data(t->ws->journal);
	uint64_t hits = (uint64_t)flow->hits[SP_DIR_IN] + flow->hits[SP_DIR_OUT];
	char text[160];

	journal_flow(key, text, sizeof(text));
	at.flow = text;
	json_u64(data, "rule", t->w->rule_index);
	json_u64(data, "packets_in", flow->packets[SP_DIR_IN]);
	json_u64(data, "packets_out", flow->packets[SP_DIR_OUT]);
	json_u64(data, "hits", hits);
	json_u64(data, "bytes", flow->bytes);
	json_u64(data, "first_ns", flow->first_ns);
	json_u64(data, "last_ns", flow->last_ns);
	journal_write(t->ws->journal, clock_mono_ns(), "flow.end", &at);
}

static void json_time(struct json *data, const char *key, uint64_t ns)
{
	if (ns)
		json_u64(data, key, ns);
	else
		json_null(data, key);
}

static bool is_balanced(const struct sp_counters *c)
{
	uint64_t sum = 0;

	for (int v = 0; v < SP_VERDICTS; v++)
		sum += c->verdict[v];
	return sum == c->matched;
}

static void tell_counters(struct windows *ws, struct window *w, const struct sp_counters *c,
			  const struct sp_receipt *receipt)
{
	struct json *data = journal_data(ws->journal);
	struct journal_where at = where(ws, w);

	if (!is_balanced(c))
		ws->unbalanced = true;
	json_u64(data, "rule", w->rule_index);
	json_u64(data, "opens_ns", w->opens);
	json_u64(data, "closes_ns", w->closes);
	json_time(data, "first_hit_ns", c->first_ns);
	json_time(data, "last_hit_ns", c->last_ns);
	json_raw(data, "fault", w->step->fault.text);
	counters_tell(data, c);
	json_u64(data, "flows", c->flows);
	json_u64(data, "untracked", c->untracked);
	json_u64(data, "failed", c->failed + w->idle_failed + w->told.failed);
	json_u64(data, "idle_reset", w->idle_reset);
	if (w->step->fault.meaning == PLAN_MEANS_ANSWER)
		json_u64(data, "requests", answers_requests(ws->answers, w->slot));
	if (w->step->fault.meaning == PLAN_MEANS_STALL)
		json_u64(data, "resumed", w->told.sent);
	json_bool(data, "cut", w->cut);
	if (plan_fault_has_receipt(&w->step->fault))
		receipts_tell(data, &w->step->fault, receipt);
	journal_write(ws->journal, w->closes, "fault.close", &at);
}

/* The last window of its step, in time. */
static bool ends_step(const struct window *w)
{
	return w->instance + 1 == w->step->window.times;
}

/* Is it worth while to look again? */
static bool is_under_way(struct window *w, const struct sp_counters *counters,
			 const struct sp_receipt *receipt)
{
	w->still = receipt->returned > w->returned ? 0 : w->still + 1;
	w->returned = receipt->returned;
	if (is_balanced(counters) && receipt->returned >= receipt->entered)
		return false;
	return w->graces++ < LINE_GRACES && w->still <= CLOSE_GRACES;
}

/* The last look finds what was under way at the closing. Where windows follow each other closely, all is told behind the last. */
static int end_states(struct windows *ws, struct window *w)
{
	int err = 0;

	if (!plan_fault_keeps_state(&w->step->fault))
		return 0;
	for (struct window *each = ws->items + w->rule->first_slot; !err && each <= w; each++) {
		if (each != w && !each->untold)
			continue;
		err = engine_end_states(ws->engine, w->rule_index, each->slot, &w->told);
		each->untold = err == -EAGAIN;
		if (each->untold)
			err = 0;
	}
	return err;
}

static int close_window(struct windows *ws, struct window *w)
{
	struct sp_receipt receipt = {0};
	struct sp_counters counters;
	int err;

	err = engine_counters(ws->engine, w->slot, &counters);
	if (!err && plan_fault_has_receipt(&w->step->fault))
		err = engine_receipt(ws->engine, w->slot, &receipt);
	if (err)
		return err;
	if (is_under_way(w, &counters, &receipt))
		return 0;
	w->is_open = false;
	w->is_closed = true;
	err = end_states(ws, w);
	if (!err)
		err = engine_flows_open(ws->engine, w->slot, &w->flows);
	if (err)
		return err;
	/* A packet that was under way when the engine was disarmed. */
	if (w->cut && counters.last_ns > w->closes)
		w->closes = counters.last_ns;
	if (w->closes > ws->last_close)
		ws->last_close = w->closes;
	tell_counters(ws, w, &counters, &receipt);
	ws->view[w->slot].hit = counters.matched - counters.verdict[SP_PASS] - counters.verdict[SP_SUPPRESS];
	if (!speaks_for_step(ws, w))
		return 0;
	if (ends_step(w) || w->cut)
		tell_step(ws, w, w->closes, "step.end");
	return tell_narrow(ws, w, w->closes, fault_events_clear);
}

/* Tell of one more batch of a closed window's flows. */
static int tell_flows(struct windows *ws, struct window *w)
{
	struct flow_teller teller = {ws, w};
	int more = flows_take(w->flows, tell_flow_end, &teller);

	w->next_batch = clock_mono_ns() + BATCH_NS;
	if (more > 0)
		return 0;
	flows_close(w->flows);
	w->flows = NULL;
	ws->n_done++;
	return more;
}

static void count_idle(void *arg, const struct sp_socket *socket, int error)
{
	struct windows *ws = arg;

	if (socket->flow.slot >= ws->n)
		return;
	if (error)
		ws->items[socket->flow.slot].idle_failed++;
	else
		ws->items[socket->flow.slot].idle_reset++;
}

/* The second look, if it falls into the burst, or else the first burst that opens after now. */
static uint64_t walk_after(struct window *w, const struct plan_window *plan, uint64_t now)
{
	uint64_t period = plan->burst_on_ns + plan->burst_off_ns;

	if (w->step->fault.meaning == PLAN_MEANS_DISCONNECTS)
		return now + DISCONNECTS_WALK_NS;
	if (w->next_walk == w->burst_opens && (!period || plan->burst_on_ns > SECOND_WALK_NS))
		return w->burst_opens + SECOND_WALK_NS;
	if (!period)
		return UINT64_MAX;
	w->burst_opens += ((now - w->burst_opens) / period + 1) * period;
	return w->burst_opens;
}

/* One walk serves every window that is due; then each is set to its next. */
static int walk_idle(struct windows *ws, uint64_t now)
{
	int err = engine_reset_idle(ws->engine, count_idle, ws);

	for (size_t i = 0; i < ws->n; i++) {
		struct window *w = &ws->items[i];

		if (!w->is_open || w->next_walk > now)
			continue;
		w->next_walk = walk_after(w, &w->step->window, now);
	}
	return err < 0 ? err : 0;
}

static int end_burst(struct windows *ws, struct window *w)
{
	w->next_pause = pause_after(w, clock_mono_ns());
	return end_states(ws, w);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void windows_look_again(struct windows *ws, uint64_t now)
{
	for (size_t i = 0; i < ws->n; i++) {
		struct window *w = &ws->items[i];

		if (w->is_open && plan_fault_walks(&w->step->fault) && w->next_walk > now)
			w->next_walk = now;
	}
}

static uint64_t next_time(const struct window *w)
{
	uint64_t close = w->closes + (w->graces + 1) * CLOSE_GRACE_NS;

	if (w->is_closed)
		return w->flows ? w->next_batch : UINT64_MAX;
	if (!w->is_open)
		return w->opens;
	return earlier(earlier(w->next_walk, w->next_pause), close);
}

int windows_run(struct windows *ws, uint64_t now, uint64_t *ret_next)
{
	bool walk = false;
	int err = 0;

	for (size_t i = 0; !err && i < ws->n; i++) {
		struct window *w = &ws->items[i];

		if (!w->is_open && !w->is_closed && now >= w->opens)
			err = open_window(ws, w);
		if (w->is_open && now >= w->next_walk && now < w->closes)
			walk = true;
	}
	if (!err && walk)
		err = walk_idle(ws, now);
	*ret_next = UINT64_MAX;
	for (size_t i = 0; !err && i < ws->n; i++) {
		struct window *w = &ws->items[i];
		uint64_t next;

		if (w->is_open && w->next_walk < w->closes + CLOSE_GRACE_NS && now >= w->closes)
			w->next_walk = UINT64_MAX;
		if (w->flows && now >= w->next_batch)
			err = tell_flows(ws, w);
		if (!err && w->is_open && now >= w->next_pause)
			err = end_burst(ws, w);
		if (!err && w->is_open && now >= w->closes + (w->graces + 1) * CLOSE_GRACE_NS)
			err = close_window(ws, w);
		next = next_time(w);
		if (next < *ret_next)
			*ret_next = next;
	}
	return err;
}

/* The kernel may have opened it since the last windows_run(). */
static int cut_window(struct windows *ws, struct window *w, uint64_t now)
{
	int err = 0;

	if (!w->is_open && !w->is_closed && now >= w->opens)
		err = open_window(ws, w);
	if (w->is_open && now < w->closes) {
		w->cut = true;
		w->closes = now;
	}
	return err;
}

/* A look at each that is open; false: none is any more. */
static bool close_open(struct windows *ws, int *err)
{
	bool open = false;

	for (size_t i = 0; i < ws->n; i++) {
		struct window *w = &ws->items[i];
		int e = w->is_open ? close_window(ws, w) : 0;

		if (e)
			w->is_open = false;
		*err = *err ?: e;
		open |= w->is_open;
	}
	return open;
}

int windows_cut(struct windows *ws, uint64_t now)
{
	static const struct timespec grace = {.tv_nsec = CLOSE_GRACE_NS};
	int err = 0;

	for (size_t i = 0; i < ws->n; i++) {
		int e = cut_window(ws, &ws->items[i], now);

		err = err ?: e;
	}
	while (close_open(ws, &err))
		nanosleep(&grace, NULL);
	for (size_t i = 0; i < ws->n; i++) {
		struct window *w = &ws->items[i];
		int e = 0;

		while (!e && w->flows)
			e = tell_flows(ws, w);
		err = err ?: e;
	}
	return err;
}

static const char *budget_word(unsigned budget)
{
	static const char *const words[] = {"none", "packets", "flows", "duration"};

	return budget < sizeof(words) / sizeof(*words) ? words[budget] : "unknown";
}

void windows_event(struct windows *ws, const struct sp_event *event)
{
	struct json *data = journal_data(ws->journal);
	struct journal_where at;
	char flow[160];

	if (event->flow.slot >= ws->n)
		return;
	at = where(ws, &ws->items[event->flow.slot]);
	if (event->type == SP_EVENT_BUDGET) {
		json_string(data, "limit", budget_word(event->budget));
		journal_write(ws->journal, event->ns, "budget", &at);
		return;
	}
	journal_flow(&event->flow, flow, sizeof(flow));
	at.flow = flow;
	json_u64(data, "rule", event->rule);
	json_string(data, "verdict", journal_verdict(event->verdict));
	json_string(data, "hook", journal_hook(event->hook));
	json_string(data, "direction", event->dir == SP_DIR_OUT ? "out" : "in");
	json_bool(data, "idle", event->hook == SP_HOOK_SOCKETS);
	json_bool(data, "probe", event->is_own);
	journal_write(ws->journal, event->ns, "flow.hit", &at);
}

/* The rule's window that is the last to open by then. */
static const struct window *window_by(const struct windows *ws, const struct plan_rule *rule, uint64_t ns)
{
	const struct plan_window *plan = &ws->plan->steps[rule->step].window;
	const struct window *first = &ws->items[rule->first_slot];
	uint64_t n;

	if (ns < first->opens)
		return NULL;
	n = (ns - first->opens) / plan->every_ns;
	return first + (n < plan->times ? n : plan->times - 1);
}

bool windows_at(const struct windows *windows, size_t target, uint64_t ns, struct journal_where *ret_where)
{
	for (size_t r = 0; r < windows->plan->n_rules; r++) {
		const struct plan_rule *rule = &windows->plan->rules[r];
		const struct window *w = rule->target == target ? window_by(windows, rule, ns) : NULL;

		if (!w || ns >= w->closes)
			continue;
		ret_where->step = w->step->name;
		ret_where->instance = w->instance + 1;
		return true;
	}
	return false;
}

uint64_t windows_closes(const struct windows *windows, uint32_t slot)
{
	return slot < windows->n ? windows->items[slot].closes : UINT64_MAX;
}

bool windows_all_done(const struct windows *windows)
{
	return windows->n_done == windows->n;
}

uint64_t windows_last_close(const struct windows *windows)
{
	return windows->last_close;
}

bool windows_balanced(const struct windows *windows)
{
	return !windows->unbalanced;
}

const struct drill_window *windows_view(struct windows *windows, size_t *ret_n)
{
	for (size_t i = 0; i < windows->n; i++) {
		struct sp_counters c;

		windows->view[i].open = windows->items[i].is_open;
		windows->view[i].closed = windows->items[i].is_closed;
		if (windows->items[i].is_open && !engine_counters(windows->engine, i, &c))
			windows->view[i].hit = c.matched - c.verdict[SP_PASS] - c.verdict[SP_SUPPRESS];
	}
	*ret_n = windows->n;
	return windows->view;
}
