/* SPDX-License-Identifier: BSD-2-Clause */
/* The conditions of `abort` on samples that are made up: when each holds, since when, and what ends it. */
#include "unit/conditions_scene.h"

#include "drill/abort_slo.h"
#include "drill/aborts.h"

struct abort_scene {
	struct conditions_scene s;
	struct aborts *aborts;
	char reason[320];
};

static struct plan_abort *prepare(struct abort_scene *a, void **state, enum plan_abort_kind kind,
				  double for_s)
{
	*a = (struct abort_scene){0};
	scene_prepare(&a->s, state);
	a->s.plan.aborts = &a->s.abort;
	a->s.plan.n_aborts = 1;
	a->s.abort = (struct plan_abort){.kind = kind, .for_ns = for_s * 1e9, .text = (char *)"{\"a\":1}"};
	a->s.abort.slo = (struct plan_slo){.step = -1, .probe = -1, .target = -1};
	return &a->s.abort;
}

static void begin(struct abort_scene *a)
{
	scene_begin(&a->s);
	assert_int_equal(aborts_open(&a->s.plan, &a->s.timetable, &a->s.ops, &a->s.journal, &a->aborts), 0);
}

static bool holds(struct abort_scene *a, double when)
{
	uint64_t next;

	return aborts_run(a->aborts, at(when), &next, a->reason, sizeof(a->reason));
}

static void give(struct abort_scene *a, size_t probe, double when, bool healthy, uint64_t latency_ms)
{
	struct probe_sample sample = scene_sample(&a->s, false, probe, when, healthy);

	sample.latency_ns = latency_ms ? latency_ms * NS_PER_MS : PROBE_NO_LATENCY;
	aborts_sample(a->aborts, &sample);
}

/* What the run's last event has of it; the log, to be freed. */
static char *end(struct abort_scene *a, char data[256])
{
	struct json *json = journal_data(&a->s.journal);

	aborts_tell(a->aborts, json);
	json_end_object(json);
	snprintf(data, 256, "%s", a->s.journal.data.data);
	aborts_close(a->aborts);
	return scene_end(&a->s);
}

static void done(struct abort_scene *a)
{
	char data[256];

	free(end(a, data));
	scene_forget(&a->s);
}

static void probe_is_unhealthy(void **state)
{
	struct abort_scene a;
	char data[256], expected[128];

	prepare(&a, state, ABORT_PROBE, 3)->index = API;
	begin(&a);
	assert_false(holds(&a, 0));
	give(&a, API, 1, false, 0);
	give(&a, API, 2, true, 0);
	give(&a, TRADER, 2.2, false, 0);
	give(&a, API, 2.5, false, 0);
	give(&a, API, 5, false, 0);
	assert_false(holds(&a, 5.4));
	assert_true(holds(&a, 5.5)); /* also without a further sample */
	assert_string_equal(a.reason, "the probe api has been unhealthy for 3s");
	assert_false(holds(&a, 6)); /* told once */
	snprintf(expected, sizeof(expected),
		 "{\"kind\":\"probe\",\"condition\":{\"a\":1},\"value\":null,\"since_ns\":%" PRIu64 "}",
		 at(2.5));
	free(end(&a, data));
	assert_string_equal(data, expected);
}

/* The healthy line may be written already, and not be read. */
static void log_is_waited_for(void **state)
{
	struct abort_scene a;

	prepare(&a, state, ABORT_PROBE, 3)->index = TRADER;
	begin(&a);
	give(&a, TRADER, 1, false, 0);
	assert_false(holds(&a, 4.1));
	give(&a, TRADER, 3.9, true, 0);
	assert_false(holds(&a, 9));
	give(&a, TRADER, 9, false, 0);
	assert_true(holds(&a, 12.2));
	done(&a);
}

static void nothing_holds(void **state)
{
	struct abort_scene a;
	uint64_t next;
	char data[256];

	prepare(&a, state, ABORT_PROBE, 3)->index = API;
	a.s.plan.n_aborts = 0;
	begin(&a);
	give(&a, API, 1, false, 0);
	assert_false(aborts_run(a.aborts, at(100), &next, a.reason, sizeof(a.reason)));
	assert_true(next == UINT64_MAX);
	free(end(&a, data));
	assert_string_equal(data, "{}");
}

