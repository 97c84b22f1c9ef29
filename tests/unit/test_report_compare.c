/* SPDX-License-Identifier: BSD-2-Clause */
/* Several runs beside each other: the comparison and its documents. */
#include "unit/made_results.h"

#include <jansson.h>
#include <math.h>

#include "report/compare.h"

#define RTO (30000 * MS)

/* A run of one window with one probe that recovers so long after the closing (NO_NS: never). */
static struct results *simple_run(const char *name, uint64_t start, uint64_t recovery)
{
	struct results *r = empty_run(name, start);
	uint64_t ns = recovery == NO_NS ? NO_NS : recovery * MS;

	add_probe(r, "p", 100, 1000 * MS);
	add_step(r, "cut", 1);
	see(add_window(r, "cut", 1, 1000, 2000), 0, 10, recovery);
	r->recovery = (struct result_samples){
		.samples = 1, .missing = ns == NO_NS, .p50_ns = ns, .p95_ns = ns, .p99_ns = ns, .max_ns = ns};
	r->detection = (struct result_samples){
		.samples = 1, .p50_ns = 10 * MS, .p99_ns = 10 * MS, .max_ns = 10 * MS};
	r->unrecovered = ns == NO_NS;
	return r;
}

static struct comparison *compare(struct results **runs, size_t n, uint64_t objective)
{
	struct comparison *c = NULL;

	assert_int_equal(compare_runs((const struct results *const *)runs, n, objective, &c), 0);
	return c;
}

static void free_all(struct comparison *c, struct results **runs, size_t n)
{
	comparison_free(c);
	while (n--)
		results_free(runs[n]);
}

static char *make(const struct comparison *c, void (*document)(const struct comparison *c, struct buf *out))
{
	struct buf out = {0};

	document(c, &out);
	assert_false(out.failed);
	return buf_take(&out);
}

static void runs_stand_in_the_order_of_time(void **state)
{
	struct results *runs[] = {simple_run("b", 30000, 3), simple_run("a", 10000, 1),
				  simple_run("a", 20000, 2)};
	struct comparison *c = compare(runs, 3, RTO);

	(void)state;
	assert_ptr_equal(c->runs[0], runs[1]);
	assert_ptr_equal(c->runs[1], runs[2]);
	assert_ptr_equal(c->runs[2], runs[0]);
	free_all(c, runs, 3);
}

static void trend_is_of_one_scenario(void **state)
{
	struct results *runs[] = {simple_run("a", 40000, 3000), simple_run("b", 10000, 1),
				  simple_run("a", 20000, 2000), simple_run("a", 30000, NO_NS),
				  simple_run("a", 50000, 1500)};
	struct comparison *c = compare(runs, 5, RTO);
	const struct compare_point *p;

	(void)state;
	assert_int_equal(c->n_trends, 1);
	assert_string_equal(c->trends[0].name, "a");
	assert_int_equal(c->trends[0].n, 4);
	assert_int_equal(c->trends[0].longest_ns, 3000 * MS);
	p = c->trends[0].points;
	assert_true(!p[0].comparable && p[0].p99_ns == 2000 * MS);
	assert_true(!p[1].comparable && p[1].p99_ns == NO_NS && p[1].samples == 1);
	assert_false(p[2].comparable);
	assert_true(p[3].comparable);
	assert_int_equal(p[3].difference_ns, -1500 * (int64_t)MS);
	assert_true(p[3].ratio == 0.5);
	free_all(c, runs, 5);
}

static void ratio_to_nothing_is_none(void **state)
{
	struct results *runs[] = {simple_run("a", 10000, 0), simple_run("a", 20000, 5)};
	struct comparison *c = compare(runs, 2, RTO);
	char *text = make(c, compare_markdown);

	(void)state;
	assert_true(c->trends[0].points[1].comparable && isnan(c->trends[0].points[1].ratio));
	assert_has(text, "| 0.005 | +0.005 | - |");
	free(text);
	free_all(c, runs, 2);
}

