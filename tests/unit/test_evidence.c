/* SPDX-License-Identifier: BSD-2-Clause */
/* Evidence that lacks something: what the results say of it. */
#include "unit/run_log.h"

#include <errno.h>

static void planned_windows_are_missed(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_true(lacks(r, "cut #2, target front: planned, but not in the log"));
	assert_true(lacks(r, "probe p: the log has no sample"));
	assert_int_equal(r->n_incomplete, 2);
	results_free(r);
}

static void counters_that_dont_add_up(void **state)
{
	const struct run_dir *dir = *state;
	const struct closing c = {.first_hit = 1000, .last_hit = 2000, .matched = 6, .dropped = 5};
	const struct closing after = {.first_hit = 5000, .last_hit = 6001, .matched = 5, .dropped = 5};
	const struct closing outside = {.first_hit = 2999, .last_hit = 4000, .matched = 5, .dropped = 5};
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	closes_as(log, 1, 1000, 2000, &c);
	opens(log, 2, 3000, 4000);
	closes_as(log, 2, 3000, 4000, &outside);
	opens(log, 3, 5000, 6000);
	closes_as(log, 3, 5000, 6000, &after);
	up(log, 7000);
	r = finish(dir, log);
	assert_true(lacks(r, "cut #1, target front: the counters don't add up"));
	assert_int_equal(r->n_incomplete, 1);
	assert_false(r->balanced);
	assert_true(r->windows[1]->parts[0].balanced);
	assert_false(r->windows[0]->parts[0].outside);
	assert_true(r->windows[1]->parts[0].outside);
	assert_true(r->windows[2]->parts[0].outside);
	results_free(r);
}

static void counters_that_are_missing(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	put_event(
		log, 2000, "fault.close", 1,
		"{\"opens_ns\":1000000000,\"closes_ns\":2000000000,\"first_hit_ns\":null,\"matched\":\"5\"}");
	opens(log, 2, 3000, 4000);
	up(log, 5000);
	r = finish(dir, log);
	assert_true(lacks(r, "cut #1, target front: counters are missing"));
	assert_true(lacks(r, "cut #2, target front: the log has no fault.close"));
	assert_false(r->balanced);
	results_free(r);
}

static void losses_are_told(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	put_event(log, 50, "lost", 0, "{\"count\":3,\"from_ns\":1,\"to_ns\":2}");
	put_event(log, 60, "lost", 0, "{\"count\":4,\"from_ns\":1,\"to_ns\":2}");
	r = finish_as(dir, log, "interrupted");
	assert_int_equal(r->lost, 7);
	assert_true(lacks(r, "7 records"));
	results_free(r);
}

static void run_without_end(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	down(log, 1100);
	assert_int_equal(log_close(log), 0);
	r = compute(dir);
	assert_true(lacks(r, "no run.end"));
	assert_true(lacks(r, "no fault.close"));
	assert_int_equal(r->outcome, OUTCOME_HOST_FAILED);
	assert_int_equal(r->exit, 5);
	assert_true(r->windows[0]->probes[0].censored);
	assert_int_equal(r->windows[0]->closed_ts_ns, NO_NS);
	results_free(r);
}

static void damaged_logs_are_told(void **state)
{
	const struct run_dir *dir = *state;
	struct results *r = finish_as(dir, start(dir, two_windows), "aborted");
	size_t len, first;
	char *text = get_file(dir->fd, "events.jsonl", &len);

	assert_int_equal(r->n_incomplete, 0);
	results_free(r);

	put_file(dir->fd, "events.jsonl", text, len - 3);
	r = compute(dir);
	assert_true(lacks(r, "ends in the middle of a line"));
	assert_true(lacks(r, "no run.end"));
	results_free(r);

	first = strcspn(text, "\n") + 1;
	put_file(dir->fd, "events.jsonl", text + first, len - first);
	r = compute(dir);
	assert_true(lacks(r, "no run.start"));
	assert_true(lacks(r, "1 events are missing, first before line 1"));
	results_free(r);

	strstr(text, "\"h\"")[1] = 'x';
	put_file(dir->fd, "events.jsonl", text, len);
	r = compute(dir);
	assert_true(lacks(r, "wrong on 1 lines, first on line 2"));
	assert_int_equal(r->n_incomplete, 1);
	results_free(r);

	put_file(dir->fd, "events.jsonl", "", 0);
	r = compute(dir);
	assert_true(lacks(r, "no run.start"));
	results_free(r);
	free(text);
}

