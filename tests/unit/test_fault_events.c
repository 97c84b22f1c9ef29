/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/run_dir.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/timeutil.h"
#include "evidence/fault_events.h"

static const struct fault_window loss = {
	.step = "thin",
	.instance = 1,
	.kind = FAULT_KIND_LOSS,
	.duration_ns = 20 * NS_PER_S,
	.target_ip = "182.254.243.31",
	.ports = "40001,40011",
	.iface = "eth0",
	.loss_percent = 2.5,
};

static void expect_file(const struct run_dir *dir, const char *expected)
{
	char *text = get_file(dir->fd, "fault_events.jsonl", NULL);

	assert_string_equal(text, expected);
	free(text);
}

static void writes_the_fixed_form(void **state)
{
	const struct run_dir *dir = *state;
	struct fault_events *events;

	assert_int_equal(fault_events_open(dir->fd, &events), 0);
	assert_int_equal(fault_events_apply(events, 1795308575503854991, &loss), 0);
	assert_int_equal(fault_events_clear(events, 1795308595503854991, &loss), 0);
	assert_int_equal(fault_events_close(events), 0);
	expect_file(
		dir,
		"{\"ts_ns\": 1795308575503854991, \"mode\": \"run\", \"scenario\": \"loss\", \"phase\": "
		"\"apply\", \"execute\": true, \"parameters\": {\"duration_sec\": \"20\", \"target_ip\": "
		"\"182.254.243.31\", \"ports\": \"40001,40011\", \"disconnect_mode\": \"drop\", \"iface\": "
		"\"eth0\", \"delay_ms\": \"0\", \"jitter_ms\": \"0\", \"loss_percent\": \"2.5\"}}\n"
		"{\"ts_ns\": 1795308595503854991, \"mode\": \"run\", \"scenario\": \"loss\", \"phase\": "
		"\"clear\", \"execute\": true, \"parameters\": {\"duration_sec\": \"20\", \"target_ip\": "
		"\"182.254.243.31\", \"ports\": \"40001,40011\", \"disconnect_mode\": \"drop\", \"iface\": "
		"\"eth0\", \"delay_ms\": \"0\", \"jitter_ms\": \"0\", \"loss_percent\": \"2.5\"}}\n");
}