/* A P99 of probes and one of paths are no trend. */
static void probes_and_flows_are_not_compared(void **state)
{
	struct results *runs[] = {simple_run("a", 10000, 10), empty_run("a", 20000)};
	struct comparison *c;

	(void)state;
	runs[1]->flow_recovery = (struct result_samples){.samples = 2, .p99_ns = MS};
	c = compare(runs, 2, RTO);
	assert_true(c->trends[0].points[1].by_flow && !c->trends[0].points[0].by_flow);
	assert_int_equal(c->trends[0].points[1].p99_ns, MS);
	assert_false(c->trends[0].points[1].comparable);
	free_all(c, runs, 2);
}

static void score_counts_from_the_injection(void **state)
{
	struct results *runs[] = {simple_run("a", 10000, 1999), simple_run("a", 20000, 1500)};
	struct comparison *c = compare(runs, 2, 3000 * MS);

	(void)state;
	assert_int_equal(c->n_scores, 1);
	assert_int_equal(c->scores[0].slowest_ns, 2999 * MS);
	assert_int_equal(c->scores[0].planned, 2);
	assert_int_equal(c->scores[0].recovered, 2);
	assert_true(c->scores[0].pass);
	comparison_free(c);
	c = compare(runs, 2, 2998 * MS);
	assert_false(c->scores[0].pass);
	assert_int_equal(c->passed, 0);
	free_all(c, runs, 2);
}

static void check_recovery(struct results *r, const char *expected, bool pass)
{
	struct comparison *c = compare(&r, 1, RTO);
	struct buf out = {0};

	score_recovery(&c->scores[0], &out);
	assert_string_equal(out.data, expected);
	assert_int_equal(c->scores[0].pass, pass);
	buf_free(&out);
	free_all(c, &r, 1);
}

static void only_a_recovery_passes(void **state)
{
	struct results *unmeasured = empty_run("a", 0), *not_run = empty_run("a", 0),
		       *partly = simple_run("a", 0, 1000);

	(void)state;
	check_recovery(simple_run("a", 0, 231), "1.24s", true); /* rounded up */
	check_recovery(simple_run("a", 0, 230), "1.23s", true);
	check_recovery(simple_run("a", 0, 29001), "30.01s", false);
	check_recovery(simple_run("a", 0, NO_NS), "not recovered", false);
	add_step(unmeasured, "cut", 1);
	add_window(unmeasured, "cut", 1, 1000, 2000);
	check_recovery(unmeasured, "not measured", false);
	add_step(not_run, "cut", 1);
	check_recovery(not_run, "not run", false);
	partly->steps[0].times = 2;
	check_recovery(partly, "2.00s", false);
}

static void scorecard_has_its_form(void **state)
{
	struct results *runs[] = {simple_run("quick", 10000, 230), simple_run("slow", 20000, NO_NS)};
	struct comparison *c = compare(runs, 2, RTO);
	char *text = make(c, compare_scorecard);

	(void)state;
	assert_string_equal(text, "============================================================\n"
				  "RECOVERY SCORECARD\n"
				  "============================================================\n"
				  "\n"
				  "quick cut:\n"
				  "  Status: \xe2\x9c\x93 PASS\n"
				  "  Recovery Time: 1.23s / 30.0s\n"
				  "  Data Loss: n/a\n"
				  "  Order Violations: n/a\n"
				  "\n"
				  "slow cut:\n"
				  "  Status: \xe2\x9c\x97 FAIL\n"
				  "  Recovery Time: not recovered / 30.0s\n"
				  "  Data Loss: n/a\n"
				  "  Order Violations: n/a\n"
				  "\n"
				  "============================================================\n"
				  "OVERALL: 1 passed, 1 failed\n"
				  "Success Rate: 50%\n"
				  "============================================================\n");
	free(text);
	free_all(c, runs, 2);
}

static void add_stream(struct results *r, const char *name, uint64_t missing, uint64_t twice)
{
	add_probe(r, name, 200, NO_NS);
	r->probes[r->n_probes - 1].stream = true;
	r->probes[r->n_probes - 1].missing = missing;
	r->probes[r->n_probes - 1].twice = twice;
}

