/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/expect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/windows.h"

/* A writer's lines may reach the file, and be read, that much later than they say. */
#define LINE_GRACE_NS NS_PER_S

struct instance {
	const struct timed_window *window;
	const struct plan_expect *what;
	uint64_t planned_ns; /* offset of its opening */
	uint64_t grace_ns;
	bool started, decided;
	uint64_t samples, hits; /* in the window; of these, that are as is meant */
	uint64_t other_ns;      /* the first that isn't; UINT64_MAX: none */
	bool has_value;
	double value;
	char seen[200];
};

struct expect {
	const struct plan *plan;
	const struct condition_ops *ops;
	struct journal *journal;
	struct instance *items; /* by their openings */
	size_t n, n_decided;
	size_t first; /* all before it are decided */
};

/* ---- shared with waits ---- */

static bool is_log(const struct plan *plan, const struct plan_expect *what)
{
	return (what->what == EXPECT_PROBE && plan->probes[what->index].kind == PROBE_LOG) ||
	       (what->what == EXPECT_WATCH && plan->watches[what->index].kind == PROBE_LOG);
}

bool expect_counts_lines(const struct plan *plan, const struct plan_expect *what)
{
	return what->what == EXPECT_WATCH && is_log(plan, what);
}

uint64_t expect_grace(const struct plan *plan, const struct plan_expect *what)
{
	const struct plan_probe *log;

	if (what->what == EXPECT_COUNTER)
		return CLOSE_GRACE_NS;
	if (!is_log(plan, what))
		return 0;
	log = what->what == EXPECT_PROBE ? &plan->probes[what->index] : &plan->watches[what->index];
	return 2 * log->every_ns > LINE_GRACE_NS ? 2 * log->every_ns : LINE_GRACE_NS;
}

static bool compares(const struct plan_compare *c, double value)
{
	switch (c->op) {
	case COMPARE_EQUALS:
		return value == c->number;
	case COMPARE_DIFFERS:
		return value != c->number;
	case COMPARE_ABOVE:
		return value > c->number;
	case COMPARE_BELOW:
		return value < c->number;
	case COMPARE_AT_LEAST:
		return value >= c->number;
	case COMPARE_AT_MOST:
		return value <= c->number;
	default:
		return false;
	}
}