static void file_appears(void **state)
{
	char path[128], expected[256], data[256];
	struct abort_scene a;

	prepare(&a, state, ABORT_FILE, 0)->path = path;
	snprintf(path, sizeof(path), "%s/STOP.TXT", a.s.dir->path);
	begin(&a);
	assert_false(holds(&a, 1));
	put_file(a.s.dir->fd, "STOP.TXT", "", 0);
	assert_false(holds(&a, 1.05)); /* ten looks a second */
	assert_true(holds(&a, 1.1));
	snprintf(expected, sizeof(expected), "the file %s is there", path);
	assert_string_equal(a.reason, expected);
	free(end(&a, data));
	snprintf(expected, sizeof(expected), "\"since_ns\":%" PRIu64, at(1.1));
	assert_has(data, expected);
}

static void symbolic_link_is_a_file(void **state)
{
	struct abort_scene a;
	char path[128];

	prepare(&a, state, ABORT_FILE, 0)->path = path;
	snprintf(path, sizeof(path), "%s/STOP.TXT", a.s.dir->path);
	assert_int_equal(symlinkat("nowhere", a.s.dir->fd, "STOP.TXT"), 0);
	begin(&a);
	assert_true(holds(&a, 1));
	done(&a);
}

/* value < 0: there is no answer. */
static void answer(struct abort_scene *a, double when, bool good, double value)
{
	struct probe_sample sample = scene_sample(&a->s, true, RATE, when, good);

	sample.has_value = value >= 0;
	sample.value = value;
	aborts_watch(a->aborts, &sample);
}

static void query_says_so(void **state)
{
	struct abort_scene a;
	char data[256], *log;

	prepare(&a, state, ABORT_PROMETHEUS, 5)->index = RATE;
	begin(&a);
	assert_false(holds(&a, 0));
	assert_int_equal(a.s.started[RATE], 1);
	answer(&a, 1, false, 0.03);
	answer(&a, 3, true, 0.01);
	answer(&a, 4, false, 0.03);
	answer(&a, 6, false, -1); /* no reason to abort, and none to forget */
	answer(&a, 7, false, -1);
	assert_false(holds(&a, 20));
	answer(&a, 20.5, false, 0.04);
	assert_true(holds(&a, 20.5));
	assert_string_equal(a.reason, "a query has been 0.04 for 16.5s or longer: rate(misses[1m])");
	log = end(&a, data);
	assert_has(data, "{\"kind\":\"prometheus\",\"condition\":{\"a\":1},\"value\":0.04,");
	assert_int_equal(count_of(log, "\"type\":\"abort.watch\""), 2);
	assert_has(log, "\"data\":{\"condition\":{\"a\":1},\"answered\":false,\"error\":\"refused\"}");
	assert_has(log, "\"data\":{\"condition\":{\"a\":1},\"answered\":true,\"error\":null}");
	free(log);
}

/* The turn has begun before the answer came. */
static void an_answer_within_the_turn(void **state)
{
	struct abort_scene a;

	prepare(&a, state, ABORT_PROMETHEUS, 0)->index = RATE;
	begin(&a);
	holds(&a, 0);
	answer(&a, 2, false, 0.03);
	assert_true(holds(&a, 1.5));
	assert_string_equal(a.reason, "a query has been 0.03 for 0s or longer: rate(misses[1m])");
	done(&a);
}

static void no_answer_is_no_reason(void **state)
{
	struct abort_scene a;

	prepare(&a, state, ABORT_PROMETHEUS, 0)->index = RATE;
	begin(&a);
	holds(&a, 0);
	for (int i = 1; i < 100; i++) {
		answer(&a, i, false, -1);
		assert_false(holds(&a, i));
	}
	answer(&a, 100, false, 0.03);
	assert_true(holds(&a, 100)); /* without `for` at once */
	done(&a);
}

