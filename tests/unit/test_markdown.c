/* SPDX-License-Identifier: BSD-2-Clause */
/* What report.md says of flows, attempts and objectives, from results made by hand; and the words that reports share. */
#include "unit/run_dir.h"

#include "base/buf.h"
#include "base/timeutil.h"
#include "report/report.h"
#include "report/sections.h"
#include "slo/slo_words.h"
#include "unit/made_up.h"
#include "unit/md_tables.h"
#include "unit/texts.h"

static const struct made_up usual = {.windows = 2, .paths = 2, .attempts = 9, .changes = 2};

static char *render(const struct results *r)
{
	struct buf out = {0};

	report_markdown(r, &out);
	assert_false(out.failed);
	return buf_take(&out);
}

/* What a kill brings about comes behind it; a shadow brings about nothing. */
static void health_is_noticed_where_it_can_be(void **state)
{
	static const char noticed[] = "- [x] Health was seen unhealthy during each fault";
	struct results *r = made_up_results(&usual);
	struct result_window *w = r->windows[0];
	char *text;

	(void)state;
	r->unrecovered = 0;
	for (size_t i = 0; i < r->n_windows; i++)
		r->windows[i]->probes[0].unhealthy_at = r->windows[i]->opened_ns + 1;
	w->closed_ns = w->opened_ns;
	text = render(r);
	assert_has(text, "- [ ] Health was seen unhealthy during each fault");
	free(text);
	w->stands = true;
	text = render(r);
	assert_has(text, noticed);
	free(text);
	w->stands = false;
	w->shadow = true;
	w->probes[0].unhealthy_at = NO_NS;
	text = render(r);
	assert_has(text, noticed);
	free(text);
	for (size_t i = 0; i < r->n_windows; i++)
		r->windows[i]->shadow = true;
	text = render(r);
	assert_has(text, "healthy after it (each window is a shadow)");
	free(text);
	results_free(r);
}

static void flows_have_their_rows(void **state)
{
	struct results *r = made_up_results(&usual);
	char *text = render(r);

	(void)state;
	assert_has(text, "\n## Recovery by Flow\n");
	assert_has(text,
		   "- Recovery (s): P50 1.030, P95 7.600, P99 7.600, max 7.600 of 4, 0 not recovered\n");
	assert_has(text, "| 10.1.0.1>10.1.0.2:40001/tcp | front | redis-cli\\[4711\\] "
			 "/system.slice/feeder.service | 1 | 0 | "
			 "0 | 0 | 0 | 0 | 1 | 1234567890 | 4567 | 12 |\n");
	assert_has(text, "| disconnect #1 | 10.1.0.1>10.1.0.2:40001/tcp #131 | 0.040 #138 | reset | 0.300 "
			 "#145 | 20.300 | "
			 "a new connection | 20.300 #152 |\n");
	assert_has(text, "\n## Reconnect Attempts\n\n- Most attempts in a second, to one target: 3\n");
	assert_has(text, "| disconnect #1 | 10.1.0.1>10.1.0.2:40001/tcp | 9 #159 | 8 | exponential, factor "
			 "2.01, jitter 10 %, "
			 "cap 5 s | 0.200 | 0.800 | 5.000 | 3 | - |\n");
	assert_has(text, "| disconnect #2 | gateway | 0.120 | 0.380 | 20.380 | 4 % | 100 |\n");
	assert_true(check_tables(text) > 20);
	results_free(r);
	free(text);
}

static void objectives_name_what_decides(void **state)
{
	struct made_up what = usual;
	struct results *r;
	char *text;

	(void)state;
	what.last_unrecovered = true;
	r = made_up_results(&what);
	text = render(r);
	assert_has(text, "| recovery_p99 | all | all | all | &lt;= 10 s | - | 4 | 2 | disconnect #2, trader "
			 "#417 | FAIL |\n");
	assert_has(text, "| backoff | all | flows | front | exponential, factor 1.8 to 2.2, at most 60 s | "
			 "exponential, factor 2.01 | 3 | 0 | ");
	assert_has(text, "| no | - | gateway was not seen to recover; trader was not seen to recover; "
			 "10.1.0.1>10.1.0.2:40001/tcp was not seen to recover |\n");
	results_free(r);
	free(text);
}

