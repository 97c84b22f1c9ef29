/* SPDX-License-Identifier: BSD-2-Clause */
/* What is counted of a run that is told by hand, and the text that it becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/metrics_feed.h"

static size_t front[] = {0};
static struct plan_target targets[] = {{.name = "front"}};
static struct plan_phase phases[] = {{.name = "canary"}};
static struct plan_step steps[] = {
	{.name = "cut \"it\"\\", .targets = front, .n_targets = 1},
	{.name = "kill", .kind = STEP_SIGNAL},
	{.name = "back", .kind = STEP_EXPECT},
};

static const struct plan plan = {
	.name = "drill",
	.targets = targets,
	.n_targets = 1,
	.phases = phases,
	.n_phases = 1,
	.steps = steps,
	.n_steps = 3,
};

static char *text_of(const struct metrics_feed *f)
{
	struct buf out = {0};

	metrics_store_text(&f->store, &out);
	assert_false(out.failed);
	return buf_take(&out);
}

static void assert_line(const struct metrics_feed *f, const char *line)
{
	char *text = text_of(f), *at = strstr(text, line);

	if (!at || (at > text && at[-1] != '\n') || at[strlen(line)] != '\n')
		fail_msg("no line `%s` in:\n%s", line, text);
	free(text);
}

static void assert_none(const struct metrics_feed *f, const char *words)
{
	char *text = text_of(f);

	if (strstr(text, words))
		fail_msg("`%s` in:\n%s", words, text);
	free(text);
}

static void tell(struct metrics_feed *f, const char *type, const char *step, int instance, const char *target,
		 const char *data)
{
	const struct log_event event = {
		.type = type, .step = step, .instance = instance, .target = target, .data = data};

	metrics_feed_event(f, &event);
}

static void begins_with_zeros(void **state)
{
	struct metrics_feed f = {0};

	(void)state;
	metrics_feed_run(&f, &plan);
	assert_line(&f, "shearpin_run_active{scenario=\"drill\"} 1");
	assert_line(&f, "shearpin_injections_total{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\"} 0");
	assert_line(&f, "shearpin_injections_total{scenario=\"drill\",step=\"kill\"} 0");
	assert_line(&f,
		    "shearpin_packets_total{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\",target=\"front\","
		    "verdict=\"dropped\"} 0");
	assert_line(&f, "shearpin_expectations_total{scenario=\"drill\",result=\"fail\"} 0");
	assert_line(&f, "shearpin_phase_info{scenario=\"drill\",phase=\"canary\"} 0");
	assert_line(&f, "shearpin_attempts_total{scenario=\"drill\",target=\"front\"} 0");
	assert_line(&f, "shearpin_ring_lost_total{scenario=\"drill\"} 0");
	assert_line(&f, "# TYPE shearpin_injections_total counter");
	assert_none(&f, "step=\"back\"");
	metrics_feed_free(&f);
}

/* A window with two targets opens twice in the log, and once here. */
static void counts_windows_once(void **state)
{
	struct metrics_feed f = {0};

	(void)state;
	metrics_feed_run(&f, &plan);
	tell(&f, "fault.open", steps[0].name, 1, "front", "{}");
	tell(&f, "fault.open", steps[0].name, 1, "other", "{}");
	tell(&f, "fault.close", steps[0].name, 1, "front", "{}");
	tell(&f, "fault.close", steps[0].name, 1, "other", "{}");
	tell(&f, "fault.open", steps[0].name, 2, "front", "{}");
	tell(&f, "step.start", steps[0].name, 0, NULL, "{}");
	tell(&f, "step.start", "kill", 1, NULL, "{\"kind\":\"signal\"}");
	assert_line(&f, "shearpin_window_open{scenario=\"drill\",step=\"kill\"} 1");
	tell(&f, "step.end", "kill", 1, NULL, "{\"kind\":\"signal\"}");
	tell(&f, "step.start", "wait", 1, NULL, "{\"kind\":\"wait\"}");
	assert_line(&f, "shearpin_injections_total{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\"} 2");
	assert_line(&f, "shearpin_windows_total{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\"} 1");
	assert_line(&f, "shearpin_injections_total{scenario=\"drill\",step=\"kill\"} 1");
	assert_line(&f, "shearpin_windows_total{scenario=\"drill\",step=\"kill\"} 1");
	assert_line(&f, "shearpin_window_open{scenario=\"drill\",step=\"kill\"} 0");
	assert_none(&f, "step=\"wait\"");
	metrics_feed_free(&f);
}