static struct plan_slo *prepare_slo(struct abort_scene *a, void **state, enum plan_slo_key key,
				    uint64_t limit, double for_s)
{
	struct plan_slo *slo = &prepare(a, state, ABORT_SLO, for_s)->slo;

	slo->key = key;
	slo->limit = limit;
	return slo;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The percentile by its definition, with each sample anew; 0 stands for an unhealthy one. */
static bool is_missed(const uint64_t *ms, size_t n, unsigned percent, uint64_t limit_ms)
{
	uint64_t sorted[1000];

	for (size_t i = 0; i < n; i++)
		sorted[i] = ms[i] ? ms[i] : UINT64_MAX;
	qsort(sorted, n, sizeof(*sorted), compare);
	return sorted[(n * percent + 99) / 100 - 1] > limit_ms;
}

static void percentile_is_nearest_rank(void **state)
{
	static const enum plan_slo_key keys[] = {SLO_PROBE_P95, SLO_PROBE_P99};
	uint64_t ms[1000], seed = 7;
	bool both[2] = {false, false};

	for (size_t k = 0; k < 2; k++) {
		struct abort_slo *slo;
		struct abort_scene a;
		struct plan_slo *plan = prepare_slo(&a, state, keys[k], 200 * NS_PER_MS, 0);

		scene_step(&a.s, "slow", STEP_FAULT, 0, 1000);
		scene_begin(&a.s);
		assert_int_equal(abort_slo_open(&a.s.plan, plan, &a.s.timetable, &a.s.ops, &slo), 0);
		scene_zero(&a.s, 0, -1, 0);
		for (size_t i = 0; i < 1000; i++) {
			struct probe_sample sample;
			uint64_t since;
			bool missed;

			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			ms[i] = (seed >> 33) % 211; /* one in 20 is above 200 ms, or unhealthy */
			sample = scene_sample(&a.s, false, API, i + 1, ms[i] != 0);
			sample.latency_ns = ms[i] * NS_PER_MS;
			abort_slo_sample(slo, &sample);
			missed = abort_slo_missed(slo, at(i + 1), &since);
			assert_int_equal(missed, is_missed(ms, i + 1, k ? 99 : 95, 200));
			both[missed] = true;
		}
		abort_slo_close(slo);
		free(scene_end(&a.s));
		scene_forget(&a.s);
	}
	assert_true(both[0] && both[1]);
}

static void latency_is_that_of_windows(void **state)
{
	struct abort_scene a;

	prepare_slo(&a, state, SLO_PROBE_P95, 200 * NS_PER_MS, 2)->step = 1;
	scene_step(&a.s, "other", STEP_FAULT, 1, 1);
	scene_step(&a.s, "slow", STEP_FAULT, 5, 5);
	scene_step(&a.s, "hope", STEP_EXPECT, 0, 100);
	begin(&a);
	give(&a, API, -1, true, 900);
	scene_zero(&a.s, 0, -1, 0);
	give(&a, API, 0.5, true, 900);
	give(&a, API, 1.5, true, 900); /* another step's */
	give(&a, TRADER, 5, true, 0);  /* has none */
	give(&a, API, 5, true, 200);
	assert_false(holds(&a, 5.5));
	give(&a, API, 6, true, 300);
	assert_false(holds(&a, 7.9));
	assert_true(holds(&a, 8));
	assert_string_equal(a.reason, "probe_p95 of api so far is 300ms, the limit 200ms");
	done(&a);
}

static void latency_comes_down_again(void **state)
{
	struct abort_scene a;

	prepare_slo(&a, state, SLO_PROBE_P95, 200 * NS_PER_MS, 3);
	scene_step(&a.s, "slow", STEP_FAULT, 0, 100);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	give(&a, API, 1, true, 300);
	assert_false(holds(&a, 1));
	for (int i = 1; i < 20; i++) /* of 20 one may be */
		give(&a, API, 2 + i / 100.0, true, 10);
	assert_false(holds(&a, 10));
	give(&a, API, 11, false, 5); /* unhealthy is longer than all */
	assert_false(holds(&a, 13.9));
	assert_true(holds(&a, 14));
	assert_string_equal(a.reason, "probe_p95 of api so far is 300ms, the limit 200ms");
	done(&a);
}

static void latency_is_relative(void **state)
{
	struct abort_scene a;
	struct plan_slo *slo = prepare_slo(&a, state, SLO_PROBE_P95, UINT64_MAX, 0);

	slo->relative = true;
	slo->over = 0.5;
	slo->probe = API;
	scene_step(&a.s, "slow", STEP_FAULT, 0, 100);
	begin(&a);
	for (int i = 0; i < 20; i++)
		give(&a, API, -30 + i, true, i ? 100 : 900); /* the P95 is 100 ms */
	scene_zero(&a.s, 0, -1, 0);
	give(&a, API, 1, true, 150);
	assert_false(holds(&a, 1));
	give(&a, API, 2, true, 151);
	assert_true(holds(&a, 2));
	assert_string_equal(a.reason, "probe_p95 of api so far is 151ms, the limit 150ms");
	done(&a);
}

static void baseline_may_have_none(void **state)
{
	struct abort_scene a;
	struct plan_slo *slo = prepare_slo(&a, state, SLO_PROBE_P99, UINT64_MAX, 0);

	slo->relative = true;
	scene_step(&a.s, "slow", STEP_FAULT, 0, 100);
	begin(&a);
	give(&a, API, -1, false, 100);
	scene_zero(&a.s, 0, -1, 0);
	assert_false(holds(&a, 0.5));
	give(&a, API, 1, true, 1);
	assert_true(holds(&a, 1));
	assert_string_equal(a.reason,
			    "probe_p99 of api so far is 1ms, and that of its baseline has no value");
	done(&a);
}

static void availability_falls(void **state)
{
	struct abort_scene a;
	char data[256];

	prepare_slo(&a, state, SLO_AVAILABILITY, PLAN_ALWAYS / 100 * 75, 0)->probe = API;
	scene_step(&a.s, "cut", STEP_FAULT, 1, 9)->window = (struct plan_window){
		.at_ns = NS_PER_S, .for_ns = 4 * NS_PER_S, .every_ns = 5 * NS_PER_S, .times = 2};
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	give(&a, API, 0.9, false, 0);
	give(&a, API, 1, true, 0);
	give(&a, API, 2, true, 0);
	give(&a, API, 3, true, 0);
	give(&a, TRADER, 3, false, 0);
	give(&a, API, 4, false, 0);
	give(&a, API, 5, false, 0); /* between the windows */
	assert_false(holds(&a, 5));
	give(&a, API, 6, true, 0);
	give(&a, API, 7, false, 0);
	assert_true(holds(&a, 7));
	assert_string_equal(a.reason, "availability by api so far is 50 %, the least allowed 75 %");
	free(end(&a, data));
	assert_has(data, "\"kind\":\"slo\",\"condition\":{\"a\":1},\"value\":0.5,");
}

static void recovery_takes_too_long(void **state)
{
	struct abort_scene a;
	char data[256], expected[64];

	prepare_slo(&a, state, SLO_RECOVERY_MAX, 3 * NS_PER_S, 0)->probe = API;
	scene_step(&a.s, "cut", STEP_FAULT, 1, 2)->window = (struct plan_window){
		.at_ns = NS_PER_S, .for_ns = 2 * NS_PER_S, .every_ns = 10 * NS_PER_S, .times = 2};
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	give(&a, API, 2.9, true, 0); /* before the closing */
	give(&a, API, 3, false, 0);
	assert_false(holds(&a, 6));
	give(&a, API, 6, true, 0);
	give(&a, API, 7, false, 0); /* it was back */
	assert_false(holds(&a, 10.9));
	give(&a, API, 12.9, true, 0); /* it isn't over */
	give(&a, TRADER, 13.5, true, 0);
	assert_false(holds(&a, 16));
	assert_true(holds(&a, 16.2));
	assert_string_equal(a.reason, "no recovery from cut #2 by api after 3.2s, the limit 3s");
	free(end(&a, data));
	snprintf(expected, sizeof(expected), "\"value\":3200000000,\"since_ns\":%" PRIu64, at(16));
	assert_has(data, expected);
}

/* What has no closing is recovered from once it was noticed, and a log's line is waited for. */
static void recovery_from_a_signal(void **state)
{
	struct abort_scene a;

	prepare_slo(&a, state, SLO_RECOVERY_MAX, 3 * NS_PER_S, 0)->probe = TRADER;
	scene_step(&a.s, "kill", STEP_SIGNAL, 1, 0);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	give(&a, TRADER, 1.1, true, 0); /* it doesn't know yet */
	assert_false(holds(&a, 9));
	give(&a, TRADER, 3, false, 0);
	assert_false(holds(&a, 4.2)); /* since 1 s, and 200 ms for the log */
	assert_true(holds(&a, 9.5));
	done(&a);
	prepare_slo(&a, state, SLO_RECOVERY_MAX, 3 * NS_PER_S, 0)->probe = TRADER;
	scene_step(&a.s, "kill", STEP_SIGNAL, 1, 0);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	give(&a, TRADER, 3, false, 0);
	give(&a, TRADER, 3.5, true, 0);
	give(&a, TRADER, 5, false, 0);
	assert_false(holds(&a, 20));
	done(&a);
}

static void recovery_by_flow(void **state)
{
	struct abort_scene a;

	prepare_slo(&a, state, SLO_RECOVERY_MAX, 3 * NS_PER_S, 0)->by = BY_FLOW;
	scene_step(&a.s, "cut", STEP_FAULT, 1, 2);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	assert_false(holds(&a, 6));
	a.s.recovered = true;
	assert_false(holds(&a, 7));
	a.s.recovered = false;
	assert_true(holds(&a, 8));
	assert_string_equal(a.reason, "no recovery from cut #1 after 5s, the limit 3s");
	assert_int_equal(a.s.recovered_target, -1);
	done(&a);
}

/* Each window by itself, and only the target's paths. */
static void recovery_by_flow_of_a_target(void **state)
{
	struct abort_scene a;

	prepare_slo(&a, state, SLO_RECOVERY_MAX, 3 * NS_PER_S, 0)->target = 1;
	scene_step(&a.s, "cut", STEP_FAULT, 1, 2);
	scene_step(&a.s, "slow", STEP_FAULT, 5, 30);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	a.s.recovered = true;
	assert_false(holds(&a, 7)); /* the other one goes on */
	assert_string_equal(a.s.recovered_from->step->name, "cut");
	assert_int_equal(a.s.recovered_from->closes, at(3));
	assert_int_equal(a.s.recovered_target, 1);
	assert_false(holds(&a, 39));
	assert_string_equal(a.s.recovered_from->step->name, "slow");
	a.s.recovered = false;
	assert_true(holds(&a, 40));
	done(&a);
}

/* It touched nothing, whatever the probes say. */
static void a_shadow_is_no_sample(void **state)
{
	static const struct {
		enum plan_slo_key key;
		uint64_t limit;
		double when;
	} cases[] = {{SLO_RECOVERY_MAX, 3 * NS_PER_S, 9},
		     {SLO_AVAILABILITY, PLAN_ALWAYS, 9},
		     {SLO_PROBE_P99, NS_PER_MS, 9},
		     {SLO_ATTEMPTS_PER_S, 10, 2}};
	struct abort_scene a;

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		prepare_slo(&a, state, cases[i / 2].key, cases[i / 2].limit, 0)->probe = API;
		scene_step(&a.s, "cut", STEP_FAULT, 1, 2)->shadow = i % 2;
		begin(&a);
		scene_zero(&a.s, 0, -1, 0);
		a.s.attempts[0] = 11;
		give(&a, API, 2, false, 5);
		give(&a, API, 4, false, 5);
		assert_int_equal(holds(&a, cases[i / 2].when), i % 2 == 0);
		done(&a);
	}
}