/* Without probes the Summary and the Scenario Matrix speak of the flows. */
static void without_probes_flows_count(void **state)
{
	struct results *r = made_up_results(&usual);
	char *text;

	(void)state;
	r->n_probes = 0;
	text = render(r);
	assert_has(text, "- Samples: 4\n- Recovery P99 (s): 7.600\n");
	assert_has(text, "- Windows: 2, of them 0 not seen to recover (by flow: no probe watched)\n");
	assert_has(text, "| yes | 1.030 | - |\n");
	assert_has(text, "- [x] Every window was followed by a recovery\n");
	free(text);
	r->observed = false;
	r->flow_recovery.samples = 0;
	for (size_t i = 0; i < r->n_windows; i++)
		r->windows[i]->flows[0].is_hit = r->windows[i]->flows[1].is_hit = false;
	text = render(r);
	assert_has(text, "- Windows: 2; recovery was not measured, since no probe watched\n");
	assert_has(text, "| - | - | - |\n");
	assert_null(strstr(text, "Recovery by Flow"));
	assert_null(strstr(text, "Reconnect Attempts"));
	free(text);
	r->n_probes = 2; /* for results_free() */
	results_free(r);
}

static void many_rows_are_cut_off(void **state)
{
	const struct made_up many = {.windows = 30, .paths = 20, .attempts = 3, .changes = 2};
	struct results *r = made_up_results(&many);
	char *text = render(r);

	(void)state;
	assert_has(text, "\n400 more rows are in results.json.\n");
	results_free(r);
	free(text);
}

static void the_widest_target_is_the_summarys(void **state)
{
	struct result_slo slos[] = {
		{.key = "recovery_p99", .step = "a"},
		{.key = "recovery_max"},
		{.key = "recovery_p99", .by_flow = true},
		{.key = "recovery_p99", .probe = "p", .step = "a"},
		{.key = "recovery_p99"},
	};
	struct results r = {.slos = slos, .n_slos = 5, .n_probes = 1};

	(void)state;
	assert_ptr_equal(target_slo(&r), &slos[4]);
	r.n_probes = 0;
	assert_ptr_equal(target_slo(&r), &slos[2]);
	r.n_slos = 2;
	assert_ptr_equal(target_slo(&r), &slos[0]);
	r.n_slos = 0;
	assert_null(target_slo(&r));
}

static void check_backoff(struct result_backoff b, const char *expected)
{
	struct buf out = {0};

	slo_words_backoff(&out, &b);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void backoffs_have_their_words(void **state)
{
	(void)state;
	check_backoff((struct result_backoff){.kind = BACKOFF_UNKNOWN, .cap_ns = NO_NS},
		      "too few attempts to tell");
	check_backoff(
		(struct result_backoff){.kind = BACKOFF_NONE, .median_ns = 2 * NS_PER_MS, .cap_ns = NO_NS},
		"none, interval 2 ms");
	check_backoff((struct result_backoff){.kind = BACKOFF_CONSTANT,
					      .median_ns = 500 * NS_PER_MS,
					      .cap_ns = NO_NS},
		      "constant, interval 500 ms");
	check_backoff((struct result_backoff){.kind = BACKOFF_LINEAR, .step_ns = -1000000, .cap_ns = NO_NS},
		      "linear, step -1 ms");
	check_backoff((struct result_backoff){.kind = BACKOFF_EXPONENTIAL,
					      .factor = 2,
					      .cap_ns = 60 * NS_PER_S,
					      .jitter = 0.099,
					      .has_jitter = true},
		      "exponential, factor 2, jitter 9.9 %, cap 60 s");
	check_backoff((struct result_backoff){.kind = BACKOFF_IRREGULAR, .cap_ns = NO_NS}, "irregular");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(health_is_noticed_where_it_can_be),
		cmocka_unit_test(flows_have_their_rows),
		cmocka_unit_test(objectives_name_what_decides),
		cmocka_unit_test(without_probes_flows_count),
		cmocka_unit_test(many_rows_are_cut_off),
		cmocka_unit_test(the_widest_target_is_the_summarys),
		cmocka_unit_test(backoffs_have_their_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
