/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/metrics_feed.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "slo/get.h"

/* clang-format off */
#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
/* clang-format on */

static const char *const verdict_names[SP_VERDICTS] = {
	[SP_PASS] = "passed",          [SP_SUPPRESS] = "suppressed", [SP_DELAY] = "delayed",
	[SP_DUPLICATE] = "duplicated", [SP_ALTER] = "altered",       [SP_REFUSE] = "refused",
	[SP_RESET] = "reset",          [SP_DROP] = "dropped",
};

static void forget_run(struct metrics_feed *f)
{
	for (size_t i = 0; i < f->n_steps; i++)
		free(f->steps[i].name);
	free(f->steps);
	free(f->verdicts);
	free(f->scenario);
	f->steps = NULL;
	f->verdicts = NULL;
	f->scenario = NULL;
	f->n_steps = f->n_windows = 0;
}

void metrics_feed_free(struct metrics_feed *f)
{
	forget_run(f);
	metrics_store_free(&f->store);
}

static struct feed_step *find_step(struct metrics_feed *f, const char *name)
{
	struct feed_step *more;

	for (size_t i = 0; i < f->n_steps; i++) {
		if (strcmp(f->steps[i].name, name) == 0)
			return &f->steps[i];
	}
	more = reallocarray(f->steps, f->n_steps + 1, sizeof(*more));
	if (!more)
		return NULL;
	f->steps = more;
	more[f->n_steps] = (struct feed_step){.name = strdup(name)};
	return more[f->n_steps].name ? &more[f->n_steps++] : NULL;
}

static bool opens_windows(const struct plan_step *step)
{
	return step->kind != STEP_EXPECT && step->kind != STEP_WAIT;
}

/* All that may be counted is there with 0, so that the first increase is one. */
static void begin_step(struct metrics_feed *f, const struct plan *plan, const struct plan_step *step)
{
	struct feed_step *seen = opens_windows(step) ? find_step(f, step->name) : NULL;

	if (!seen)
		return;
	seen->shadow = step->shadow;
	if (!step->shadow)
		metrics_add(&f->store, METRIC_INJECTIONS, LABELS("scenario", f->scenario, "step", step->name),
			    0);
	metrics_add(&f->store, METRIC_WINDOWS, LABELS("scenario", f->scenario, "step", step->name), 0);
	metrics_set(&f->store, METRIC_WINDOW_OPEN, LABELS("scenario", f->scenario, "step", step->name), 0);
	for (size_t t = 0; t < step->n_targets; t++) {
		for (int v = 0; v < SP_VERDICTS; v++)
			metrics_add(&f->store, METRIC_PACKETS,
				    LABELS("scenario", f->scenario, "step", step->name, "target",
					   plan->targets[step->targets[t]].name, "verdict", verdict_names[v]),
				    0);
	}
}

void metrics_feed_run(struct metrics_feed *f, const struct plan *plan)
{
	static const char *const results[] = {"pass", "fail"};
	size_t i;

	forget_run(f);
	f->scenario = strdup(plan->name);
	if (!f->scenario) {
		f->store.failed = true;
		return;
	}
	metrics_set(&f->store, METRIC_BUILD_INFO, LABELS("version", SHEARPIN_VERSION), 1);
	metrics_set(&f->store, METRIC_RUN_ACTIVE, LABELS("scenario", f->scenario), 1);
	metrics_add(&f->store, METRIC_RING_LOST, LABELS("scenario", f->scenario), 0);
	for (i = 0; i < plan->n_phases; i++)
		metrics_set(&f->store, METRIC_PHASE_INFO,
			    LABELS("scenario", f->scenario, "phase", plan->phases[i].name), 0);
	for (i = 0; i < plan->n_targets; i++)
		metrics_add(&f->store, METRIC_ATTEMPTS,
			    LABELS("scenario", f->scenario, "target", plan->targets[i].name), 0);
	for (i = 0; i < 2; i++)
		metrics_add(&f->store, METRIC_EXPECTATIONS,
			    LABELS("scenario", f->scenario, "result", results[i]), 0);
	for (i = 0; i < plan->n_steps; i++)
		begin_step(f, plan, &plan->steps[i]);
}

