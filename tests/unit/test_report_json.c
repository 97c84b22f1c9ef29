/* SPDX-License-Identifier: BSD-2-Clause */
/* results.json of results whose every field is known; of recorded runs test_report.c has it byte for byte. */
#include "unit/made_results.h"

#include <jansson.h>
#include <math.h>

#include "base/buf.h"
#include "report/report.h"

static json_t *json_of(struct results *r)
{
	struct buf out = {0};
	json_error_t error;
	json_t *json;

	report_json(r, &out);
	assert_false(out.failed);
	json = json_loads(out.data, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("%s in:\n%s", error.text, out.data);
	buf_free(&out);
	results_free(r);
	return json;
}

/* "windows.0.flows.0.path" */
static const json_t *at(const json_t *json, const char *path)
{
	char key[64];
	size_t len;

	for (; json && *path; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
					   : json_object_get(json, key);
	}
	if (!json)
		fail_msg("there is no ...%s", path);
	return json;
}

static void check_u64(const json_t *json, const char *path, uint64_t expected)
{
	const json_t *value = at(json, path);

	if (expected == NO_NS)
		assert_true(json_is_null(value));
	else
		assert_true(json_is_integer(value) && (uint64_t)json_integer_value(value) == expected);
}

static void check_text(const json_t *json, const char *path, const char *expected)
{
	const json_t *value = at(json, path);

	if (expected)
		assert_string_equal(json_string_value(value), expected);
	else
		assert_true(json_is_null(value));
}

static void check_real(const json_t *json, const char *path, double expected)
{
	assert_true(json_is_number(at(json, path)) &&
		    fabs(json_number_value(at(json, path)) - expected) < 1e-12);
}

static void flows_stand_in_their_windows(void **state)
{
	json_t *json = json_of(made_run());

	(void)state;
	assert_int_equal(json_array_size(at(json, "windows")), 2);
	check_text(json, "windows.0.step", "cut");
	check_u64(json, "windows.1.instance", 2);
	check_text(json, "windows.0.flows.0.path", "10.1.0.1>10.1.0.2:40001/tcp");
	check_text(json, "windows.0.flows.0.target", "front");
	assert_true(json_is_true(at(json, "windows.0.flows.0.hit")));
	check_u64(json, "windows.0.flows.0.hit_at_ns", 1000 * MS);
	check_text(json, "windows.0.flows.0.notice", "reset");
	check_u64(json, "windows.0.flows.0.noticed_seq", 12);
	check_u64(json, "windows.0.flows.0.resent_at_ns", NO_NS);
	check_u64(json, "windows.0.flows.0.recovery_ns", 10 * MS);
	check_u64(json, "windows.0.flows.0.recovery_after_inject_ns", 1010 * MS);
	check_u64(json, "windows.0.flows.0.recovered_seq", 99);
	check_u64(json, "windows.0.flows.0.gap_ns", NO_NS);
	check_text(json, "windows.0.flows.0.backoff.kind", "exponential");
	check_real(json, "windows.0.flows.0.backoff.factor", 2);
	check_text(json, "windows.0.flows.0.backoff.step_ns", NULL);
	check_u64(json, "windows.0.flows.0.backoff.intervals", 4);
	check_u64(json, "windows.0.flows.0.backoff.cap_ns", NO_NS);
	assert_int_equal(json_array_size(at(json, "windows.0.flows.0.attempts_at_ns")), 5);
	check_u64(json, "windows.0.flows.0.attempts_at_ns.1", 1050 * MS);
	assert_true(json_is_true(at(json, "windows.1.flows.0.storm")));
	check_text(json, "windows.1.flows.0.backoff.factor", NULL);
	check_text(json, "windows.1.rates.0.target", "front");
	check_u64(json, "windows.1.rates.0.peak_seq", 512);
	assert_int_equal(json_array_size(at(json, "windows.0.rates")), 0);
	json_decref(json);
}

/* No more moments than there is room for, but all are counted. */
static void attempts_are_bounded(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	free(r->windows[1]->flows[0].attempts_at);
	attempt(&r->windows[1]->flows[0], BACKOFF_NONE, RESULT_MOST_ATTEMPTS, 1);
	r->windows[1]->flows[0].attempts = 100000;
	json = json_of(r);
	check_u64(json, "windows.1.flows.0.attempts", 100000);
	assert_int_equal(json_array_size(at(json, "windows.1.flows.0.attempts_at_ns")), RESULT_MOST_ATTEMPTS);
	json_decref(json);
}

static void a_path_that_was_not_hit_has_no_hit(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	r->windows[0]->flows[0].is_hit = false;
	json = json_of(r);
	assert_true(json_is_false(at(json, "windows.0.flows.0.hit")));
	check_u64(json, "windows.0.flows.0.hit_at_ns", NO_NS);
	check_u64(json, "windows.0.flows.0.hit_seq", NO_NS);
	json_decref(json);
}

static void probes_have_their_availability(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	r->windows[1]->probes[1].up = r->windows[1]->probes[1].down = 0;
	json = json_of(r);
	check_real(json, "steps.0.probes.0.availability", 0.25);
	check_u64(json, "steps.0.probes.0.unhealthy", 3);
	check_u64(json, "steps.0.probes.0.unhealthy_seq", 77);
	check_text(json, "steps.1.probes.1.availability", NULL);
	check_u64(json, "steps.1.probes.1.healthy_seq", NO_NS);
	check_u64(json, "steps.0.open_seq", 10);
	check_u64(json, "steps.1.close_seq", 29);
	check_u64(json, "probes.1.timeout_ns", NO_NS);
	check_u64(json, "probes.1.every_ns", 1000 * MS);
	check_text(json, "probes.0.latency_steps.0.step", "cut");
	json_decref(json);
}

static void check_slo(enum slo_unit unit, const char *name, uint64_t value)
{
	struct results *r = made_run();
	struct result_slo *slo = add_slo(r, "k", true);
	json_t *json;

	slo->unit = unit;
	slo->value = value;
	slo->by_flow = true;
	slo->target = "front";
	json = json_of(r);
	check_text(json, "slo.0.unit", name);
	check_text(json, "slo.0.by", "flow");
	check_text(json, "slo.0.target", "front");
	check_text(json, "slo.0.step", NULL);
	check_text(json, "slo.0.limit_words", "<= 1 s");
	check_text(json, "slo.0.worst", "cut #2, api");
	check_u64(json, "slo.0.worst_seq", 88);
	if (unit == UNIT_SHARE && value != NO_NS)
		check_real(json, "slo.0.value", (double)value / 1e6);
	else
		check_u64(json, "slo.0.value", unit == UNIT_WORDS ? NO_NS : value);
	json_decref(json);
}

static void objectives_have_their_units(void **state)
{
	(void)state;
	check_slo(UNIT_NS, "ns", 17);
	check_slo(UNIT_NS, "ns", NO_NS);
	check_slo(UNIT_COUNT, "count", 0);
	check_slo(UNIT_RATE, "per_s", 500);
	check_slo(UNIT_SHARE, "share", 990000);
	check_slo(UNIT_SHARE, "share", NO_NS);
	check_slo(UNIT_WORDS, "words", 3);
}

static void totals_are_there(void **state)
{
	struct results *r = made_run();
	json_t *json;

	(void)state;
	r->peak_per_s = 500;
	r->flow_unrecovered = 1;
	r->head = "abc";
	r->zero_ns = 500 * MS;
	assert_true(results_grow(r, r->facts, r->n_facts));
	r->facts[r->n_facts++] = (struct result_pair){.key = "clock", .value = "synchronised"};
	assert_true(results_grow(r, r->probes[0].changes, r->probes[0].n_changes));
	r->probes[0].changes[r->probes[0].n_changes++] =
		(struct result_change){.at_ns = 5 * MS, .seq = 4, .healthy = true};
	json = json_of(r);
	check_u64(json, "peak_per_s", 500);
	check_u64(json, "flow_unrecovered", 1);
	check_u64(json, "evicted", 0);
	check_u64(json, "captured", NO_NS);
	check_u64(json, "capture_lost", NO_NS);
	check_text(json, "head", "abc");
	check_text(json, "facts.clock", "synchronised");
	check_u64(json, "zero_ns", 500 * MS);
	check_u64(json, "probes.0.changes.0.seq", 4);
	assert_true(json_is_true(at(json, "observed")));
	check_u64(json, "paths.0.attempts", 505);
	check_text(json, "paths.0.process", NULL);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_stand_in_their_windows),
		cmocka_unit_test(attempts_are_bounded),
		cmocka_unit_test(a_path_that_was_not_hit_has_no_hit),
		cmocka_unit_test(probes_have_their_availability),
		cmocka_unit_test(objectives_have_their_units),
		cmocka_unit_test(totals_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
