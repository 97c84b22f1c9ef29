/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/waits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timeutil.h"

#define LOOK_NS (200 * NS_PER_MS) /* at a counter */

struct waits {
	const struct plan *plan;
	const struct condition_ops *ops;
	struct journal *journal;
	const struct plan_step **items; /* by `at` */
	size_t n, current;              /* n: all are over */
	uint64_t zero;                  /* 0: not set */
	/* Of the current one. */
	enum wait_state state;
	uint64_t samples, hits, next_look;
	char seen[200];
};

static int by_at(const void *a, const void *b)
{
	const struct plan_step *x = *(const struct plan_step *const *)a;
	const struct plan_step *y = *(const struct plan_step *const *)b;

	if (x->window.at_ns != y->window.at_ns)
		return x->window.at_ns < y->window.at_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

int waits_open(const struct plan *plan, const struct condition_ops *ops, struct journal *journal,
	       struct waits **ret)
{
	struct waits *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->plan = plan;
	w->ops = ops;
	w->journal = journal;
	w->items = calloc(plan->n_steps + 1, sizeof(struct plan_step *));
	if (!w->items) {
		waits_close(w);
		return -ENOMEM;
	}
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == STEP_WAIT)
			w->items[w->n++] = &plan->steps[i];
	qsort(w->items, w->n, sizeof(struct plan_step *), by_at);
	*ret = w;
	return 0;
}

void waits_close(struct waits *waits)
{
	if (!waits)
		return;
	free(waits->items);
	free(waits);
}

struct plan_span waits_next_span(const struct waits *w)
{
	size_t next = w->current + (w->state == WAIT_FULFILLED);

	return (struct plan_span){
		.from_ns = next ? w->items[next - 1]->window.at_ns : 0,
		.until_ns = next < w->n ? w->items[next]->window.at_ns : UINT64_MAX,
	};
}

const struct plan_step *waits_ahead(const struct waits *w)
{
	return w->current < w->n ? w->items[w->current] : NULL;
}

void waits_set_zero(struct waits *w, uint64_t zero_ns)
{
	if (w->state == WAIT_FULFILLED) {
		w->current++;
		w->state = WAIT_NONE;
		w->samples = w->hits = w->next_look = 0;
		w->seen[0] = '\0';
	}
	w->zero = zero_ns;
}

static const struct plan_step *current(const struct waits *w)
{
	return w->zero ? waits_ahead(w) : NULL;
}

static uint64_t begins(const struct waits *w, const struct plan_step *step)
{
	return w->zero + step->window.at_ns;
}

static bool is_watched(const struct waits *w, const struct plan_step *step)
{
	return step->expect.what == EXPECT_WATCH && !expect_counts_lines(w->plan, &step->expect);
}

static void begin(struct waits *w, const struct plan_step *step, uint64_t now)
{
	const struct journal_where at = {.step = step->name};

	w->state = WAIT_PENDING;
	w->next_look = now;
	if (is_watched(w, step))
		w->ops->start(w->ops->arg, step->expect.index, now);
	json_string(journal_data(w->journal), "kind", "wait");
	journal_write(w->journal, begins(w, step), "step.start", &at);
}

static void end(struct waits *w, const struct plan_step *step, enum wait_state state, uint64_t mono_ns,
		const char *result)
{
	const struct journal_where at = {.step = step->name};
	struct json *data = journal_data(w->journal);

	w->state = state;
	if (is_watched(w, step))
		w->ops->stop(w->ops->arg, step->expect.index);
	json_string(data, "kind", "wait");
	json_string(data, "result", result);
	json_u64(data, "samples", w->samples);
	json_string(data, "seen", w->seen[0] ? w->seen : "no sample");
	journal_write(w->journal, mono_ns, "step.end", &at);
}

static void hit(struct waits *w, const struct plan_step *step, uint64_t mono_ns)
{
	if (++w->hits >= step->expect.count)
		end(w, step, WAIT_FULFILLED, mono_ns, "fulfilled");
}

void waits_sample(struct waits *w, enum plan_expect_what kind, const struct probe_sample *sample)
{
	const struct plan_step *step = current(w);

	if (!step || (w->state != WAIT_NONE && w->state != WAIT_PENDING) ||
	    !expect_is_about(&step->expect, kind, sample))
		return;
	if (sample->mono_ns < begins(w, step) || sample->mono_ns - begins(w, step) > step->expect.timeout_ns)
		return;
	if (w->state == WAIT_NONE)
		begin(w, step, sample->mono_ns);
	w->samples++;
	expect_words(&step->expect, sample, w->seen, sizeof(w->seen));
	if (sample->healthy == step->expect.healthy)
		hit(w, step, sample->mono_ns);
}

static void look(struct waits *w, const struct plan_step *step, uint64_t now)
{
	uint64_t value;
	bool known, holds = expect_counter_holds(w->plan, &step->expect, w->ops, &value, &known);

	w->next_look = now + LOOK_NS;
	w->samples += known;
	if (known)
		snprintf(w->seen, sizeof(w->seen), "%" PRIu64 " %s", value, step->expect.counter);
	if (known && holds)
		hit(w, step, now);
}

uint64_t waits_run(struct waits *w, uint64_t now)
{
	const struct plan_step *step = current(w);
	uint64_t due;

	if (!step || (w->state != WAIT_NONE && w->state != WAIT_PENDING))
		return UINT64_MAX;
	if (now < begins(w, step))
		return begins(w, step);
	if (w->state == WAIT_NONE) {
		begin(w, step, now);
		return now;
	}
	if (step->expect.what == EXPECT_COUNTER && now >= w->next_look)
		look(w, step, now);
	due = begins(w, step) + step->expect.timeout_ns + expect_grace(w->plan, &step->expect);
	if (w->state == WAIT_PENDING && now >= due)
		end(w, step, WAIT_TIMED_OUT, now, "timed out");
	if (w->state != WAIT_PENDING)
		return UINT64_MAX;
	return step->expect.what == EXPECT_COUNTER && w->next_look < due ? w->next_look : due;
}

enum wait_state waits_due(struct waits *w, uint64_t now, const struct plan_step **ret_step)
{
	waits_run(w, now);
	*ret_step = w->state == WAIT_NONE ? NULL : current(w);
	return w->state;
}

void waits_why(const struct waits *w, char *ret_reason, size_t size)
{
	const struct plan_step *step = current(w);
	char timeout[32];

	if (!step)
		return;
	format_duration(step->expect.timeout_ns, timeout, sizeof(timeout));
	snprintf(ret_reason, size, "the wait %s was not fulfilled within %s: %s", step->name, timeout,
		 w->seen[0] ? w->seen : "no sample");
}

bool waits_all_done(const struct waits *waits)
{
	return waits->current == waits->n;
}

void waits_cut(struct waits *w, uint64_t now)
{
	const struct plan_step *step = current(w);

	if (step && w->state == WAIT_PENDING)
		end(w, step, WAIT_TIMED_OUT, now, "cut");
}