/* The value of a key, or of a parameter, on line n (from 0). */
static char *value(const struct run_dir *dir, int n, const char *key)
{
	char *text = get_file(dir->fd, "fault_events.jsonl", NULL), *line = text, *copy;
	json_t *json, *v;

	while (n--)
		line = strchr(line, '\n') + 1;
	json = json_loads(line, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	v = json_object_get(json, key);
	if (!v)
		v = json_object_get(json_object_get(json, "parameters"), key);
	copy = strdup(json_string_value(v));
	json_decref(json);
	free(text);
	return copy;
}

static void check_value(const struct run_dir *dir, int line, const char *key, const char *expected)
{
	char *v = value(dir, line, key);

	assert_string_equal(v, expected);
	free(v);
}

static void names_and_modes(void **state)
{
	static const struct {
		enum fault_kind kind;
		const char *scenario, *mode;
	} expected[] = {
		{FAULT_KIND_DROP, "disconnect", "drop"},    {FAULT_KIND_RESET, "disconnect", "reset"},
		{FAULT_KIND_REFUSE, "disconnect", "reset"}, {FAULT_KIND_LOSS, "loss", "drop"},
		{FAULT_KIND_OTHER, "odd \"one\"", "drop"},
	};
	const struct run_dir *dir = *state;
	struct fault_events *events;
	struct fault_window w = loss;
	int i;

	w.step = "odd \"one\"";
	w.loss_percent = 0;
	w.target_ip = w.ports = "";
	assert_int_equal(fault_events_open(dir->fd, &events), 0);
	for (i = 0; i < 5; i++) {
		w.kind = expected[i].kind;
		w.instance = i + 1;
		w.duration_ns = 1500 * NS_PER_MS;
		assert_int_equal(fault_events_apply(events, 1, &w), 0);
		assert_int_equal(fault_events_clear(events, 2, &w), 0);
		check_value(dir, 2 * i, "scenario", expected[i].scenario);
		check_value(dir, 2 * i + 1, "scenario", expected[i].scenario);
		check_value(dir, 2 * i, "disconnect_mode", expected[i].mode);
	}
	check_value(dir, 0, "duration_sec", "1.5");
	check_value(dir, 0, "loss_percent", "0");
	check_value(dir, 0, "ports", "");
	assert_int_equal(fault_events_close(events), 0);
}

/* The runbook's own drills: jitter 250 +- 30 ms, combined 200 +- 40 ms and 3 %. */
static void delays_are_exact_milliseconds(void **state)
{
	static const struct {
		enum fault_kind kind;
		uint64_t delay_ns, jitter_ns;
		double loss;
		const char *scenario, *delay, *jitter, *loss_text;
	} cases[] = {
		{FAULT_KIND_JITTER, 250000000, 30000000, 0, "jitter", "250", "30", "0"},
		{FAULT_KIND_COMBINED, 200000000, 40000000, 3, "combined", "200", "40", "3"},
		{FAULT_KIND_LATENCY, 500000, 0, 0, "latency", "0.5", "0", "0"},
		{FAULT_KIND_LATENCY, 60000000001, 1, 0, "latency", "60000.000001", "0.000001", "0"},
	};
	const struct run_dir *dir = *state;
	struct fault_events *events;
	struct fault_window w = loss;
	int i;

	assert_int_equal(fault_events_open(dir->fd, &events), 0);
	for (i = 0; i < 4; i++) {
		w.kind = cases[i].kind;
		w.instance = i + 1;
		w.delay_ns = cases[i].delay_ns;
		w.jitter_ns = cases[i].jitter_ns;
		w.loss_percent = cases[i].loss;
		assert_int_equal(fault_events_apply(events, 1, &w), 0);
		assert_int_equal(fault_events_clear(events, 2, &w), 0);
		check_value(dir, 2 * i, "scenario", cases[i].scenario);
		check_value(dir, 2 * i + 1, "delay_ms", cases[i].delay);
		check_value(dir, 2 * i, "jitter_ms", cases[i].jitter);
		check_value(dir, 2 * i, "loss_percent", cases[i].loss_text);
		check_value(dir, 2 * i, "disconnect_mode", "drop");
	}
	assert_int_equal(fault_events_close(events), 0);
}

/* No two open windows have one name, and a window is cleared under the name it was applied with. */
static void overlapping_windows_have_names_of_their_own(void **state)
{
	static const char *const expected[] = {"loss", "thin",   "thin-3", "loss",
					       "loss", "thin-3", "thin",   "loss"};
	const struct run_dir *dir = *state;
	struct fault_events *events;
	struct fault_window w[4] = {loss, loss, loss, loss};
	int i;

	for (i = 0; i < 4; i++)
		w[i].instance = i + 1;
	assert_int_equal(fault_events_open(dir->fd, &events), 0);
	assert_int_equal(fault_events_apply(events, 1, &w[0]), 0);
	assert_int_equal(fault_events_apply(events, 2, &w[1]), 0);
	assert_int_equal(fault_events_apply(events, 3, &w[2]), 0);
	assert_int_equal(fault_events_apply(events, 3, &w[2]), -EEXIST);
	assert_int_equal(fault_events_clear(events, 4, &w[0]), 0);
	assert_int_equal(fault_events_clear(events, 4, &w[0]), -ENOENT);
	assert_int_equal(fault_events_apply(events, 5, &w[3]), 0);
	assert_int_equal(fault_events_clear(events, 6, &w[2]), 0);
	assert_int_equal(fault_events_clear(events, 7, &w[1]), 0);
	assert_int_equal(fault_events_clear(events, 8, &w[3]), 0);
	assert_int_equal(fault_events_close(events), 0);
	for (i = 0; i < 8; i++)
		check_value(dir, i, "scenario", expected[i]);
}

static void whole_lines_only(void **state)
{
	const struct run_dir *dir = *state;
	struct fault_events *events;
	struct rlimit before, small;
	size_t len, again;
	int err;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(fault_events_open(dir->fd, &events), 0);
	assert_int_equal(fault_events_apply(events, 1, &loss), 0);
	free(get_file(dir->fd, "fault_events.jsonl", &len));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = len + 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = fault_events_clear(events, 2, &loss);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, -ENOSPC);
	free(get_file(dir->fd, "fault_events.jsonl", &again));
	assert_int_equal(again, len);
	assert_int_equal(fault_events_clear(events, 3, &loss), 0);
	check_value(dir, 1, "phase", "clear");
	assert_int_equal(fault_events_close(events), 0);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)
	const struct CMUnitTest tests[] = {
		IN_DIR(writes_the_fixed_form),
		IN_DIR(names_and_modes),
		IN_DIR(delays_are_exact_milliseconds),
		IN_DIR(overlapping_windows_have_names_of_their_own),
		IN_DIR(whole_lines_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