static void shadows_inject_nothing(void **state)
{
	struct plan_step shadow = steps[0];
	struct plan shadowed = plan;
	struct metrics_feed f = {0};

	(void)state;
	shadow.shadow = true;
	shadowed.steps = &shadow;
	shadowed.n_steps = 1;
	metrics_feed_run(&f, &shadowed);
	tell(&f, "fault.open", shadow.name, 1, "front", "{}");
	tell(&f, "fault.close", shadow.name, 1, "front", "{}");
	assert_none(&f, "shearpin_injections_total{");
	assert_line(&f, "shearpin_windows_total{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\"} 1");
	metrics_feed_free(&f);
}

/* The view has sums; what is added is the difference, also over several runs of one scenario. */
static void adds_packets_up(void **state)
{
	struct drill_window windows[] = {
		{.step = &steps[0], .target = &targets[0], .instance = 0, .open = true},
		{.step = &steps[0], .target = &targets[0], .instance = 1},
	};
	const struct drill_progress progress = {.windows = windows, .n_windows = 2};
	struct metrics_feed f = {0};

	(void)state;
	for (int run = 0; run < 2; run++) {
		metrics_feed_run(&f, &plan);
		windows[0].verdicts[SP_DROP] = windows[1].verdicts[SP_DROP] = 0;
		metrics_feed_tick(&f, &progress);
		windows[0].verdicts[SP_DROP] = 5;
		metrics_feed_tick(&f, &progress);
		metrics_feed_tick(&f, &progress);
		windows[0].verdicts[SP_DROP] = 7;
		windows[1].verdicts[SP_DROP] = 1;
		metrics_feed_tick(&f, &progress);
	}
	assert_line(&f,
		    "shearpin_packets_total{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\",target=\"front\","
		    "verdict=\"dropped\"} 16");
	assert_line(&f, "shearpin_window_open{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\"} 1");
	windows[0].open = false;
	metrics_feed_tick(&f, &progress);
	assert_line(&f, "shearpin_window_open{scenario=\"drill\",step=\"cut \\\"it\\\"\\\\\"} 0");
	metrics_feed_free(&f);
}

