/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/windows.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/timeutil.h"
#include "drill/window.h"
#include "kernel/counters.h"

/* A second look finds the connections that had a segment under way at the first. */
#define SECOND_WALK_NS (25 * NS_PER_MS)
/* Connections that are reset one by one, each at its time: what sends nothing waits for the next look. */
#define DISCONNECTS_WALK_NS (250 * NS_PER_MS)
/* Events wait in the log's memory for a while: batches of flows at this pace keep it small. */
#define BATCH_NS (5 * NS_PER_MS)

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

	if (w->step->shadow || w->step->fault.meaning != PLAN_MEANS_STALL || ns >= w->closes)
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

void windows_set_zero(struct windows *windows, uint64_t zero_ns, struct plan_span span)
{
	for (size_t i = 0; i < windows->n; i++) {
		struct window *w = &windows->items[i];

		if (!plan_spans(span, w->step->window.at_ns))
			continue;
		w->opens = zero_ns + plan_opens(&w->step->window, w->instance);
		w->closes = zero_ns + plan_closes(&w->step->window, w->instance);
		w->burst_opens = w->opens;
		w->next_walk = plan_step_walks(w->step) ? w->opens : UINT64_MAX;
		w->next_pause = pause_after(w, w->opens);
		windows->view[i].opens_ns = w->opens;
		windows->view[i].closes_ns = w->closes;
	}
}

static int open_window(struct windows *ws, struct window *w)
{
	w->is_open = true;
	return window_tell_opening(ws, w);
}

/* Is it worth while to look again? */
static bool is_under_way(struct window *w, const struct sp_counters *counters,
			 const struct sp_receipt *receipt)
{
	w->still = receipt->returned > w->returned ? 0 : w->still + 1;
	w->returned = receipt->returned;
	if (counters_balanced(counters) && receipt->returned >= receipt->entered)
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

static void show_counters(struct drill_window *view, const struct sp_counters *c)
{
	view->hit = c->matched - c->verdict[SP_PASS] - c->verdict[SP_SUPPRESS];
	for (int v = 0; v < SP_VERDICTS; v++)
		view->verdicts[v] = c->verdict[v];
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
	if (!counters_balanced(&counters))
		ws->unbalanced = true;
	show_counters(&ws->view[w->slot], &counters);
	return window_tell_closing(ws, w, &counters, &receipt);
}

/* Tell of one more batch of a closed window's flows. */
static int tell_flows(struct windows *ws, struct window *w)
{
	struct flow_teller teller = {ws, w};
	int more = flows_take(w->flows, window_tell_flow, &teller);

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

		if (w->is_open && plan_step_walks(w->step) && w->next_walk > now)
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

bool windows_of_slot(const struct windows *windows, uint32_t slot, struct slot_window *ret)
{
	const struct window *w;

	if (slot >= windows->n)
		return false;
	w = &windows->items[slot];
	*ret = (struct slot_window){w->rule_index, w->opens, w->closes};
	return true;
}

bool windows_closes_later(const struct windows *ws, uint32_t slot, uint32_t than)
{
	return slot < ws->n && than < ws->n && ws->items[slot].closes > ws->items[than].closes;
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
			show_counters(&windows->view[i], &c);
	}
	*ret_n = windows->n;
	return windows->view;
}