static void on_opening(struct metrics_feed *f, const struct log_event *event)
{
	struct feed_step *step = event->step ? find_step(f, event->step) : NULL;

	/* A window with several targets opens for each of them. */
	if (!step || event->instance <= step->opened)
		return;
	step->opened = event->instance;
	if (step->shadow)
		return;
	metrics_add(&f->store, METRIC_INJECTIONS, LABELS("scenario", f->scenario, "step", event->step), 1);
}

static void on_closing(struct metrics_feed *f, const struct log_event *event)
{
	struct feed_step *step = event->step ? find_step(f, event->step) : NULL;

	if (!step || event->instance <= step->closed)
		return;
	step->closed = event->instance;
	metrics_add(&f->store, METRIC_WINDOWS, LABELS("scenario", f->scenario, "step", event->step), 1);
}

/* Of a change to the host; a fault's windows tell of themselves. */
static void on_change(struct metrics_feed *f, const struct log_event *event, const json_t *data, bool opens)
{
	const char *kind = get_string(data, "kind");

	if (!kind || !event->instance || strcmp(kind, "wait") == 0 || strcmp(kind, "expect") == 0)
		return;
	if (opens)
		on_opening(f, event);
	else
		on_closing(f, event);
	metrics_set(&f->store, METRIC_WINDOW_OPEN, LABELS("scenario", f->scenario, "step", event->step),
		    opens);
}

static void on_change_start(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	on_change(f, event, data, true);
}

static void on_change_end(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	on_change(f, event, data, false);
}

static void on_sample(struct metrics_feed *f, const json_t *data, bool healthy)
{
	const char *probe = get_string(data, "probe");
	uint64_t latency = get_u64(data, "latency_ns");

	if (!probe)
		return;
	metrics_set(&f->store, METRIC_PROBE_UP, LABELS("scenario", f->scenario, "probe", probe), healthy);
	if (latency != NO_NS)
		metrics_observe(&f->store, METRIC_PROBE_LATENCY,
				LABELS("scenario", f->scenario, "probe", probe), latency);
}

static void on_up(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	(void)event;
	on_sample(f, data, true);
}

static void on_down(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	(void)event;
	on_sample(f, data, false);
}

static void on_lost(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	uint64_t count = get_u64(data, "count");

	(void)event;
	if (count != NO_NS)
		metrics_add(&f->store, METRIC_RING_LOST, LABELS("scenario", f->scenario), count);
}

static void on_expect(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	(void)data;
	metrics_add(&f->store, METRIC_EXPECTATIONS,
		    LABELS("scenario", f->scenario, "result", event->type + strlen("expect.")), 1);
}

static void on_phase(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	const char *name = get_string(data, "name");

	if (name)
		metrics_set(&f->store, METRIC_PHASE_INFO, LABELS("scenario", f->scenario, "phase", name),
			    strcmp(event->type, "phase.start") == 0);
}

static void on_attempt(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	(void)data;
	if (event->target)
		metrics_add(&f->store, METRIC_ATTEMPTS,
			    LABELS("scenario", f->scenario, "target", event->target), 1);
}

static void on_open(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	(void)data;
	on_opening(f, event);
}

static void on_close(struct metrics_feed *f, const struct log_event *event, const json_t *data)
{
	(void)data;
	on_closing(f, event);
}

static const struct counted {
	const char *type;
	void (*call)(struct metrics_feed *f, const struct log_event *event, const json_t *data);
	bool data; /* it is looked at */
} counted[] = {
	{"probe.up", on_up, true},           {"probe.down", on_down, true},
	{"conn.attempt", on_attempt, false}, {"fault.open", on_open, false},
	{"fault.close", on_close, false},    {"step.start", on_change_start, true},
	{"step.end", on_change_end, true},   {"expect.pass", on_expect, false},
	{"expect.fail", on_expect, false},   {"phase.start", on_phase, true},
	{"phase.end", on_phase, true},       {"lost", on_lost, true},
};

