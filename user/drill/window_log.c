/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/window.h"

#include "base/timeutil.h"
#include "drill/narrow_log.h"
#include "drill/receipts.h"
#include "kernel/counters.h"

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
	if (w->step->shadow)
		return 0; /* its readers know no fault that touches nothing */
	return narrow_log_tell(ws->fault_events, ws->plan, w->step, w->instance,
			       mono_ns + ws->journal->offset_ns, tell);
}

static void tell_step(struct windows *ws, const struct window *w, uint64_t mono_ns, const char *type)
{
	struct journal_where at = {.step = w->step->name};

	journal_data(ws->journal);
	journal_write(ws->journal, mono_ns, type, &at);
}

int window_tell_opening(struct windows *ws, const struct window *w)
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
	if (w->step->shadow)
		json_bool(data, "shadow", true);
	journal_write(ws->journal, w->opens, "fault.open", &at);
	return speaks_for_step(ws, w) ? tell_narrow(ws, w, w->opens, fault_events_apply) : 0;
}

void window_tell_flow(void *arg, const struct sp_flow_key *key, const struct sp_flow *flow)
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

static void tell_counters(const struct windows *ws, const struct window *w, const struct sp_counters *c,
			  const struct sp_receipt *receipt)
{
	struct json *data = journal_data(ws->journal);
	struct journal_where at = where(ws, w);

	json_u64(data, "rule", w->rule_index);
	json_u64(data, "opens_ns", w->opens);
	json_u64(data, "closes_ns", w->closes);
	json_time(data, "first_hit_ns", c->first_ns);
	json_time(data, "last_hit_ns", c->last_ns);
	json_raw(data, "fault", w->step->fault.text);
	if (w->step->shadow)
		json_bool(data, "shadow", true);
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

int window_tell_closing(struct windows *ws, const struct window *w, const struct sp_counters *c,
			const struct sp_receipt *receipt)
{
	tell_counters(ws, w, c, receipt);
	if (!speaks_for_step(ws, w))
		return 0;
	if (ends_step(w) || w->cut)
		tell_step(ws, w, w->closes, "step.end");
	return tell_narrow(ws, w, w->closes, fault_events_clear);
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
