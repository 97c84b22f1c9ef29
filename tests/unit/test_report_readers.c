/* SPDX-License-Identifier: BSD-2-Clause */
/* The documents that other systems' readers take: mm-bot and drill-results. */
#include "unit/made_results.h"

#include <jansson.h>
#include <math.h>

#include "report/documents.h"
#include "report/drill_results.h"
#include "report/intensity.h"
#include "report/mm_bot.h"
#include "report/verdict.h"
#include "report/words.h"

static json_t *parse(const struct buf *text)
{
	json_error_t error;
	json_t *json;

	assert_false(text->failed);
	json = json_loads(text->data, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("%s in:\n%s", error.text, text->data);
	return json;
}

static json_t *get(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!value)
		fail_msg("there is no %s", key);
	return value;
}

static void check_string(const json_t *object, const char *key, const char *expected)
{
	assert_string_equal(json_string_value(get(object, key)), expected);
}

static void check_number(const json_t *object, const char *key, double expected)
{
	json_t *value = get(object, key);

	assert_true(json_is_number(value));
	assert_true(fabs(json_number_value(value) - expected) < 1e-9);
}

static void check_bool(const json_t *object, const char *key, bool expected)
{
	assert_true(json_is_boolean(get(object, key)));
	assert_int_equal(json_is_true(get(object, key)), expected);
}

/* The documents of the runs, which are freed. */
static struct documents mm_bot_of(struct results **runs, size_t n)
{
	struct documents d = {0};

	report_mm_bot((const struct results *const *)runs, n, &d);
	assert_true(documents_ok(&d));
	while (n--)
		results_free(runs[n]);
	return d;
}

static struct documents mm_bot_of_one(struct results *r)
{
	return mm_bot_of(&r, 1);
}

static void windows_are_numbered_over_all_runs(void **state)
{
	struct results *runs[] = {made_run(), made_run()};
	struct documents d = mm_bot_of(runs, 2);
	char name[32];

	(void)state;
	assert_int_equal(d.n, 5);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "runs/%d.json", i + 1);
		assert_string_equal(d.items[i].name, name);
	}
	assert_string_equal(d.items[4].name, "findings.json");
	documents_free(&d);
}

static void window_has_its_metrics(void **state)
{
	struct results *r = made_run();
	struct documents d;
	json_t *json, *metrics;

	(void)state;
	r->steps[0].latency[0] = (struct result_latency){.samples = 100, .p95_ns = 185200000};
	r->steps[0].latency[1] = (struct result_latency){.samples = 20, .p95_ns = 2 * MS};
	d = mm_bot_of_one(r);
	json = parse(&d.items[0].text);
	check_string(json, "scenario", "cut");
	check_number(json, "intensity", 0.3);
	check_number(json, "duration_sec", 1);
	check_string(json, "result", "pass");
	metrics = get(json, "metrics");
	check_number(metrics, "p95_tick_ms", 185.2);
	check_bool(metrics, "p95_is_of_a_failed_sample", false);
	check_number(metrics, "deadline_miss_pct", 75);
	check_number(metrics, "recovery_ticks", 2); /* 300 ms of 200 ms; api: 800 ms of 1 s */
	check_bool(metrics, "recovered", true);
	check_number(metrics, "recovery_sec", 0.8);
	check_number(metrics, "recovery_after_inject_sec", 1.8);
	json_decref(json);
	documents_free(&d);
}

/* 9.5 s - 6 s are 3.5 ticks of api without a recovery; they are not 0. */
static void censored_window_fails(void **state)
{
	struct results *r = made_run();
	struct documents d;
	json_t *json, *metrics;

	(void)state;
	r->steps[0].latency[0] = (struct result_latency){.samples = 100, .p95_ns = NO_NS};
	d = mm_bot_of_one(r);
	json = parse(&d.items[1].text);
	check_string(json, "result", "fail");
	metrics = get(json, "metrics");
	check_number(metrics, "p95_tick_ms", 1000);
	check_bool(metrics, "p95_is_of_a_failed_sample", true);
	check_number(metrics, "recovery_ticks", 5);
	check_bool(metrics, "recovered", false);
	assert_true(json_is_null(get(metrics, "recovery_sec")));
	json_decref(json);
	documents_free(&d);
}