static void counts_samples_and_decisions(void **state)
{
	struct metrics_feed f = {0};

	(void)state;
	metrics_feed_run(&f, &plan);
	tell(&f, "probe.up", NULL, 0, NULL, "{\"probe\":\"p\",\"latency_ns\":100000}");
	tell(&f, "probe.up", NULL, 0, NULL, "{\"probe\":\"p\",\"latency_ns\":100001}");
	tell(&f, "probe.down", NULL, 0, NULL, "{\"probe\":\"p\",\"latency_ns\":9000000000}");
	tell(&f, "probe.down", NULL, 0, NULL, "{\"probe\":\"l\"}");
	tell(&f, "expect.pass", "back", 1, NULL, "{}");
	tell(&f, "expect.fail", "back", 2, NULL, "{}");
	tell(&f, "expect.fail", "back", 3, NULL, "{}");
	tell(&f, "conn.attempt", NULL, 0, "front", "{}");
	tell(&f, "lost", NULL, 0, NULL, "{\"count\":3}");
	tell(&f, "phase.start", NULL, 0, NULL, "{\"name\":\"canary\"}");
	assert_line(&f, "shearpin_probe_up{scenario=\"drill\",probe=\"p\"} 0");
	assert_line(&f,
		    "shearpin_probe_latency_seconds_bucket{scenario=\"drill\",probe=\"p\",le=\"0.0001\"} 1");
	assert_line(&f,
		    "shearpin_probe_latency_seconds_bucket{scenario=\"drill\",probe=\"p\",le=\"0.00025\"} 2");
	assert_line(&f, "shearpin_probe_latency_seconds_bucket{scenario=\"drill\",probe=\"p\",le=\"5\"} 2");
	assert_line(&f,
		    "shearpin_probe_latency_seconds_bucket{scenario=\"drill\",probe=\"p\",le=\"+Inf\"} 3");
	assert_line(&f, "shearpin_probe_latency_seconds_sum{scenario=\"drill\",probe=\"p\"} 9.000200001");
	assert_line(&f, "shearpin_probe_latency_seconds_count{scenario=\"drill\",probe=\"p\"} 3");
	assert_none(&f, "shearpin_probe_latency_seconds_count{scenario=\"drill\",probe=\"l\"}");
	assert_line(&f, "shearpin_expectations_total{scenario=\"drill\",result=\"pass\"} 1");
	assert_line(&f, "shearpin_expectations_total{scenario=\"drill\",result=\"fail\"} 2");
	assert_line(&f, "shearpin_attempts_total{scenario=\"drill\",target=\"front\"} 1");
	assert_line(&f, "shearpin_ring_lost_total{scenario=\"drill\"} 3");
	assert_line(&f, "shearpin_phase_info{scenario=\"drill\",phase=\"canary\"} 1");
	tell(&f, "phase.end", NULL, 0, NULL, "{\"name\":\"canary\",\"result\":\"done\"}");
	assert_line(&f, "shearpin_phase_info{scenario=\"drill\",phase=\"canary\"} 0");
	metrics_feed_judged(&f, NULL);
	assert_line(&f, "shearpin_runs_total{scenario=\"drill\",outcome=\"refused\"} 1");
	assert_line(&f, "shearpin_run_active{scenario=\"drill\"} 0");
	metrics_feed_free(&f);
}

static void leaves_the_rest_alone(void **state)
{
	static const char *const types[] = {"packet",      "flow.hit", "flow.end",
					    "conn.closed", "clock",    "run.start"};
	struct metrics_feed f = {0};

	(void)state;
	tell(&f, "probe.up", NULL, 0, NULL, "{\"probe\":\"p\"}"); /* before any run */
	assert_int_equal(f.store.n[METRIC_PROBE_UP], 0);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const struct log_event event = {.type = types[i]};

		assert_false(metrics_feed_wants(&event));
	}
	metrics_feed_run(&f, &plan);
	tell(&f, "probe.up", NULL, 0, NULL, "not json");
	tell(&f, "lost", NULL, 0, NULL, NULL);
	tell(&f, "fault.open", NULL, 0, NULL, NULL);
	assert_int_equal(f.store.n[METRIC_PROBE_UP], 0);
	assert_false(f.store.failed);
	metrics_feed_free(&f);
}

static void has_a_limit(void **state)
{
	struct metrics_store s = {0};
	struct buf out = {0};
	char name[16];

	(void)state;
	for (int i = 0; i < METRIC_MOST_SERIES + 5; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		metrics_set(&s, METRIC_PROBE_UP, (const char *const[]){"probe", name, NULL}, 1);
	}
	assert_int_equal(s.n[METRIC_PROBE_UP], METRIC_MOST_SERIES);
	metrics_store_text(&s, &out);
	assert_non_null(strstr(out.data, "\n# 5 values are left out: "));
	buf_free(&out);
	metrics_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_zeros),
		cmocka_unit_test(counts_windows_once),
		cmocka_unit_test(shadows_inject_nothing),
		cmocka_unit_test(adds_packets_up),
		cmocka_unit_test(counts_samples_and_decisions),
		cmocka_unit_test(leaves_the_rest_alone),
		cmocka_unit_test(has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