static void attempts_storm(void **state)
{
	struct abort_scene a;

	prepare_slo(&a, state, SLO_ATTEMPTS_PER_S, 10, 2)->target = 0;
	scene_step(&a.s, "cut", STEP_FAULT, 1, 10);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	a.s.recovered = true;
	a.s.attempts[0] = 11;
	assert_false(holds(&a, 0.5)); /* no window so far */
	a.s.attempts[0] = 10;
	a.s.attempts[1] = 99; /* of another target */
	assert_false(holds(&a, 1));
	a.s.attempts[0] = 11;
	assert_false(holds(&a, 2));
	assert_false(holds(&a, 3.9));
	a.s.attempts[0] = 3;
	assert_false(holds(&a, 4));
	a.s.attempts[0] = 12;
	assert_false(holds(&a, 5));
	assert_true(holds(&a, 7));
	assert_string_equal(a.reason, "12 attempts to front in a second, the limit 10");
	done(&a);
	prepare_slo(&a, state, SLO_ATTEMPTS_PER_S, 10, 0);
	scene_step(&a.s, "cut", STEP_FAULT, 1, 1);
	begin(&a);
	scene_zero(&a.s, 0, -1, 0);
	a.s.attempts[1] = 11;
	a.s.recovered = true;
	assert_false(holds(&a, 3)); /* all is over */
	a.s.recovered = false;
	assert_true(holds(&a, 4));
	assert_string_equal(a.reason, "11 attempts to db in a second, the limit 10");
	assert_int_equal(a.s.recovered_target, -1); /* whatever it hit */
	done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(probe_is_unhealthy, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(log_is_waited_for, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(nothing_holds, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(file_appears, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(symbolic_link_is_a_file, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(query_says_so, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(an_answer_within_the_turn, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(no_answer_is_no_reason, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(percentile_is_nearest_rank, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(latency_is_that_of_windows, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(latency_comes_down_again, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(latency_is_relative, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(baseline_may_have_none, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(availability_falls, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(recovery_takes_too_long, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(recovery_from_a_signal, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(recovery_by_flow, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(recovery_by_flow_of_a_target, run_dir_setup,
						run_dir_teardown),
		cmocka_unit_test_setup_teardown(a_shadow_is_no_sample, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(attempts_storm, run_dir_setup, run_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
