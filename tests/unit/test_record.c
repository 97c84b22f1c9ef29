/* SPDX-License-Identifier: BSD-2-Clause */
/* The record of a run, read back: what it says of rules and windows at a time, and records that are none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drill/record.h"

#define STEP_A                                                                                               \
	"{\"name\":\"cut\",\"targets\":[\"x\",\"y\"],\"at_ns\":100,\"for_ns\":10,\"times\":3,\"every_ns\":"  \
	"50,"                                                                                                \
	"\"burst_on_ns\":0,\"burst_off_ns\":0}"
#define STEP_B                                                                                               \
	"{\"name\":\"cut\",\"targets\":[\"x\"],\"at_ns\":0,\"for_ns\":100,\"times\":1,\"every_ns\":100,"     \
	"\"burst_on_ns\":10,\"burst_off_ns\":20}"
#define PLAN(steps) "{\"length_ns\":210,\"recovery_ns\":1000,\"steps\":[" steps "]}"
#define HEAD                                                                                                 \
	"\"name\":\"n\",\"run\":\"/r\",\"attach\":\"tcx\",\"netns\":5,\"zero_ns\":1000,\"counters_map\":7,"
#define RECORD(steps)                                                                                        \
	"{" HEAD "\"interfaces\":[{\"name\":\"eth0\"},{\"name\":\"eth1\"}],\"plan\":" PLAN(steps) "}"

static struct record *read_good(const char *json)
{
	struct record *record = NULL;

	assert_int_equal(record_read(json, &record), 0);
	assert_non_null(record);
	return record;
}

static void test_read(void **state)
{
	struct record *record = read_good(RECORD(STEP_A "," STEP_B));

	(void)state;
	assert_string_equal(record->name, "n");
	assert_string_equal(record->directory, "/r");
	assert_string_equal(record->attach, "tcx");
	assert_int_equal(record->netns, 5);
	assert_int_equal(record->counters_map, 7);
	assert_int_equal(record->n_interfaces, 2);
	assert_string_equal(record->interfaces[1], "eth1");
	assert_int_equal(record->n_rules, 3);
	assert_string_equal(record->rules[1].target, "y");
	assert_int_equal(record->rules[0].first_slot, 0);
	assert_int_equal(record->rules[1].first_slot, 3);
	/* Of the same name as the step before, and with a window of its own. */
	assert_int_equal(record->rules[2].first_slot, 6);
	assert_int_equal(record->rules[2].window.for_ns, 100);
	record_free(record);
	record_free(NULL);
}

static void expect_window(const struct record *record, uint64_t now, enum window_state window_state,
			  uint32_t instance, uint64_t left, uint32_t over)
{
	struct record_window w = record_window(record, &record->rules[0].window, now);

	assert_int_equal(w.state, window_state);
	assert_int_equal(w.instance, instance);
	assert_int_equal(w.left_ns, left);
	assert_int_equal(w.over, over);
}

static void test_windows(void **state)
{
	struct record *record = read_good(RECORD(STEP_A));

	(void)state;
	expect_window(record, 0, WINDOW_WAITS, 0, 1100, 0);
	expect_window(record, 1099, WINDOW_WAITS, 0, 1, 0);
	expect_window(record, 1100, WINDOW_OPEN, 0, 10, 0);
	expect_window(record, 1109, WINDOW_OPEN, 0, 1, 0);
	expect_window(record, 1110, WINDOW_WAITS, 1, 40, 1);
	expect_window(record, 1205, WINDOW_OPEN, 2, 5, 2);
	expect_window(record, 1210, WINDOW_OVER, 2, 0, 3);
	expect_window(record, UINT64_MAX, WINDOW_OVER, 2, 0, 3);
	record_free(record);
}

static void test_bursts(void **state)
{
	struct record *record = read_good(RECORD(STEP_B));

	(void)state;
	expect_window(record, 1009, WINDOW_OPEN, 0, 91, 0);
	expect_window(record, 1010, WINDOW_PAUSED, 0, 90, 0);
	expect_window(record, 1029, WINDOW_PAUSED, 0, 71, 0);
	expect_window(record, 1030, WINDOW_OPEN, 0, 70, 0);
	record_free(record);
}

#define STEP_CLOCK(offset)                                                                                   \
	"{\"name\":\"skew\",\"kind\":\"clock\",\"clock_offset_ns\":" offset                                  \
	",\"targets\":[],\"at_ns\":20,\"for_ns\":10,\"times\":2,\"every_ns\":50,\"burst_on_ns\":0,"          \
	"\"burst_off_ns\":0}"

/* Steps that move the clock are no rules, and have no slots. */
static void test_clocks(void **state)
{
	struct record *record = read_good(RECORD(STEP_CLOCK("-90000000001") "," STEP_B "," STEP_CLOCK("5")));
	struct record_window w;

	(void)state;
	assert_int_equal(record->n_rules, 1);
	assert_int_equal(record->rules[0].first_slot, 0);
	assert_int_equal(record->n_clocks, 2);
	assert_string_equal(record->clocks[0].step, "skew");
	assert_int_equal(record->clocks[0].offset_ns, -90000000001);
	assert_int_equal(record->clocks[1].offset_ns, 5);
	w = record_window(record, &record->clocks[0].window, 1075);
	assert_int_equal(w.state, WINDOW_OPEN);
	assert_int_equal(w.instance, 1);
	assert_int_equal(w.left_ns, 5);
	assert_int_equal(w.over, 1);
	record_free(record);
}

