/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/clock_step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/leftovers.h"
#include "drill/narrow_log.h"

/* A year; the kernel takes clocks of 30 years before its limit (TIME_SETTOD_SEC_MAX), which is far off. */
#define MARGIN_NS (365 * 86400 * (int64_t)NS_PER_S)

struct clock_window {
	const struct plan_step *step;
	uint32_t instance;      /* from 0 */
	uint64_t opens, closes; /* by the plan, until they are known */
	bool is_known;
	bool is_open, is_closed;
};

struct clock_steps {
	const struct plan *plan;
	const struct clock_ops *ops;
	struct undo *undo;
	struct undo_guard *guard;
	struct journal *journal;
	struct fault_events *fault_events;
	struct clock_window *items; /* in the order of their openings */
	size_t n, n_done;
	uint64_t zero; /* 0: not set */
	uint64_t last_close;
	/* Of the window that is open. */
	int64_t before_ns;
	unsigned armed;
};

static size_t count(const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == STEP_CLOCK)
			n += plan->steps[i].window.times;
	return n;
}

bool clock_steps_wanted(const struct plan *plan)
{
	return count(plan) > 0;
}

static int by_opening(const void *a, const void *b)
{
	const struct clock_window *x = a, *y = b;

	return x->opens < y->opens ? -1 : x->opens > y->opens;
}

/* The windows of all clock steps, relative to the end of the baseline; free() them. */
static struct clock_window *collect(const struct plan *plan)
{
	struct clock_window *items = calloc(count(plan) + 1, sizeof(*items));
	size_t n = 0;

	for (size_t i = 0; items && i < plan->n_steps; i++) {
		const struct plan_step *step = &plan->steps[i];

		for (uint32_t k = 0; step->kind == STEP_CLOCK && k < step->window.times; k++)
			items[n++] = (struct clock_window){.step = step,
							   .instance = k,
							   .opens = plan_opens(&step->window, k),
							   .closes = plan_closes(&step->window, k)};
	}
	if (items)
		qsort(items, n, sizeof(*items), by_opening);
	return items;
}

/* The clock must stay behind the uptime, and far from the end of its range (timekeeping_inject_offset()). */
static bool is_in_range(const struct plan_step *step)
{
	int64_t now = (int64_t)clock_real_ns(), then;

	return !__builtin_add_overflow(now, step->clock_offset_ns, &then) &&
	       then < INT64_MAX - 30 * MARGIN_NS && then - MARGIN_NS > (int64_t)clock_mono_ns();
}

int clock_steps_check(const struct plan *plan, const struct plan_step **ret_step)
{
	struct clock_window *items = collect(plan);
	size_t n = count(plan);
	int err = items ? 0 : -ENOMEM;

	*ret_step = NULL;
	if (!err && n)
		err = clock_may_set();
	for (size_t i = 0; !err && i < n; i++) {
		*ret_step = items[i].step;
		if (!is_in_range(items[i].step))
			err = -ERANGE;
		else if (i && items[i].opens < items[i - 1].closes)
			err = -EINVAL;
	}
	free(items);
	return err;
}

int clock_steps_open(const struct plan *plan, const struct clock_ops *ops, struct undo *undo,
		     struct undo_guard *guard, struct journal *journal, struct fault_events *fault_events,
		     struct clock_steps **ret)
{
	struct clock_steps *steps;

	*ret = NULL;
	if (!clock_steps_wanted(plan))
		return 0;
	steps = calloc(1, sizeof(*steps));
	if (!steps)
		return -ENOMEM;
	steps->items = collect(plan);
	if (!steps->items) {
		free(steps);
		return -ENOMEM;
	}
	steps->plan = plan;
	steps->ops = ops;
	steps->undo = undo;
	steps->guard = guard;
	steps->journal = journal;
	steps->fault_events = fault_events;
	steps->n = count(plan);
	*ret = steps;
	return 0;
}

void clock_steps_close(struct clock_steps *steps)
{
	if (!steps)
		return;
	(void)clock_steps_cut(steps);
	free(steps->items);
	free(steps);
}

void clock_steps_set_zero(struct clock_steps *steps, uint64_t zero_ns, struct plan_span span)
{
	for (size_t i = 0; steps && i < steps->n; i++) {
		struct clock_window *w = &steps->items[i];

		if (!plan_spans(span, w->step->window.at_ns))
			continue;
		w->opens = zero_ns + plan_opens(&w->step->window, w->instance);
		w->closes = zero_ns + plan_closes(&w->step->window, w->instance);
		w->is_known = true;
	}
	if (steps)
		steps->zero = zero_ns;
}

static struct journal_where where(const struct clock_window *w)
{
	return (struct journal_where){.step = w->step->name, .instance = w->instance + 1};
}

static struct json *begin(struct clock_steps *s, const struct clock_window *w)
{
	struct json *data = journal_data(s->journal);

	json_string(data, "kind", UNDO_CLOCK);
	json_i64(data, "offset_ns", w->step->clock_offset_ns);
	return data;
}

