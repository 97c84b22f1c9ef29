/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conditions.h"

#include "base/timeutil.h"

static void start(void *arg, size_t watch, uint64_t now)
{
	probes_start(((struct conditions *)arg)->watches, watch, now);
}

static void stop(void *arg, size_t watch)
{
	probes_stop(((struct conditions *)arg)->watches, watch);
}

static bool counter(void *arg, const struct plan_step *step, const char *name, uint64_t *ret)
{
	return windows_counter(((struct conditions *)arg)->windows, step, name, ret);
}

static uint64_t attempts(void *arg, size_t target, uint64_t now)
{
	size_t n;
	const struct drill_target *view = conns_view(((struct conditions *)arg)->conns, now, &n);

	return target < n ? view[target].attempts : 0;
}

static bool recovered(void *arg, const struct timed_window *window, int target, uint64_t now)
{
	const struct conditions *c = arg;
	size_t step = window->step - c->timetable.plan->steps;

	return conns_back(c->conns, now, &(struct conn_paths_of){step, window->closes, target});
}

static void on_watch(void *arg, const struct probe_sample *sample)
{
	struct conditions *c = arg;

	expect_sample(c->expect, EXPECT_WATCH, sample);
	waits_sample(c->waits, EXPECT_WATCH, sample);
	aborts_watch(c->aborts, sample);
}

int conditions_open(struct conditions *c, const struct plan *plan, struct windows *windows,
		    struct conns *conns, const struct probe_loop *loop, struct journal *journal)
{
	struct probe_loop mine = *loop;
	int err;

	*c = (struct conditions){.windows = windows, .conns = conns};
	c->ops = (struct condition_ops){c, start, stop, counter, attempts, recovered};
	mine.call = on_watch;
	mine.arg = c;
	err = timetable_open(plan, &c->timetable);
	if (!err)
		err = expect_open(plan, &c->timetable, &c->ops, journal, &c->expect);
	if (!err)
		err = waits_open(plan, &c->ops, journal, &c->waits);
	if (!err)
		err = aborts_open(plan, &c->timetable, &c->ops, journal, &c->aborts);
	if (!err)
		err = probes_open(plan, plan->watches, plan->n_watches, &mine, &c->watches);
	return err;
}

void conditions_close(struct conditions *c)
{
	probes_close(c->watches);
	aborts_close(c->aborts);
	waits_close(c->waits);
	expect_close(c->expect);
	timetable_close(&c->timetable);
	*c = (struct conditions){0};
}

struct plan_span conditions_next_span(const struct conditions *c)
{
	return waits_next_span(c->waits);
}

const struct plan_step *conditions_wait_ahead(const struct conditions *c)
{
	return waits_ahead(c->waits);
}

void conditions_set_zero(struct conditions *c, uint64_t zero_ns)
{
	timetable_set_zero(&c->timetable, zero_ns, waits_next_span(c->waits));
	waits_set_zero(c->waits, zero_ns);
}

void conditions_sample(struct conditions *c, const struct probe_sample *sample)
{
	expect_sample(c->expect, EXPECT_PROBE, sample);
	waits_sample(c->waits, EXPECT_PROBE, sample);
	aborts_sample(c->aborts, sample);
}

void conditions_ready(struct conditions *c, size_t index)
{
	probes_ready(c->watches, index);
}

bool conditions_hold(const struct conditions *c, uint8_t proto, uint16_t local_port)
{
	return probes_hold(c->watches, proto, local_port);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bool conditions_run(struct conditions *c, uint64_t now, uint64_t *ret_next, char *ret_reason, size_t size)
{
	uint64_t next = probes_run(c->watches, clock_mono_ns()), aborts;
	bool ends;

	next = earlier(next, expect_run(c->expect, now));
	next = earlier(next, waits_run(c->waits, now));
	ends = aborts_run(c->aborts, now, &aborts, ret_reason, size);
	*ret_next = earlier(next, aborts);
	return ends;
}

enum wait_state conditions_wait(struct conditions *c, uint64_t now, const char **ret_step, char *ret_why,
				size_t size)
{
	const struct plan_step *step;
	enum wait_state state = waits_due(c->waits, now, &step);

	*ret_step = step ? step->name : NULL;
	if (state == WAIT_TIMED_OUT)
		waits_why(c->waits, ret_why, size);
	return state;
}

bool conditions_all_done(const struct conditions *c)
{
	return waits_all_done(c->waits) && expect_all_done(c->expect);
}

void conditions_cut(struct conditions *c, uint64_t now)
{
	if (c->waits)
		waits_cut(c->waits, now);
	if (c->expect)
		expect_cut(c->expect, now);
}

void conditions_tell_abort(const struct conditions *c, struct json *data)
{
	aborts_tell(c->aborts, data);
}
