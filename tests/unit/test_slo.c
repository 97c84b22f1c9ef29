/* SPDX-License-Identifier: BSD-2-Clause */
/* The definitions of docs/definitions.md, on logs made for the purpose. Times below are in milliseconds. */
#include "unit/run_log.h"

#include "slo/percentile.h"

#define MS NS_PER_MS

static void percentiles_are_nearest_rank(void **state)
{
	static const struct {
		size_t n;
		unsigned percent;
		uint64_t expected; /* of the values 1..n */
	} cases[] = {
		{0, 50, NO_NS}, {1, 1, 1},       {1, 100, 1},    {2, 50, 1},     {2, 51, 2},
		{3, 50, 2},     {4, 25, 1},      {4, 26, 2},     {99, 99, 99},   {100, 99, 99},
		{101, 99, 100}, {100, 100, 100}, {200, 95, 190}, {200, 99, 198}, {1000, 50, 500},
	};
	uint64_t values[1000];
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (k = 0; k < cases[i].n; k++)
			values[k] = cases[i].n - k;
		assert_int_equal(percentile(values, cases[i].n, cases[i].percent), cases[i].expected);
	}
	values[0] = NO_NS;
	values[1] = 7;
	assert_int_equal(percentile(values, 2, 50), 7);
	assert_int_equal(percentile(values, 2, 51), NO_NS);
}

static void measures_a_window(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	const struct result_probe *p;
	struct results *r;

	up(log, 900);
	opens(log, 1, 1000, 2000);
	up(log, 1100);
	down(log, 1200);
	up(log, 1900);
	down(log, 1950);
	closes(log, 1, 1000, 2000);
	down(log, 2100);
	up(log, 2400);
	opens(log, 2, 5000, 6000);
	down(log, 5000);
	up(log, 6000);
	closes(log, 2, 5000, 6000);
	r = finish(dir, log);
	assert_int_equal(r->n_windows, 2);
	p = &r->windows[0]->probes[0];
	assert_int_equal(p->detection_ns, 200 * MS);
	assert_int_equal(p->recovery_ns, 400 * MS);
	assert_int_equal(p->recovery_after_inject_ns, 1400 * MS);
	assert_false(p->censored || p->already_down);
	p = &r->windows[1]->probes[0];
	assert_int_equal(p->detection_ns, 0);
	assert_int_equal(p->recovery_ns, 0);
	assert_int_equal(r->windows[1]->closed_ts_ns, 6000 * MS + OFFSET);
	assert_int_equal(r->recovery.samples, 2);
	assert_int_equal(r->recovery.p50_ns, 0);
	assert_int_equal(r->recovery.p99_ns, 400 * MS);
	assert_true(r->slos[0].pass && r->slos[1].pass && r->slos[2].pass);
	assert_int_equal(r->slos[2].value, 0);
	assert_int_equal(r->outcome, OUTCOME_PASS);
	assert_int_equal(r->exit, 0);
	assert_int_equal(r->n_incomplete, 0);
	assert_true(r->balanced);
	results_free(r);
}

/* The next opening of the same step ends the search, for the recovery and for the detection. */
static void next_opening_ends_the_search(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	up(log, 1500);
	closes(log, 1, 1000, 2000);
	opens(log, 2, 3000, 4000);
	up(log, 3000);
	down(log, 3200);
	closes(log, 2, 3000, 4000);
	up(log, 4300);
	r = finish(dir, log);
	assert_true(r->windows[0]->probes[0].censored);
	assert_int_equal(r->windows[0]->probes[0].recovery_ns, NO_NS);
	assert_int_equal(r->windows[0]->probes[0].detection_ns, NO_NS);
	assert_int_equal(r->windows[1]->probes[0].detection_ns, 200 * MS);
	assert_int_equal(r->windows[1]->probes[0].recovery_ns, 300 * MS);
	assert_int_equal(r->recovery.missing, 1);
	assert_int_equal(r->recovery.p50_ns, 300 * MS);
	assert_int_equal(r->recovery.p99_ns, NO_NS);
	assert_int_equal(r->unrecovered, 1);
	assert_false(r->slos[0].pass);
	assert_false(r->slos[1].pass);
	assert_false(r->slos[2].pass);
	assert_int_equal(r->exit, 1);
	results_free(r);
}

