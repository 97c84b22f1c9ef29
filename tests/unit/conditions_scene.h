/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan of the test's own, whose samples are made up: what expectations, waits and aborts say of them. */
#ifndef TESTS_CONDITIONS_SCENE_H
#define TESTS_CONDITIONS_SCENE_H

#include "unit/run_dir.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/timeutil.h"
#include "drill/expect.h"
#include "unit/texts.h"

#define ZERO (1000 * NS_PER_S)

/* A time in seconds behind the zero. */
static inline uint64_t at(double seconds)
{
	return ZERO + (int64_t)(seconds * 1e9);
}

enum { API, TRADER, PROBES }; /* TRADER is a log */
enum { STATE, LINES, RATE, WATCHES };

struct conditions_scene {
	const struct run_dir *dir;
	struct plan_probe probes[PROBES], watches[WATCHES];
	struct plan_target targets[2];
	struct plan_step steps[8];
	struct plan_abort abort;
	struct plan plan;
	struct timetable timetable;
	struct condition_ops ops;
	struct journal journal;
	/* What the run would answer. */
	uint64_t counter, attempts[2];
	bool counter_unknown, recovered;
	const struct timed_window *recovered_from; /* that was asked for last, and the target */
	int recovered_target;
	char asked[64];               /* name of the counter */
	int started[WATCHES], starts; /* started and not stopped; how often any was */
};

static inline void scene_start(void *arg, size_t watch, uint64_t now)
{
	struct conditions_scene *s = arg;

	(void)now;
	assert_true(watch < WATCHES);
	assert_int_equal(s->started[watch]++, 0);
	s->starts++;
}

static inline void scene_stop(void *arg, size_t watch)
{
	struct conditions_scene *s = arg;

	assert_int_equal(s->started[watch]--, 1);
}

static inline bool scene_counter(void *arg, const struct plan_step *step, const char *name, uint64_t *ret)
{
	struct conditions_scene *s = arg;

	snprintf(s->asked, sizeof(s->asked), "%s of %s", name, step->name);
	*ret = s->counter;
	return !s->counter_unknown;
}

static inline uint64_t scene_attempts(void *arg, size_t target, uint64_t now)
{
	(void)now;
	return ((struct conditions_scene *)arg)->attempts[target];
}

static inline bool scene_recovered(void *arg, const struct timed_window *window, int target, uint64_t now)
{
	struct conditions_scene *s = arg;

	(void)now;
	s->recovered_from = window;
	s->recovered_target = target;
	return s->recovered;
}

static inline void scene_prepare(struct conditions_scene *s, void **state)
{
	*s = (struct conditions_scene){.dir = *state};
	s->probes[API] = (struct plan_probe){.name = "api", .kind = PROBE_TCP, .every_ns = NS_PER_S / 10};
	s->probes[TRADER] =
		(struct plan_probe){.name = "trader", .kind = PROBE_LOG, .every_ns = NS_PER_S / 5};
	s->watches[STATE] = (struct plan_probe){.kind = PROBE_JSON, .every_ns = NS_PER_S / 5};
	s->watches[LINES] = (struct plan_probe){.kind = PROBE_LOG, .every_ns = NS_PER_S};
	s->watches[RATE] = (struct plan_probe){.kind = PROBE_PROMETHEUS, .query = "rate(misses[1m])"};
	s->targets[0].name = "front";
	s->targets[1].name = "db";
	s->plan = (struct plan){.probes = s->probes,
				.n_probes = PROBES,
				.watches = s->watches,
				.n_watches = WATCHES,
				.targets = s->targets,
				.n_targets = 2,
				.steps = s->steps};
	s->ops = (struct condition_ops){
		s, scene_start, scene_stop, scene_counter, scene_attempts, scene_recovered};
}

static inline struct plan_step *scene_step(struct conditions_scene *s, const char *name,
					   enum plan_step_kind kind, double at_s, double for_s)
{
	struct plan_step *step = &s->steps[s->plan.n_steps++];

	assert_true(s->plan.n_steps <= sizeof(s->steps) / sizeof(*s->steps));
	*step = (struct plan_step){
		.name = (char *)name,
		.kind = kind,
		.window = {.at_ns = at_s * 1e9, .for_ns = for_s * 1e9, .every_ns = for_s * 1e9, .times = 1}};
	step->fault.text = (char *)"{}";
	return step;
}

static inline void scene_begin(struct conditions_scene *s)
{
	assert_int_equal(timetable_open(&s->plan, &s->timetable), 0);
	assert_int_equal(log_open(s->dir->fd, 0, &s->journal.log), 0);
}

static inline void scene_zero(struct conditions_scene *s, double from_s, double until_s, double zero_s)
{
	const struct plan_span span = {from_s * 1e9, until_s < 0 ? UINT64_MAX : (uint64_t)(until_s * 1e9)};

	timetable_set_zero(&s->timetable, at(zero_s), span);
}

/* The events; free() them. Nothing is watched any more. */
static inline char *scene_end(struct conditions_scene *s)
{
	assert_int_equal(s->journal.error, 0);
	assert_int_equal(log_close(s->journal.log), 0);
	buf_free(&s->journal.data);
	timetable_close(&s->timetable);
	return get_file(s->dir->fd, "events.jsonl", NULL);
}

static inline void scene_forget(const struct conditions_scene *s)
{
	unlinkat(s->dir->fd, "events.jsonl", 0);
}

static inline struct probe_sample scene_sample(const struct conditions_scene *s, bool watch, size_t index,
					       double seconds, bool healthy)
{
	return (struct probe_sample){.probe = watch ? &s->watches[index] : &s->probes[index],
				     .index = index,
				     .mono_ns = at(seconds),
				     .latency_ns = PROBE_NO_LATENCY,
				     .healthy = healthy,
				     .good = healthy,
				     .error = healthy ? NULL : "refused"};
}

#endif