/* No probe: what isn't known isn't there. */
static void flows_stand_in_for_probes(void **state)
{
	struct results *r = empty_run("flows", 0);
	struct result_window *w;
	struct documents d;
	json_t *json, *metrics;

	(void)state;
	assert_true(results_grow(r, r->paths, r->n_paths));
	r->paths[r->n_paths++] = (struct result_path){.target = "front", .name = "p"};
	w = add_window(r, "Net Loss-30%", 1, 0, 1000);
	add_flow(r, w, 40);
	d = mm_bot_of_one(r);
	json = parse(&d.items[0].text);
	check_string(json, "scenario", "net_loss_30_");
	check_string(json, "step", "Net Loss-30%");
	metrics = get(json, "metrics");
	assert_null(json_object_get(metrics, "p95_tick_ms"));
	assert_null(json_object_get(metrics, "recovery_ticks"));
	check_number(metrics, "recovery_sec", 0.04);
	check_bool(metrics, "measured", true);
	json_decref(json);
	documents_free(&d);
}

static json_t *findings_of(struct results *r)
{
	struct documents d = mm_bot_of_one(r);
	json_t *json = parse(&d.items[d.n - 1].text);

	documents_free(&d);
	return json;
}

static const char *finding(const json_t *findings, size_t i, const char *key)
{
	return json_string_value(get(json_array_get(get(findings, "findings"), i), key));
}

static void findings_are_counted(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	add_slo(r, "backoff", false)->value_words = "none";
	add_slo(r, "recovery_p50", true);
	results_lack(r, "12 records lost");
	json = findings_of(r);
	check_number(json, "total_findings", 4);
	check_number(get(json, "by_severity"), "high", 3);
	check_number(get(json, "by_severity"), "medium", 1);
	check_number(get(json, "by_severity"), "low", 0);
	assert_int_equal(json_array_size(get(json, "findings")), 4);
	assert_string_equal(finding(json, 0, "issue_id"), "CHAOS-1");
	assert_string_equal(finding(json, 0, "severity"), "medium");
	assert_string_equal(finding(json, 0, "description"),
			    "backoff is none, expected <= 1 s (cut #2, api)");
	assert_string_equal(finding(json, 1, "description"), "cut #2: api was not seen to recover");
	assert_string_equal(finding(json, 1, "scenario"), "cut");
	assert_string_equal(
		finding(json, 2, "description"),
		"cut #2: 10.1.0.1>10.1.0.2:40001/tcp made up to 500 attempts a second: a retry storm");
	assert_string_equal(finding(json, 3, "issue_id"), "CHAOS-4");
	assert_string_equal(finding(json, 3, "description"), "incomplete evidence: 12 records lost");
	assert_string_equal(finding(json, 3, "scenario"), "made");
	json_decref(json);
}

static void constant_attempts_are_a_finding(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	r->windows[1]->flows[0].storm = false;
	see(r->windows[1], 1, 200, 900);
	free(r->windows[0]->flows[0].attempts_at);
	attempt(&r->windows[0]->flows[0], BACKOFF_CONSTANT, 4, 100);
	json = findings_of(r);
	check_number(json, "total_findings", 2);
	assert_string_equal(finding(json, 0, "severity"), "low");
	assert_string_equal(finding(json, 1, "severity"), "medium");
	json_decref(json);
}

static void no_finding_is_no_error(void **state)
{
	json_t *json = findings_of(empty_run("calm", 0));

	(void)state;
	check_number(json, "total_findings", 0);
	assert_int_equal(json_array_size(get(json, "findings")), 0);
	json_decref(json);
}

static json_t *drill_of(struct results *r)
{
	struct buf out = {0};
	json_t *json;

	report_drill_results((const struct results *const *)&r, 1, &out);
	json = parse(&out);
	buf_free(&out);
	results_free(r);
	return json;
}

static const char *item(const json_t *list, size_t i)
{
	return json_string_value(json_array_get(list, i));
}

static void drill_result_of_a_window(void **state)
{
	json_t *json = drill_of(made_run()), *one = json_array_get(get(json, "results"), 0), *list;

	(void)state;
	assert_int_equal(json_array_size(get(json, "results")), 2);
	check_number(json, "timestamp", 1795308584.5);
	check_string(one, "drill_type", "cut");
	check_string(one, "status", "passed");
	check_number(one, "start_time", 1795308576);
	check_number(one, "end_time", 1795308577);
	check_bool(one, "success", true);
	check_number(one, "recovery_time", 0.8);
	assert_int_equal(json_array_size(get(one, "errors")), 0);
	assert_int_equal(json_array_size(get(one, "expected_observations")), 5);
	list = get(one, "actual_observations");
	assert_string_equal(item(list, 0), "front: 6 of 10 packets were hit");
	assert_string_equal(item(list, 1), "gateway was unhealthy 100ms after the opening (event 77)");
	assert_string_equal(item(list, 2), "gateway was healthy 300ms after the closing (event 88)");
	assert_string_equal(
		item(list, 5),
		"10.1.0.1>10.1.0.2:40001/tcp noticed it (reset) 2ms after the opening (event 12)");
	assert_int_equal(json_array_size(list), 8);
	json_decref(json);
}