static void test_phases(void **state)
{
	struct record *record = read_good(RECORD(STEP_A));
	uint64_t ends;

	(void)state;
	assert_int_equal(record_phase(record, 999, &ends), RECORD_BASELINE);
	assert_int_equal(ends, 1000);
	assert_int_equal(record_phase(record, 1000, &ends), RECORD_FAULTS);
	assert_int_equal(ends, 1210);
	assert_int_equal(record_phase(record, 1210, &ends), RECORD_RECOVERY);
	assert_int_equal(ends, 2210);
	record_free(record);
}

/* The plan's time stands still at a wait: what lies behind it does not open, and comes no closer. */
static void test_wait(void **state)
{
	static const char json[] = "{" HEAD "\"wait\":\"w\",\"wait_at_ns\":95,\"wait_timeout_ns\":400,"
				   "\"interfaces\":[],\"plan\":" PLAN(STEP_A "," STEP_B) "}";
	struct record *record = read_good(json);
	uint64_t ends;

	(void)state;
	expect_window(record, 1000, WINDOW_WAITS, 0, 100, 0);
	expect_window(record, 1105, WINDOW_WAITS, 0, 5, 0);
	expect_window(record, 9000, WINDOW_WAITS, 0, 5, 0);
	assert_int_equal(record_phase(record, 1094, &ends), RECORD_FAULTS);
	assert_int_equal(record_phase(record, 1095, &ends), RECORD_WAIT);
	assert_int_equal(ends, 1495);
	assert_string_equal(record->wait, "w");
	record->wait_at_ns = 100; /* when the window behind it opens */
	expect_window(record, 1100, WINDOW_WAITS, 0, 0, 0);
	record->wait_at_ns = 210; /* when the last window closes */
	expect_window(record, 9000, WINDOW_OVER, 2, 0, 3);
	record_free(record);
}

/* A reader may meet anything: a record of another version, half of one, none at all. */
static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{}",
		"{" HEAD "\"interfaces\":[]",
		"{" HEAD "\"interfaces\":[]}",
		"{" HEAD "\"interfaces\":[{}],\"plan\":" PLAN("") "}",
		RECORD("null"),
		RECORD("{\"targets\":[\"x\"]}"),
		RECORD("{\"name\":\"s\",\"targets\":[7]}"),
		RECORD(STEP_CLOCK("\"5\"")),
		RECORD(STEP_CLOCK("null")),
		RECORD("{\"name\":\"s\",\"kind\":\"clock\",\"clock_offset_ns\":5,\"targets\":[]}"),
		RECORD("{\"name\":\"s\",\"targets\":[\"x\"],\"at_ns\":-1,\"for_ns\":1,\"times\":1,\"every_"
		       "ns\":1,"
		       "\"burst_on_ns\":0,\"burst_off_ns\":0}"),
		RECORD("{\"name\":\"s\",\"targets\":[\"x\"],\"at_ns\":0,\"for_ns\":1,\"times\":0,\"every_"
		       "ns\":1,"
		       "\"burst_on_ns\":0,\"burst_off_ns\":0}"),
		RECORD("{\"name\":\"s\",\"targets\":[\"x\"],\"at_ns\":0,\"for_ns\":1,\"times\":4000000000,"
		       "\"every_ns\":1,\"burst_on_ns\":0,\"burst_off_ns\":0}"),
	};
	struct record *record = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int err = record_read(bad[i], &record);

		if (err != -EBADMSG)
			fail_msg("%s: %d", bad[i], err);
	}
}

/* As many rules as a plan may have are read; one more is no plan. */
static void test_many_rules(void **state)
{
	struct record *record = NULL;
	char *targets, *json = NULL;

	(void)state;
	for (int n = PLAN_MAX_RULES; n <= PLAN_MAX_RULES + 1; n++) {
		targets = calloc(n + 1, 4);
		for (int i = 0; i < n; i++)
			strcat(targets, i ? ",\"t\"" : "\"t\"");
		assert_true(asprintf(&json,
				     "{" HEAD "\"interfaces\":[],\"plan\":{\"length_ns\":1,\"recovery_ns\":1,"
				     "\"steps\":[{\"name\":\"s\",\"targets\":[%s],\"at_ns\":0,\"for_ns\":1,"
				     "\"times\":1,\"every_ns\":1,\"burst_on_ns\":0,\"burst_off_ns\":0}]}}",
				     targets) > 0);
		if (n == PLAN_MAX_RULES) {
			assert_int_equal(record_read(json, &record), 0);
			assert_int_equal(record->n_rules, n);
			record_free(record);
		} else {
			assert_int_equal(record_read(json, &record), -EBADMSG);
		}
		free(targets);
		free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),   cmocka_unit_test(test_windows),
		cmocka_unit_test(test_bursts), cmocka_unit_test(test_phases),
		cmocka_unit_test(test_bad),    cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_clocks), cmocka_unit_test(test_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
