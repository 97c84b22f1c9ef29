/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs made for the purpose, with the real writer, and their results. Times are in milliseconds. */
#ifndef TESTS_RUN_LOG_H
#define TESTS_RUN_LOG_H

#include "unit/run_dir.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/timeutil.h"
#include "evidence/log.h"
#include "slo/slo.h"

#define OFFSET 1795308575000000000LL
static const char two_windows[] =
	"{\"version\":1,\"name\":\"t\",\"seed\":7,\"probes\":[{\"name\":\"p\"}],"
	"\"targets\":[{\"name\":\"front\"}],"
	"\"steps\":[{\"name\":\"cut\",\"targets\":[\"front\"],\"for_ns\":1000000000,\"times\":2}],"
	"\"slo\":[{\"key\":\"recovery_p99\",\"limit\":500000000},{\"key\":\"detection_max\",\"limit\":"
	"300000000},"
	"{\"key\":\"unrecovered\",\"limit\":0}]}";

static const char *target = "front", *step_name = "cut";

static inline void put_event(struct log *log, uint64_t ms, const char *type, int instance, const char *format,
			     ...) __attribute__((format(printf, 5, 6)));

static inline void put_event(struct log *log, uint64_t ms, const char *type, int instance, const char *format,
			     ...)
{
	struct buf data = {0};
	struct log_event event = {
		.mono_ns = ms * NS_PER_MS,
		.type = type,
		.step = instance ? step_name : NULL,
		.instance = instance,
		.target = instance ? target : NULL,
	};
	va_list args;

	va_start(args, format);
	buf_vprintf(&data, format, args);
	va_end(args);
	event.data = data.data;
	assert_int_equal(log_append(log, &event), 0);
	buf_free(&data);
}

/* An event of a flow; `data` needs no formatting. */
static inline void put_flow(struct log *log, uint64_t ms, const char *type, const char *flow,
			    const char *flow_target, const char *data)
{
	bool is_hit = strcmp(type, "flow.hit") == 0;
	struct log_event event = {
		.mono_ns = ms * NS_PER_MS,
		.type = type,
		.step = is_hit ? step_name : NULL,
		.instance = is_hit,
		.target = flow_target,
		.flow = flow,
		.data = data,
	};

	assert_int_equal(log_append(log, &event), 0);
}

static inline struct log *start(const struct run_dir *dir, const char *plan)
{
	struct log *log;

	put_file(dir->fd, "plan.json", plan, strlen(plan));
	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	put_event(log, 1, "run.start", 0, "{\"name\":\"t\",\"seed\":7,\"host\":\"h\",\"operator\":\"o\"}");
	return log;
}

static inline void opens(struct log *log, int instance, uint64_t from, uint64_t to)
{
	put_event(log, from, "fault.open", instance,
		  "{\"rule\":0,\"opens_ns\":%" PRIu64 ",\"closes_ns\":%" PRIu64 ",\"fault\":{\"drop\":true}}",
		  (uint64_t)(from * NS_PER_MS), (uint64_t)(to * NS_PER_MS));
}

struct closing {
	uint64_t planned; /* closes_ns; 0: the time of the event */
	uint64_t first_hit, last_hit;
	uint64_t matched, dropped;
	bool cut;
	const char *receipt; /* JSON; NULL: none */
};

static inline void closes_as(struct log *log, int instance, uint64_t from, uint64_t to,
			     const struct closing *c)
{
	put_event(log, to, "fault.close", instance,
		  "{\"rule\":0,\"opens_ns\":%" PRIu64 ",\"closes_ns\":%" PRIu64 ",\"first_hit_ns\":%" PRIu64
		  ",\"last_hit_ns\":%" PRIu64 ",\"matched\":%" PRIu64 ",\"passed\":0,\"dropped\":%" PRIu64
		  ",\"reset\":0,\"refused\":0,\"delayed\":0,\"duplicated\":0,\"altered\":0,\"suppressed\":0,"
		  "\"bytes\":9,\"flows\":1,\"untracked\":0,\"failed\":0,\"idle_reset\":3,\"cut\":%s%s%s}",
		  (uint64_t)(from * NS_PER_MS), (uint64_t)((c->planned ? c->planned : to) * NS_PER_MS),
		  (uint64_t)(c->first_hit * NS_PER_MS), (uint64_t)(c->last_hit * NS_PER_MS), c->matched,
		  c->dropped, c->cut ? "true" : "false", c->receipt ? ",\"receipt\":" : "",
		  c->receipt ? c->receipt : "");
}

static inline void closes(struct log *log, int instance, uint64_t from, uint64_t to)
{
	struct closing c = {.first_hit = from, .last_hit = to, .matched = 5, .dropped = 5};

	closes_as(log, instance, from, to, &c);
}

static inline void up(struct log *log, uint64_t ms)
{
	put_event(log, ms, "probe.up", 0, "{\"probe\":\"p\",\"latency_ns\":1,\"changed\":false}");
}

static inline void down(struct log *log, uint64_t ms)
{
	put_event(log, ms, "probe.down", 0, "{\"probe\":\"p\",\"latency_ns\":1,\"changed\":false}");
}

static inline struct results *compute(const struct run_dir *dir)
{
	struct results *r = NULL;

	assert_int_equal(slo_compute(dir->fd, "run", &r), 0);
	return r;
}

static inline struct results *finish_as(const struct run_dir *dir, struct log *log, const char *outcome)
{
	put_event(log, 100000, "run.end", 0, "{\"outcome\":\"%s\",\"balanced\":true,\"lost\":0}", outcome);
	assert_int_equal(log_close(log), 0);
	return compute(dir);
}

static inline struct results *finish(const struct run_dir *dir, struct log *log)
{
	return finish_as(dir, log, "pass");
}

static inline bool lacks(const struct results *r, const char *what)
{
	for (size_t i = 0; i < r->n_incomplete; i++) {
		if (strstr(r->incomplete[i], what))
			return true;
	}
	return false;
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)

#endif