/* Events whose data is anything but as documented: told, never a crash. */
static void odd_events_are_told(void **state)
{
	static const char *const types[] = {"run.start",   "run.end",  "clock",      "fault.open",
					    "fault.close", "probe.up", "probe.down", "lost",
					    "abort",       "budget",   "packets"};
	static const char *const datas[] = {NULL,
					    "{}",
					    "[]",
					    "7",
					    "\"x\"",
					    "{\"opens_ns\":-1,\"probe\":7}",
					    "{\"opens_ns\":1,\"closes_ns\":1e3,\"offset_ns\":\"\"}"};
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;
	size_t t, d;

	for (t = 0; t < sizeof(types) / sizeof(*types); t++) {
		for (d = 0; d < sizeof(datas) / sizeof(*datas); d++) {
			const struct log_event event = {
				.mono_ns = 5,
				.type = types[t],
				.step = d % 2 ? "cut" : NULL,
				.instance = d % 3,
				.data = datas[d],
			};

			assert_int_equal(log_append(log, &event), 0);
		}
	}
	put_event(log, 7, "probe.up", 0, "{\"probe\":\"stranger\"}");
	r = finish_as(dir, log, "aborted");
	assert_true(lacks(r, "events don't have the data that they should have"));
	assert_true(lacks(r, "1 samples are of probes that the plan doesn't have"));
	assert_int_equal(r->n_windows, 0);
	results_free(r);
}

/* Every planned window is a line of a report: no plan has so many that they would fill the memory. */
static void plan_has_no_more_windows_than_a_plan_can_have(void **state)
{
	static const char form[] = "{\"version\":1,\"name\":\"t\",\"steps\":[{\"name\":\"a\",\"times\":%s},"
				   "{\"name\":\"b\",\"times\":%s}]}";
	static const struct {
		const char *one, *other;
		int err; /* -ENOENT: the plan is good, and there is no log */
	} cases[] = {
		{"4000", "96", -ENOENT},
		{"4000", "97", -EBADMSG},
		{"9223372036854775807", "0", -EBADMSG},
	};
	const struct run_dir *dir = *state;
	struct results *r = NULL;
	char text[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sprintf(text, form, cases[i].one, cases[i].other);
		put_file(dir->fd, "plan.json", text, strlen(text));
		assert_int_equal(slo_compute(dir->fd, "run", &r), cases[i].err);
	}
}

static void what_is_no_run(void **state)
{
	const struct run_dir *dir = *state;
	struct results *r = NULL;

	assert_int_equal(slo_compute(dir->fd, "run", &r), -ENOENT);
	put_file(dir->fd, "plan.json", "{\"version\":2,\"name\":\"t\"}", 24);
	assert_int_equal(slo_compute(dir->fd, "run", &r), -EBADMSG);
	put_file(dir->fd, "plan.json", "{\"version\":1", 12);
	assert_int_equal(slo_compute(dir->fd, "run", &r), -EBADMSG);
	put_file(dir->fd, "plan.json", "{\"version\":1,\"name\":\"t\"}", 24);
	assert_int_equal(slo_compute(dir->fd, "run", &r), -ENOENT);
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(planned_windows_are_missed),
		IN_DIR(counters_that_dont_add_up),
		IN_DIR(counters_that_are_missing),
		IN_DIR(losses_are_told),
		IN_DIR(run_without_end),
		IN_DIR(damaged_logs_are_told),
		IN_DIR(odd_events_are_told),
		IN_DIR(plan_has_no_more_windows_than_a_plan_can_have),
		IN_DIR(what_is_no_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