/* Of 200 windows one never recovers: the P99 has a value, and is missed all the same. */
static void no_percentile_hides_a_censored_window(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;
	int i;

	for (i = 0; i < 200; i++) {
		uint64_t at = 10000 + i * 3000;

		opens(log, i + 1, at, at + 1000);
		down(log, at + 100);
		closes(log, i + 1, at, at + 1000);
		if (i != 77)
			up(log, at + 1100);
	}
	put_event(log, 900000, "run.end", 0, "{\"outcome\":\"pass\",\"balanced\":true,\"lost\":0}");
	assert_int_equal(log_close(log), 0);
	r = compute(dir);
	assert_int_equal(r->recovery.samples, 200);
	assert_int_equal(r->slos[0].value, 100 * MS);
	assert_int_equal(r->slos[0].missing, 1);
	assert_false(r->slos[0].pass);
	assert_true(r->slos[1].pass);
	assert_int_equal(r->slos[2].value, 1);
	assert_int_equal(r->exit, 1);
	results_free(r);
}

static void undetected_window_has_its_recovery(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;
	int i;

	down(log, 999);
	for (i = 0; i < 2; i++) {
		opens(log, i + 1, 1000 + 4000 * i, 2000 + 4000 * i);
		up(log, 1999 + 4000 * i);
		closes(log, i + 1, 1000 + 4000 * i, 2000 + 4000 * i);
		up(log, 2050 + 4000 * i);
	}
	r = finish(dir, log);
	assert_true(r->windows[0]->probes[0].already_down);
	assert_false(r->windows[1]->probes[0].already_down);
	assert_int_equal(r->windows[0]->probes[0].detection_ns, NO_NS);
	assert_int_equal(r->windows[0]->probes[0].recovery_ns, 50 * MS);
	assert_int_equal(r->detection.missing, 2);
	assert_true(r->slos[0].pass);
	assert_false(r->slos[1].pass);
	results_free(r);
}

/* The same events in an order that only `late` explains give the same results. */
static void late_lines_change_nothing(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	const struct result_probe *p;
	struct results *r;

	up(log, 900);
	down(log, 1300);
	up(log, 2400);
	down(log, 3100);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	opens(log, 1, 1000, 2000);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	down(log, 1200);
	up(log, 2200);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	up(log, 4500);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	closes(log, 1, 1000, 2000);
	opens(log, 2, 3000, 4000);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	closes(log, 2, 3000, 4000);
	r = finish(dir, log);
	p = &r->windows[0]->probes[0];
	assert_int_equal(p->detection_ns, 200 * MS);
	assert_int_equal(p->recovery_ns, 200 * MS);
	p = &r->windows[1]->probes[0];
	assert_int_equal(p->detection_ns, 100 * MS);
	assert_int_equal(p->recovery_ns, 500 * MS);
	assert_int_equal(r->n_incomplete, 0);
	results_free(r);
}

/* Samples that seemed to be the first window's, until the second one's opening came to light. */
static void late_opening_takes_its_samples(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	closes(log, 1, 1000, 2000);
	down(log, 3100);
	up(log, 4100);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	opens(log, 2, 3000, 4000);
	closes(log, 2, 3000, 4000);
	r = finish(dir, log);
	assert_int_equal(r->windows[0]->probes[0].detection_ns, NO_NS);
	assert_true(r->windows[0]->probes[0].censored);
	assert_int_equal(r->windows[1]->probes[0].detection_ns, 100 * MS);
	assert_int_equal(r->windows[1]->probes[0].recovery_ns, 100 * MS);
	results_free(r);
}

/* A window is closed when its last target is. */
static void last_target_closes_the_window(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 2000);
	up(log, 2100);
	closes(log, 1, 1000, 2000);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	target = "db";
	opens(log, 1, 900, 2200);
	closes(log, 1, 900, 2200);
	target = "front";
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	up(log, 2500);
	r = finish(dir, log);
	assert_int_equal(r->n_windows, 1);
	assert_int_equal(r->windows[0]->n_parts, 2);
	assert_int_equal(r->windows[0]->opened_ns, 900 * MS);
	assert_int_equal(r->windows[0]->opened_ts_ns, 900 * MS + OFFSET);
	assert_int_equal(r->windows[0]->closed_ns, 2200 * MS);
	assert_int_equal(r->windows[0]->probes[0].recovery_ns, 300 * MS);
	assert_int_equal(r->windows[0]->parts[0].closed_ns, 2000 * MS);
	results_free(r);
}