/* It touched nothing: no objective is about it, and who counts drills does not count it. */
static void shadow_is_no_drill(void **state)
{
	struct results *r = made_run();
	struct result_slo *slo = add_slo(r, "unrecovered", false);
	struct buf out = {0};
	struct documents d;
	json_t *json;

	(void)state;
	r->windows[1]->shadow = true;
	assert_false(window_measured(r, r->windows[1]));
	assert_true(window_recovery(r, r->windows[1]) == NO_NS);
	assert_true(window_after_inject(r, r->windows[1]) == NO_NS);
	assert_false(slo_concerns(slo, r->windows[1]));
	assert_false(window_misses(r, r->windows[1], slo));
	report_drill_results((const struct results *const *)&r, 1, &out);
	json = parse(&out);
	assert_int_equal(json_array_size(get(json, "results")), 1);
	json_decref(json);
	buf_free(&out);
	d = mm_bot_of_one(r);
	assert_int_equal(d.n, 2);
	assert_string_equal(d.items[0].name, "runs/1.json");
	assert_string_equal(d.items[1].name, "findings.json");
	assert_null(strstr(d.items[1].text.data, "cut #2: "));
	documents_free(&d);
}

/* A kill has no closing that a recovery could count from. */
static void drill_result_of_a_change_that_stands(void **state)
{
	struct results *r = made_run();
	json_t *json, *one;

	(void)state;
	r->windows[0]->stands = true;
	json = drill_of(r);
	one = json_array_get(get(json, "results"), 0);
	assert_string_equal(item(get(one, "expected_observations"), 0), "gateway becomes unhealthy");
	assert_string_equal(item(get(one, "actual_observations"), 2),
			    "gateway was healthy 300ms after the opening (event 88)");
	json_decref(json);
}

static void drill_result_of_a_failure(void **state)
{
	struct results *r = made_run();
	json_t *json, *two;

	(void)state;
	add_slo(r, "unrecovered", false);
	json = drill_of(r);
	two = json_array_get(get(json, "results"), 1);
	check_string(two, "status", "failed");
	check_bool(two, "success", false);
	assert_true(json_is_null(get(two, "recovery_time")));
	assert_int_equal(json_array_size(get(two, "errors")), 2);
	assert_string_equal(item(get(two, "errors"), 0), "api was not seen to recover");
	assert_string_equal(item(get(two, "success_conditions"), 2), "unrecovered <= 1 s");
	check_bool(json_array_get(get(json, "results"), 0), "success", true);
	json_decref(json);
}

static void drill_that_was_cut_short(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	r->windows[0]->cut = true;
	r->outcome = OUTCOME_ABORTED;
	r->reason = "budget";
	json = drill_of(r);
	check_string(json_array_get(get(json, "results"), 0), "status", "aborted");
	check_bool(json_array_get(get(json, "results"), 0), "success", false);
	json_decref(json);
}

static void incomplete_evidence_is_no_success(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	results_lack(r, "12 records lost");
	json = drill_of(r);
	check_bool(json_array_get(get(json, "results"), 0), "success", false);
	json_decref(json);
}

static void check_intensity(const char *fault, double expected)
{
	double found = fault_intensity(fault);

	if (fabs(found - expected) > 1e-9)
		fail_msg("%s: %g, expected %g", fault ? fault : "NULL", found, expected);
}