bool expect_counter_holds(const struct plan *plan, const struct plan_expect *what,
			  const struct condition_ops *ops, uint64_t *ret_value, bool *ret_known)
{
	*ret_known = ops->counter(ops->arg, &plan->steps[what->index], what->counter, ret_value);
	return *ret_known && compares(&what->compare, (double)*ret_value) == what->healthy;
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

void expect_words(const struct plan_expect *what, const struct probe_sample *sample, char *text, size_t size)
{
	static const char *const states[2][2] = {{"unhealthy", "healthy"}, {"it does not hold", "it holds"}};
	bool watch = what->what == EXPECT_WATCH;
	const char *state = states[watch][sample->healthy];
	const char *why = sample->healthy ? NULL : sample->error;
	const char *detail = is_same(sample->detail, why) ? NULL : sample->detail;

	if (is_same(why, state))
		why = NULL;
	snprintf(text, size, "%s%s%s%s%s", watch && why ? "" : state, why && !watch ? ": " : "", why ?: "",
		 detail ? (why ? ", " : ": ") : "", detail ?: "");
}

/* ---- decisions ---- */

static const char *how_word(enum plan_expect_how how)
{
	static const char *const words[] = {
		[EXPECT_WITHIN] = "within", [EXPECT_THROUGHOUT] = "throughout", [EXPECT_NEVER] = "never"};

	return words[how];
}

static void json_known(struct json *data, const char *key, uint64_t ns)
{
	if (ns == UINT64_MAX)
		json_null(data, key);
	else
		json_u64(data, key, ns);
}

static void tell(struct expect *e, const struct instance *i, bool pass, uint64_t decided_ns)
{
	struct journal_where at = {.step = i->window->step->name, .instance = i->window->instance + 1};
	struct json *data = journal_data(e->journal);

	json_raw(data, "expectation", i->window->step->fault.text ?: "null");
	json_string(data, "how", how_word(i->what->how));
	json_known(data, "opens_ns", i->window->opens);
	json_known(data, "closes_ns", i->window->closes);
	json_u64(data, "decided_ns", decided_ns);
	json_u64(data, "samples", i->samples);
	json_string(data, "seen", i->seen);
	if (i->has_value)
		json_double(data, "value", i->value);
	else
		json_null(data, "value");
	journal_write(e->journal, clock_mono_ns(), pass ? "expect.pass" : "expect.fail", &at);
}

static bool is_watched(const struct expect *e, const struct instance *i)
{
	return i->what->what == EXPECT_WATCH && !expect_counts_lines(e->plan, i->what);
}

static void decide(struct expect *e, struct instance *i, bool pass, uint64_t decided_ns)
{
	if (i->started && is_watched(e, i))
		e->ops->stop(e->ops->arg, i->what->index);
	i->decided = true;
	e->n_decided++;
	while (e->first < e->n && e->items[e->first].decided)
		e->first++;
	tell(e, i, pass, decided_ns);
}

static void note(struct expect *e, struct instance *i, const struct probe_sample *sample)
{
	i->samples++;
	if (expect_counts_lines(e->plan, i->what)) {
		i->has_value = true;
		i->value = i->samples;
		snprintf(i->seen, sizeof(i->seen), "%" PRIu64 " line%s", i->samples,
			 i->samples == 1 ? "" : "s");
		return;
	}
	i->has_value = sample->has_value;
	i->value = sample->value;
	expect_words(i->what, sample, i->seen, sizeof(i->seen));
}

/* A sample of its window. */
static void judge(struct expect *e, struct instance *i, const struct probe_sample *sample)
{
	bool hit = sample->healthy == i->what->healthy;

	note(e, i, sample);
	if (!hit && sample->mono_ns < i->other_ns)
		i->other_ns = sample->mono_ns;
	switch (i->what->how) {
	case EXPECT_WITHIN:
		if (hit && (!i->what->again || sample->mono_ns > i->other_ns) && ++i->hits >= i->what->count)
			decide(e, i, true, sample->mono_ns);
		break;
	case EXPECT_THROUGHOUT:
		if (!hit)
			decide(e, i, false, sample->mono_ns);
		break;
	case EXPECT_NEVER:
		if (hit)
			decide(e, i, false, sample->mono_ns);
	}
}

static void decide_counter(struct expect *e, struct instance *i)
{
	uint64_t value;
	bool known, holds = expect_counter_holds(e->plan, i->what, e->ops, &value, &known);

	i->has_value = known;
	i->value = known ? (double)value : 0;
	i->samples = known;
	if (known)
		snprintf(i->seen, sizeof(i->seen), "%" PRIu64 " %s", value, i->what->counter);
	else
		snprintf(i->seen, sizeof(i->seen), "it can't be read");
	decide(e, i, known && holds == (i->what->how != EXPECT_NEVER), clock_mono_ns());
}

/* Nothing of its window can come any more. */
static void decide_late(struct expect *e, struct instance *i)
{
	bool lines = expect_counts_lines(e->plan, i->what), pass = i->what->how != EXPECT_WITHIN;
	size_t len = strlen(i->seen);

	if (!i->samples) {
		snprintf(i->seen, sizeof(i->seen), lines ? "no line" : "no sample");
		pass = lines && i->what->how == EXPECT_NEVER;
	} else if (i->what->again && i->other_ns == UINT64_MAX) {
		snprintf(i->seen + len, sizeof(i->seen) - len, ", and never otherwise before");
	}
	decide(e, i, pass, i->window->closes);
}

/* ---- the run's side ---- */

static int by_opening(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;

	if (x->planned_ns != y->planned_ns)
		return x->planned_ns < y->planned_ns ? -1 : 1;
	return x->window < y->window ? -1 : x->window > y->window;
}

int expect_open(const struct plan *plan, const struct timetable *timetable, const struct condition_ops *ops,
		struct journal *journal, struct expect **ret)
{
	struct expect *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->plan = plan;
	e->ops = ops;
	e->journal = journal;
	for (size_t i = 0; i < timetable->n; i++)
		e->n += timetable->items[i].step->kind == STEP_EXPECT;
	e->items = calloc(e->n + 1, sizeof(*e->items));
	if (!e->items) {
		expect_close(e);
		return -ENOMEM;
	}
	e->n = 0;
	for (size_t i = 0; i < timetable->n; i++) {
		const struct timed_window *window = &timetable->items[i];

		if (window->step->kind == STEP_EXPECT)
			e->items[e->n++] = (struct instance){
				.window = window,
				.what = &window->step->expect,
				.planned_ns = plan_opens(&window->step->window, window->instance),
				.grace_ns = expect_grace(plan, &window->step->expect),
				.other_ns = UINT64_MAX};
	}
	qsort(e->items, e->n, sizeof(*e->items), by_opening);
	*ret = e;
	return 0;
}

void expect_close(struct expect *expect)
{
	if (!expect)
		return;
	free(expect->items);
	free(expect);
}

void expect_sample(struct expect *e, enum plan_expect_what kind, const struct probe_sample *sample)
{
	for (size_t k = e->first; k < e->n && e->items[k].window->opens <= sample->mono_ns; k++) {
		struct instance *i = &e->items[k];

		if (!i->decided && expect_is_about(i->what, kind, sample) &&
		    sample->mono_ns <= i->window->closes)
			judge(e, i, sample);
	}
}

static void run_instance(struct expect *e, struct instance *i, uint64_t now, uint64_t *next)
{
	uint64_t due = i->window->closes + i->grace_ns;

	if (now >= due && i->what->what == EXPECT_COUNTER) {
		decide_counter(e, i);
	} else if (now >= due) {
		decide_late(e, i);
	} else {
		if (!i->started && is_watched(e, i)) {
			e->ops->start(e->ops->arg, i->what->index, now);
			*next = now;
		}
		i->started = true;
		if (due < *next)
			*next = due;
	}
}

uint64_t expect_run(struct expect *e, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t k = e->first; k < e->n; k++) {
		if (e->items[k].window->opens > now)
			return next < e->items[k].window->opens ? next : e->items[k].window->opens;
		if (!e->items[k].decided)
			run_instance(e, &e->items[k], now, &next);
	}
	return next;
}

bool expect_all_done(const struct expect *expect)
{
	return expect->n_decided == expect->n;
}

void expect_cut(struct expect *e, uint64_t now)
{
	for (size_t k = 0; k < e->n; k++) {
		struct instance *i = &e->items[k];

		if (i->decided)
			continue;
		snprintf(i->seen, sizeof(i->seen), "the run ended before");
		decide(e, i, false, now);
	}
}