static void add_expect(struct results *r, uint64_t opens, bool pass)
{
	assert_true(results_grow(r, r->expects, r->n_expects));
	r->expects[r->n_expects++] = (struct result_expect){.step = "back",
							    .instance = 1,
							    .opens_ns = opens * MS,
							    .closes_ns = NO_NS,
							    .samples = 1,
							    .pass = pass};
}

static void check_card(struct results *r, bool pass, const char *words)
{
	struct comparison *c = compare(&r, 1, RTO);
	char *text = make(c, compare_scorecard);

	assert_int_equal(c->passed, pass);
	if (!strstr(text, words))
		fail_msg("`%s` is not in\n%s", words, text);
	free(text);
	free_all(c, &r, 1);
}

/* Beside its recovery a step needs its expectations, and no order may be lost or come twice; other messages may. */
static void scorecard_counts_what_streams_lost(void **state)
{
	struct results *r = empty_run("plain", 10000);

	(void)state;
	add_stream(r, "ticks", 3, 2);
	add_stream(r, "orders", 0, 0);
	add_step(r, "cut", 1);
	see(add_window(r, "cut", 1, 1000, 2000), 0, 10, 20);
	see(r->windows[0], 1, 10, 20);
	check_card(r, true, "  Data Loss: 3\n  Order Violations: 0\n");

	r = empty_run("twice", 10000);
	add_stream(r, "orders", 1, 2);
	add_step(r, "cut", 1);
	see(add_window(r, "cut", 1, 1000, 2000), 0, 10, 20);
	check_card(r, false, "  Data Loss: n/a\n  Order Violations: 3\n");
}

static void scorecard_needs_the_expectations(void **state)
{
	struct results *r = empty_run("met", 10000);

	(void)state;
	add_probe(r, "p", 200, NO_NS);
	add_step(r, "cut", 2);
	see(add_window(r, "cut", 1, 1000, 2000), 0, 10, 20);
	see(add_window(r, "cut", 2, 5000, 6000), 0, 10, 20);
	add_expect(r, 1000, true);
	check_card(r, true, "Order Violations: n/a\n\n");

	r = empty_run("missed", 10000);
	add_probe(r, "p", 200, NO_NS);
	add_step(r, "cut", 1);
	add_step(r, "slow", 1);
	see(add_window(r, "cut", 1, 1000, 2000), 0, 10, 20);
	see(add_window(r, "slow", 1, 5000, 6000), 0, 10, 20);
	add_expect(r, 4999, false);
	check_card(r, true, "missed cut:\n  Status: \xe2\x9c\x97 FAIL\n");
}

/* What touched nothing, and steps without windows, have no entry; what was refused has one. */
static void scorecard_has_what_acts(void **state)
{
	struct results *r = empty_run("shadow", 10000), *refused = empty_run("refused", 20000);

	(void)state;
	add_probe(r, "p", 200, NO_NS);
	add_step(r, "cut", 1);
	add_step(r, "cut (shadow)", 1);
	r->steps[1].shadow = true;
	add_step(r, "back", 4);
	r->steps[2].kind = "expect";
	see(add_window(r, "cut", 1, 1000, 2000), 0, 10, 20);
	check_card(r, true, "OVERALL: 1 passed, 0 failed");
	refused->outcome = OUTCOME_REFUSED;
	check_card(refused, false, "refused (all):\n  Status: \xe2\x9c\x97 FAIL\n  Recovery Time: not run");
}

/* In Markdown the card stands between fences, which a name can't close. */
static void names_stay_on_their_line(void **state)
{
	struct results *r = simple_run("a\n```\n# b", 10000, 230);
	struct comparison *c = compare(&r, 1, RTO);
	char *text = make(c, compare_markdown);

	(void)state;
	assert_non_null(strstr(text, "\na ``` # b cut:\n"));
	free(text);
	free_all(c, &r, 1);
}

static void rate_is_never_rounded_up(void **state)
{
	struct comparison c = {.n_scores = 300, .passed = 299};

	(void)state;
	assert_int_equal(success_rate(&c), 99);
	c.passed = 300;
	assert_int_equal(success_rate(&c), 100);
	c = (struct comparison){0};
	assert_int_equal(success_rate(&c), 0);
}