static void intensity_follows_the_fault(void **state)
{
	(void)state;
	check_intensity(NULL, 1);
	check_intensity("no JSON", 1);
	check_intensity("[]", 1);
	check_intensity("{\"drop\":true}", 1);
	check_intensity("{\"delay\":\"200ms\",\"jitter\":\"40ms\"}", 1);
	check_intensity("{\"reset\":\"both\",\"percent\":\"5%\"}", 0.05);
	check_intensity("{\"loss\":\"0.5%\"}", 0.005);
	check_intensity("{\"delay\":\"1s\",\"loss\":\"3%\",\"corrupt\":\"10%\"}", 0.1);
	check_intensity("{\"loss\":{\"every\":10}}", 0.1);
	check_intensity("{\"loss\":{\"every\":0}}", 1);
	check_intensity("{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"9%\"}}}", 0.1);
	check_intensity(
		"{\"loss\":{\"gemodel\":{\"p\":\"10%\",\"r\":\"10%\",\"bad\":\"50%\",\"good\":\"10%\"}}}",
		0.3);
	check_intensity("{\"reorder\":{\"percent\":\"25%\",\"by\":\"3ms\"}}", 0.25);
	check_intensity("{\"reorder\":\"jitter\",\"delay\":\"1ms\"}", 1);
	check_intensity("{\"loss\":\"300%\"}", 1);
}

/* An SLO that is missed concerns those windows that have a part in it. */
static void windows_miss_what_they_exceed(void **state)
{
	struct results *r = made_run();
	struct result_slo slo = {
		.key = "recovery_p99", .limit = 600 * MS, .worst = "cut #2, api", .samples = 4};
	const struct result_window *one = r->windows[0], *two = r->windows[1];

	(void)state;
	assert_true(window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo.probe = "gateway";
	assert_true(!window_misses(r, one, &slo) && !window_misses(r, two, &slo));
	slo.limit = 400 * MS;
	assert_true(!window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo.step = "other";
	assert_false(window_misses(r, two, &slo));
	slo = (struct result_slo){.key = "recovery_max", .limit = 15 * MS, .by_flow = true, .samples = 1};
	assert_true(!window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo.target = "other";
	assert_false(window_misses(r, two, &slo));
	slo = (struct result_slo){.key = "unrecovered", .limit = 0, .samples = 4};
	assert_true(!window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo = (struct result_slo){.key = "availability", .limit = 250001, .unit = UNIT_SHARE, .samples = 4};
	assert_true(window_misses(r, one, &slo));
	slo.limit = 250000;
	assert_false(window_misses(r, one, &slo));
	slo = (struct result_slo){.key = "attempts_per_s", .limit = 499, .samples = 2};
	assert_true(!window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo.limit = 500;
	assert_false(window_misses(r, two, &slo));
	slo = (struct result_slo){.key = "attempts_per_s", .limit = 1, .target = "other", .samples = 2};
	assert_false(window_misses(r, two, &slo));
	slo.pass = true;
	assert_false(window_misses(r, two, &slo));
	slo = (struct result_slo){
		.key = "backoff", .unit = UNIT_WORDS, .worst = "cut #1, path", .samples = 2};
	assert_true(window_misses(r, one, &slo) && !window_misses(r, two, &slo));
	slo.worst = "cut #11, path";
	assert_false(window_misses(r, one, &slo));
	slo = (struct result_slo){.key = "probe_p95", .limit = 1, .worst = "api", .samples = 9};
	assert_true(window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo.step = "other";
	assert_false(window_misses(r, one, &slo) || window_misses(r, two, &slo));
	slo = (struct result_slo){.key = "attempts_per_s", .limit = 1};
	assert_true(window_misses(r, one, &slo) && window_misses(r, two, &slo));
	slo = (struct result_slo){.key = "availability", .unit = UNIT_SHARE, .limit = 1, .samples = 4};
	r->windows[1]->probes[0].up = r->windows[1]->probes[0].down = 0;
	slo.probe = r->probes[0].name;
	assert_true(!window_misses(r, one, &slo) && window_misses(r, two, &slo));
	results_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_are_numbered_over_all_runs),
		cmocka_unit_test(window_has_its_metrics),
		cmocka_unit_test(censored_window_fails),
		cmocka_unit_test(flows_stand_in_for_probes),
		cmocka_unit_test(findings_are_counted),
		cmocka_unit_test(constant_attempts_are_a_finding),
		cmocka_unit_test(no_finding_is_no_error),
		cmocka_unit_test(drill_result_of_a_window),
		cmocka_unit_test(shadow_is_no_drill),
		cmocka_unit_test(drill_result_of_a_change_that_stands),
		cmocka_unit_test(drill_result_of_a_failure),
		cmocka_unit_test(drill_that_was_cut_short),
		cmocka_unit_test(incomplete_evidence_is_no_success),
		cmocka_unit_test(intensity_follows_the_fault),
		cmocka_unit_test(windows_miss_what_they_exceed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