static const struct counted *find(const char *type)
{
	for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
		if (strcmp(counted[i].type, type) == 0)
			return &counted[i];
	}
	return NULL;
}

bool metrics_feed_wants(const struct log_event *event)
{
	return find(event->type);
}

void metrics_feed_event(struct metrics_feed *f, const struct log_event *event)
{
	const struct counted *c = find(event->type);
	json_t *data;

	if (!c || !f->scenario)
		return;
	data = c->data && event->data ? json_loads(event->data, 0, NULL) : NULL;
	c->call(f, event, data);
	json_decref(data);
}

static void count_packets(struct metrics_feed *f, const struct drill_window *w, uint64_t *before)
{
	for (int v = 0; v < SP_VERDICTS; v++) {
		if (w->verdicts[v] <= before[v])
			continue;
		metrics_add(&f->store, METRIC_PACKETS,
			    LABELS("scenario", f->scenario, "step", w->step->name, "target", w->target->name,
				   "verdict", verdict_names[v]),
			    w->verdicts[v] - before[v]);
		before[v] = w->verdicts[v];
	}
}

/* Windows stand together by step. */
static void show_open(struct metrics_feed *f, const struct drill_progress *state)
{
	const struct plan_step *step;
	bool open;

	for (size_t i = 0; i < state->n_windows;) {
		step = state->windows[i].step;
		for (open = false; i < state->n_windows && state->windows[i].step == step; i++)
			open |= state->windows[i].open;
		metrics_set(&f->store, METRIC_WINDOW_OPEN,
			    LABELS("scenario", f->scenario, "step", step->name), open);
	}
}

void metrics_feed_tick(struct metrics_feed *f, const struct drill_progress *state)
{
	if (!f->scenario)
		return;
	if (!f->verdicts && state->n_windows) {
		f->verdicts = calloc(state->n_windows, sizeof(*f->verdicts));
		f->n_windows = f->verdicts ? state->n_windows : 0;
		f->store.failed |= !f->verdicts;
	}
	for (size_t i = 0; i < f->n_windows && i < state->n_windows; i++)
		count_packets(f, &state->windows[i], f->verdicts[i]);
	show_open(f, state);
}

static void observe(struct metrics_feed *f, const struct result_window *w, const char *by, const char *name,
		    uint64_t ns)
{
	if (ns == NO_NS)
		metrics_add(&f->store, METRIC_UNRECOVERED,
			    LABELS("scenario", f->scenario, "step", w->step, by, name), 1);
	else
		metrics_observe(&f->store, METRIC_RECOVERY,
				LABELS("scenario", f->scenario, "step", w->step, by, name), ns);
}

static void take_window(struct metrics_feed *f, const struct results *r, const struct result_window *w)
{
	size_t i;

	for (i = 0; !w->shadow && i < r->n_probes; i++)
		observe(f, w, "probe", r->probes[i].name, w->probes[i].recovery_ns);
	for (i = 0; !w->shadow && i < w->n_flows; i++) {
		if (w->flows[i].is_hit)
			observe(f, w, "path", r->paths[w->flows[i].path].name, w->flows[i].recovery_ns);
	}
}

void metrics_feed_judged(struct metrics_feed *f, const struct results *r)
{
	if (!f->scenario)
		return;
	for (size_t i = 0; r && i < r->n_windows; i++)
		take_window(f, r, r->windows[i]);
	metrics_set(&f->store, METRIC_RUN_ACTIVE, LABELS("scenario", f->scenario), 0);
	metrics_add(&f->store, METRIC_RUNS,
		    LABELS("scenario", f->scenario, "outcome",
			   result_outcome_name(r ? r->outcome : OUTCOME_REFUSED)),
		    1);
}