static int arm(struct clock_steps *s, const struct clock_window *w)
{
	struct buf data = {0};
	struct json j;
	int err;

	s->before_ns = s->ops->reading(s->ops->arg);
	json_begin(&j, &data);
	json_object(&j, NULL);
	json_i64(&j, "offset_ns", w->step->clock_offset_ns);
	json_i64(&j, "before_ns", s->before_ns);
	json_end_object(&j);
	err = data.failed ? -ENOMEM : undo_arm(s->undo, UNDO_CLOCK, data.data, &s->armed);
	buf_free(&data);
	return err;
}

static void tell_window(struct clock_steps *s, const struct clock_window *w, uint64_t mono_ns,
			const char *type, bool cut)
{
	struct journal_where at = where(w);
	struct json *data = begin(s, w);

	json_u64(data, "opens_ns", w->opens);
	json_u64(data, "closes_ns", w->closes);
	json_bool(data, "cut", cut);
	journal_write(s->journal, mono_ns, type, &at);
}

static int watch(struct clock_steps *s, const struct clock_window *w)
{
	const struct undo_late late = {.ends_ns = w->closes,
				       .before_ns = s->before_ns,
				       .offset_ns = w->step->clock_offset_ns,
				       .id = s->armed};

	return undo_guard_watch(s->guard, &late);
}

static int open_window(struct clock_steps *s, struct clock_window *w)
{
	uint64_t ts_ns = clock_mono_ns() + s->journal->offset_ns, moved;
	int err = arm(s, w);

	if (err)
		return err;
	err = watch(s, w) ?: s->ops->adjust(s->ops->arg, w->step->clock_offset_ns);
	if (err) {
		(void)undo_guard_claim(s->guard, s->armed, &moved);
		(void)undo_done(s->undo, s->armed);
		return err;
	}
	moved = clock_mono_ns();
	(void)watch(s, w);
	w->is_open = true;
	journal_clock(s->journal);
	tell_window(s, w, moved, "step.start", false);
	return narrow_log_tell(s->fault_events, s->plan, w->step, w->instance, ts_ns, fault_events_apply);
}

static void tell_undo(struct clock_steps *s, const struct clock_window *w, uint64_t mono_ns, bool stepped,
		      bool guarded, int error)
{
	struct journal_where at = where(w);
	struct json *data = begin(s, w);

	json_string(data, "result", error ? "failed" : stepped ? "taken back" : "not needed");
	json_string(data, "reason",
		    error     ? strerror(-error)
		    : guarded ? "by the guard: the run was stopped or late"
		    : stepped ? NULL
			      : "somebody else has set the clock back meanwhile");
	journal_write(s->journal, mono_ns, "step.undo", &at);
}

static int close_window(struct clock_steps *s, struct clock_window *w, bool cut)
{
	uint64_t moved;
	bool guarded = undo_guard_claim(s->guard, s->armed, &moved), stepped = guarded;
	int err = 0;

	if (!guarded) {
		err = clock_take_back(s->ops, s->before_ns, w->step->clock_offset_ns, &stepped);
		moved = clock_mono_ns();
	}
	w->is_open = false;
	w->is_closed = true;
	s->n_done++;
	s->last_close = moved;
	journal_clock(s->journal);
	tell_undo(s, w, moved, stepped, guarded, err);
	if (!err)
		err = undo_done(s->undo, s->armed);
	tell_window(s, w, moved, "step.end", cut);
	return err
		       ?: narrow_log_tell(s->fault_events, s->plan, w->step, w->instance,
					  moved + s->journal->offset_ns, fault_events_clear);
}

/* They do not overlap, and come in order. Whoever is so late that a window is over does not open it any more. */
static int run_window(struct clock_steps *s, struct clock_window *w, uint64_t now)
{
	if (w->is_open)
		return now >= w->closes ? close_window(s, w, false) : 0;
	if (w->is_closed || now < w->opens)
		return 0;
	if (now < w->closes)
		return open_window(s, w);
	w->is_closed = true;
	s->n_done++;
	s->last_close = w->closes;
	tell_window(s, w, now, "step.end", true);
	return 0;
}

int clock_steps_run(struct clock_steps *s, uint64_t now, uint64_t *ret_next)
{
	int err = 0;

	*ret_next = UINT64_MAX;
	for (size_t i = 0; s && s->zero && !err && i < s->n; i++) {
		struct clock_window *w = &s->items[i];

		if (!w->is_known)
			break;
		err = run_window(s, w, now);
		if (w->is_closed)
			continue;
		*ret_next = w->is_open ? w->closes : w->opens;
		break;
	}
	return err;
}

int clock_steps_cut(struct clock_steps *s)
{
	int err = 0;

	for (size_t i = 0; s && i < s->n; i++)
		if (s->items[i].is_open)
			err = close_window(s, &s->items[i], true);
	if (s)
		s->zero = 0;
	return err;
}

bool clock_steps_all_done(const struct clock_steps *steps)
{
	return !steps || steps->n_done == steps->n;
}

uint64_t clock_steps_last_close(const struct clock_steps *steps)
{
	return steps ? steps->last_close : 0;
}