static void worst_exit_counts(void **state)
{
	static const int order[] = {0, 1, 130, 4, 5};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < 5; k++)
			assert_int_equal(worst_exit(order[i], order[k]), order[i > k ? i : k]);
	}
}

static void incomplete_is_said_first(void **state)
{
	static const char first[] = "INCOMPLETE: the evidence of 1 of 2 runs";
	struct results *runs[] = {simple_run("a", 10000, 1), simple_run("a", 20000, 2)};
	struct comparison *c;
	char *text;

	(void)state;
	results_lack(runs[0], "a | b");
	c = compare(runs, 2, RTO);
	text = make(c, compare_markdown);
	assert_memory_equal(text, first, sizeof(first) - 1);
	assert_has(text, "- runs/a-10000: a \\| b\n");
	free(text);
	text = make(c, compare_scorecard);
	assert_memory_equal(text, first, sizeof(first) - 1);
	free(text);
	text = make(c, compare_html);
	assert_has(text, "<title>INCOMPLETE: ");
	assert_has(text, "runs/a-10000: a | b");
	free(text);
	free_all(c, runs, 2);
}

static void json_has_every_part(void **state)
{
	struct results *runs[] = {simple_run("a", 10000, 1000), simple_run("a", 20000, 2000)};
	struct comparison *c;
	json_t *json, *list, *card;
	char *text;

	(void)state;
	runs[0]->exit = 1;
	runs[1]->exit = 130;
	c = compare(runs, 2, RTO);
	text = make(c, compare_json);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "exit")), 130);
	assert_true(json_is_true(json_object_get(json, "complete")));
	assert_int_equal(json_array_size(json_object_get(json, "runs")), 2);
	list = json_object_get(json_array_get(json_object_get(json, "trends"), 0), "points");
	assert_int_equal(json_array_size(list), 2);
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "ratio")));
	assert_true(json_real_value(json_object_get(json_array_get(list, 1), "ratio")) == 2 ||
		    json_integer_value(json_object_get(json_array_get(list, 1), "ratio")) == 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "difference_ns")),
			 1000 * MS);
	card = json_object_get(json, "scorecard");
	assert_int_equal(json_integer_value(json_object_get(card, "success_rate")), 100);
	json_decref(json);
	free(text);
	free_all(c, runs, 2);
}

/* What comes from outside can't break out of the page. */
static void html_is_escaped(void **state)
{
	struct results *runs[] = {simple_run("a", 10000, 1), simple_run("a", 20000, 2)};
	struct comparison *c;
	char *text;

	(void)state;
	runs[0]->run = "\"><script>alert(1)</script>";
	runs[0]->name = runs[1]->name = "<b>&'";
	c = compare(runs, 2, RTO);
	text = make(c, compare_html);
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "<b>"));
	assert_has(text, "<h3>&lt;b&gt;&amp;&#39;</h3>");
	assert_has(text, "data-run=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\"");
	assert_has(text, "data-p99-ns=\"2000000\"");
	free(text);
	free_all(c, runs, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_stand_in_the_order_of_time),
		cmocka_unit_test(trend_is_of_one_scenario),
		cmocka_unit_test(ratio_to_nothing_is_none),
		cmocka_unit_test(probes_and_flows_are_not_compared),
		cmocka_unit_test(score_counts_from_the_injection),
		cmocka_unit_test(only_a_recovery_passes),
		cmocka_unit_test(scorecard_has_its_form),
		cmocka_unit_test(scorecard_counts_what_streams_lost),
		cmocka_unit_test(scorecard_needs_the_expectations),
		cmocka_unit_test(scorecard_has_what_acts),
		cmocka_unit_test(names_stay_on_their_line),
		cmocka_unit_test(rate_is_never_rounded_up),
		cmocka_unit_test(worst_exit_counts),
		cmocka_unit_test(incomplete_is_said_first),
		cmocka_unit_test(json_has_every_part),
		cmocka_unit_test(html_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