static void cut_window_closes_when_it_was_cut(void **state)
{
	const struct run_dir *dir = *state;
	const struct closing cut = {.planned = 9000, .first_hit = 1000, .last_hit = 1400, .cut = true};
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 1000, 9000);
	down(log, 1100);
	up(log, 1500);
	closes_as(log, 1, 1000, 1500, &cut);
	up(log, 1800);
	put_event(log, 1500, "abort", 0, "{\"reason\":\"p was unhealthy for too long\"}");
	r = finish_as(dir, log, "aborted");
	assert_true(r->windows[0]->cut);
	assert_int_equal(r->windows[0]->closed_ns, 1500 * MS);
	assert_int_equal(r->windows[0]->probes[0].recovery_ns, 0);
	assert_string_equal(r->reason, "p was unhealthy for too long");
	assert_int_equal(r->n_notes, 1);
	assert_string_equal(r->notes[0], "1 of the planned windows did not open");
	assert_int_equal(r->exit, 4);
	assert_int_equal(r->n_incomplete, 0);
	results_free(r);
}

/* It was armed, and the end came first. */
static void cut_before_its_opening_it_has_no_length(void **state)
{
	const struct run_dir *dir = *state;
	const struct closing cut = {.planned = 9000, .cut = true};
	struct log *log = start(dir, two_windows);
	struct results *r;

	opens(log, 1, 5000, 9000);
	closes_as(log, 1, 5000, 3000, &cut);
	r = finish_as(dir, log, "interrupted");
	assert_int_equal(r->windows[0]->opened_ns, 5000 * MS);
	assert_int_equal(r->windows[0]->closed_ns, 5000 * MS);
	assert_int_equal(r->windows[0]->parts[0].closed_ns, 5000 * MS);
	results_free(r);
}

static void outcomes_have_their_status(void **state)
{
	static const struct {
		const char *text;
		int exit;
		enum result_outcome outcome;
	} cases[] = {
		{"pass", 1, OUTCOME_SLO_MISSED},           {"slo-missed", 1, OUTCOME_SLO_MISSED},
		{"aborted", 4, OUTCOME_ABORTED},           {"host-failed", 5, OUTCOME_HOST_FAILED},
		{"interrupted", 130, OUTCOME_INTERRUPTED},
	};
	const struct run_dir *dir = *state;
	struct results *r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		r = finish_as(dir, start(dir, two_windows), cases[i].text);
		assert_int_equal(r->exit, cases[i].exit);
		assert_int_equal(r->outcome, cases[i].outcome);
		results_free(r);
		assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	}
}

static void no_probe_no_slo_met(void **state)
{
	static const char plan[] =
		"{\"version\":1,\"name\":\"t\",\"slo\":[{\"key\":\"recovery_p99\",\"limit\":5},"
		"{\"key\":\"unrecovered\",\"limit\":0}]}";
	const struct run_dir *dir = *state;
	struct log *log = start(dir, plan);
	struct results *r;

	opens(log, 1, 1000, 2000);
	closes(log, 1, 1000, 2000);
	r = finish(dir, log);
	assert_int_equal(r->recovery.samples, 0);
	assert_int_equal(r->recovery.p99_ns, NO_NS);
	assert_false(r->slos[0].pass || r->slos[1].pass);
	assert_int_equal(r->exit, 1);
	results_free(r);
}

static void wall_clock_step_is_noted(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct results *r;

	put_event(log, 10, "clock", 0, "{\"offset_ns\":%lld,\"error_ns\":50}", OFFSET);
	put_event(log, 20, "clock", 0, "{\"offset_ns\":%lld,\"error_ns\":50}", OFFSET - 3000000000LL);
	r = finish_as(dir, log, "aborted");
	assert_int_equal(r->n_notes, 2);
	assert_non_null(strstr(r->notes[0], "moved by -3000 ms"));
	results_free(r);
}

