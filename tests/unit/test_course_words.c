/* SPDX-License-Identifier: BSD-2-Clause */
/* What reports say of expectations, and of what ended a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/timeutil.h"
#include "report/course.h"

static void check(struct buf *words, const char *expected)
{
	assert_false(words->failed);
	assert_string_equal(words->data, expected);
	buf_free(words);
}

/* A value stands behind the words, unless they have it. */
static void a_value_is_said_once(void **state)
{
	static const struct {
		const char *seen, *value, *words;
	} cases[] = {
		{"healthy", NULL, "healthy"},
		{"healthy", "0.5", "healthy, value 0.5"},
		{"it holds", "10.919999999999998", "it holds, value 10.92"},
		{"it holds", "12345678901", "it holds, value 12345678901"},
		{"it holds", "685.0", "it holds, value 685"},
		{"it holds: pid 24", "24", "it holds: pid 24"},
		{"it holds: pid 24", "2", "it holds: pid 24, value 2"},
		{"it holds: pid 24", "4", "it holds: pid 24, value 4"},
		{"2 lines", "2.0", "2 lines"},
		{".ws.gap_ms is 608.9", "608.9", ".ws.gap_ms is 608.9"},
		{".skew is -5", "-5", ".skew is -5"},
		{".skew is -5", "5", ".skew is -5, value 5"},
		{"it holds: subscribe", "124", "it holds: subscribe, value 124"},
		{"healthy - 3%", "\"up\"", "healthy - 3%, value \"up\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct result_expect e = {.seen = cases[i].seen, .value = cases[i].value};
		struct buf words = {0};

		expect_seen(&e, &words);
		check(&words, cases[i].words);
	}
}

static void a_failure_is_one_sentence(void **state)
{
	struct result_expect e = {
		.step = "back", .instance = 2, .seen = "unhealthy: refused", .words = "probe=p within=1s"};
	struct buf words = {0};

	(void)state;
	expect_failure(&e, &words);
	check(&words, "back #2: unhealthy: refused (probe=p within=1s)");
}

static void an_objective_may_have_no_value(void **state)
{
	struct result_slo slo = {.key = "probe_p95", .value_words = "11.2 s", .limit_words = "<= 10 s"};
	struct buf words = {0};

	(void)state;
	slo_failure(&slo, &words);
	check(&words, "probe_p95 is 11.2 s, expected <= 10 s");
	slo.value_words = "-";
	slo.worst = "cut #1, gateway";
	words = (struct buf){0};
	slo_failure(&slo, &words);
	check(&words, "probe_p95 has no value, expected <= 10 s; cut #1, gateway decides");
}

/* The time for which it held is part of some conditions; of the others it is chance. */
static void a_condition_has_the_time_that_it_asks_for(void **state)
{
	struct result_abort a = {.condition = "probe=p unhealthy_for=2s",
				 .value = "2.5",
				 .since_ns = 5 * NS_PER_S,
				 .at_ns = 7 * NS_PER_S,
				 .lasting = true};
	struct results r = {.abort = &a};
	struct buf words = {0};

	(void)state;
	abort_condition(&r, &words);
	check(&words, "probe=p unhealthy_for=2s; value 2.5; for 2s");
	a = (struct result_abort){
		.condition = "file=STOP.TXT", .since_ns = 5 * NS_PER_S, .at_ns = 5 * NS_PER_S + 23700000};
	words = (struct buf){0};
	abort_condition(&r, &words);
	check(&words, "file=STOP.TXT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_said_once),
		cmocka_unit_test(a_failure_is_one_sentence),
		cmocka_unit_test(an_objective_may_have_no_value),
		cmocka_unit_test(a_condition_has_the_time_that_it_asks_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