static void faults_have_the_command_lines_words(void **state)
{
	static const struct {
		const char *fault, *words;
	} cases[] = {
		{"{\"drop\":true}", "drop"},
		{"{\"reset\":\"both\",\"loss\":\"5%\"}", "reset=both loss=5%"},
		{"{\"loss\":{\"every\":10}}", "loss=every:10"},
		{"{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"10%\"}}}", "loss=gemodel:p=1%,r=10%"},
		{"{\"delay\":\"5ms\",\"reorder\":{\"percent\":\"25%\",\"gap\":3}}",
		 "delay=5ms reorder=percent=25%,gap=3"},
		{"{\"odd\":[1,null]}", "odd=[1,null]"},
		{"{\"odd\":{}}", "odd="},
	};
	const size_t n = sizeof(cases) / sizeof(*cases);
	const struct run_dir *dir = *state;
	struct log *log = start(dir, two_windows);
	struct buf format = {0};
	struct results *r;

	for (size_t i = 0; i < n; i++) {
		buf_clear(&format);
		buf_printf(&format, "{\"opens_ns\":%zu,\"closes_ns\":9,\"fault\":%s}", i, cases[i].fault);
		put_event(log, 10 + i, "fault.open", i + 1, "%s", format.data);
	}
	buf_free(&format);
	r = finish_as(dir, log, "aborted");
	assert_int_equal(r->n_windows, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(r->windows[i]->words, cases[i].words);
	results_free(r);
}

/* Two targets, two probes, SLOs with a step and a probe: the figures are worked out by hand. */
static void a_whole_run(void **state)
{
	int fd = open("tests/unit/recorded/ctp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct results *r = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(slo_compute(fd, "ctp", &r), 0);
	close(fd);
	assert_int_equal(r->n_incomplete, 0);
	assert_int_equal(r->n_windows, 3);
	assert_int_equal(r->windows[2]->n_parts, 2);
	assert_int_equal(r->recovery.samples, 6);
	assert_int_equal(r->recovery.missing, 1);
	assert_int_equal(r->recovery.p50_ns, 1500 * MS);
	assert_int_equal(r->recovery.p95_ns, NO_NS);
	assert_int_equal(r->detection.missing, 1);
	assert_int_equal(r->detection.p50_ns, 1000 * MS);
	assert_int_equal(r->probes[0].recovery.max_ns, 1500 * MS);
	assert_int_equal(r->probes[1].detection.max_ns, 5000 * MS);
	assert_false(r->slos[0].pass);
	assert_true(r->slos[1].pass);
	assert_int_equal(r->slos[1].value, 15000 * MS);
	assert_int_equal(r->slos[1].samples, 4);
	assert_true(r->slos[2].pass);
	assert_int_equal(r->slos[2].value, 5000 * MS);
	assert_true(r->slos[3].pass);
	assert_int_equal(r->slos[3].value, 1);
	assert_int_equal(r->exit, 1);
	results_free(r);
}

/* A step that moves the clock has windows, too, which probes recover from; their times are those of the unmoved clock. */
static void measures_a_moved_clock(void **state)
{
	static const char plan[] =
		"{\"version\":1,\"name\":\"t\",\"seed\":7,\"probes\":[{\"name\":\"p\"}],\"targets\":[],"
		"\"steps\":[{\"name\":\"cut\",\"kind\":\"clock\",\"fault\":null,\"targets\":[],"
		"\"for_ns\":1000000000,\"times\":1}],\"slo\":[]}";
	static const char moves[] = "{\"kind\":\"clock\",\"offset_ns\":-5000000000,\"opens_ns\":1000000000,"
				    "\"closes_ns\":2000000000,\"cut\":false}";
	const struct run_dir *dir = *state;
	struct log *log = start(dir, plan);
	const struct result_window *w;
	struct results *r;

	target = NULL;
	up(log, 900);
	put_event(log, 1001, "step.start", 1, "%s", moves);
	down(log, 1201);
	put_event(log, 2002, "step.end", 1, "%s", moves);
	up(log, 2402);
	target = "front";
	r = finish(dir, log);
	assert_int_equal(r->n_windows, 1);
	w = r->windows[0];
	assert_string_equal(w->words, "clock=-5s");
	assert_int_equal(w->n_parts, 0);
	assert_true(w->closed && !w->cut);
	assert_int_equal(w->opened_ns, 1001 * MS);
	assert_int_equal(w->closed_ns, 2002 * MS);
	assert_int_equal(w->opened_ts_ns, OFFSET + 6001 * MS);
	assert_int_equal(w->closed_ts_ns, OFFSET + 2002 * MS);
	assert_int_equal(w->probes[0].detection_ns, 200 * MS);
	assert_int_equal(w->probes[0].recovery_ns, 400 * MS);
	assert_int_equal(r->n_incomplete, 0);
	results_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_nearest_rank),
		IN_DIR(measures_a_window),
		IN_DIR(measures_a_moved_clock),
		IN_DIR(next_opening_ends_the_search),
		IN_DIR(no_percentile_hides_a_censored_window),
		IN_DIR(undetected_window_has_its_recovery),
		IN_DIR(late_lines_change_nothing),
		IN_DIR(late_opening_takes_its_samples),
		IN_DIR(last_target_closes_the_window),
		IN_DIR(cut_window_closes_when_it_was_cut),
		IN_DIR(cut_before_its_opening_it_has_no_length),
		IN_DIR(outcomes_have_their_status),
		IN_DIR(no_probe_no_slo_met),
		IN_DIR(wall_clock_step_is_noted),
		IN_DIR(faults_have_the_command_lines_words),
		cmocka_unit_test(a_whole_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
