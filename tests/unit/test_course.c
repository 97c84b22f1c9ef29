/* SPDX-License-Identifier: BSD-2-Clause */
/* Expectations, phases, waits, aborts and changes in results, on logs made for the purpose. Times are in milliseconds. */
#include "unit/run_log.h"

#include "slo/verify.h"

#define MS NS_PER_MS

static const char plan[] =
	"{\"version\":1,\"name\":\"t\",\"seed\":7,\"probes\":[{\"name\":\"p\"}],"
	"\"targets\":[{\"name\":\"front\"}],"
	"\"steps\":["
	"{\"name\":\"kill\",\"kind\":\"signal\",\"targets\":[],\"at_ns\":0,\"for_ns\":0,\"times\":1,\"every_"
	"ns\":0,"
	"\"until_end\":false,\"signal\":{\"name\":\"SIGKILL\",\"number\":9,\"process\":{\"pidfile\":\"f."
	"pid\"}}},"
	"{\"name\":\"spoil\",\"kind\":\"file\",\"targets\":[],\"at_ns\":0,\"for_ns\":0,\"times\":1,\"every_"
	"ns\":0,"
	"\"until_end\":true,\"file\":{\"path\":\"/etc/x\",\"change\":\"truncate\"}},"
	"{\"name\":\"back\",\"kind\":\"expect\",\"targets\":[],\"at_ns\":0,\"for_ns\":1000000000,\"times\":2,"
	"\"every_ns\":2000000000},"
	"{\"name\":\"settled\",\"kind\":\"wait\",\"targets\":[],\"at_ns\":0,\"for_ns\":0,\"times\":1,\"every_"
	"ns\":0}],"
	"\"disabled\":[\"skipped step\"],\"slo\":[]}";

static void tell(struct log *log, uint64_t ms, const char *type, const char *step, int instance,
		 const char *data)
{
	const struct log_event event = {
		.mono_ns = ms * MS, .type = type, .step = step, .instance = instance, .data = data};

	assert_int_equal(log_append(log, &event), 0);
}

static void decide(struct log *log, uint64_t ms, bool pass, int instance)
{
	char data[400];

	snprintf(data, sizeof(data),
		 "{\"expectation\":{\"probe\":\"p\",\"equals\":\"healthy\",\"within\":\"1s\"},\"how\":"
		 "\"within\","
		 "\"opens_ns\":%" PRIu64 ",\"closes_ns\":%" PRIu64 ",\"decided_ns\":%" PRIu64
		 ",\"samples\":4,\"seen\":\"%s\",\"value\":0.5}",
		 (uint64_t)(1000 * MS), (uint64_t)(2000 * MS), (uint64_t)(ms * MS - 7),
		 pass ? "healthy" : "healthy at no time");
	tell(log, ms, pass ? "expect.pass" : "expect.fail", "back", instance, data);
}

static struct log *start_run(const struct run_dir *dir)
{
	struct log *log = start(dir, plan);

	put_event(log, 1000, "baseline.end", 0, "{\"zero_ns\":1000000000}");
	up(log, 900);
	return log;
}

/* Both are met, at this time and a little later, and the run is over. */
static struct results *finish_met(const struct run_dir *dir, struct log *log, uint64_t ms)
{
	decide(log, ms, true, 1);
	decide(log, ms + 100, true, 2);
	return finish(dir, log);
}

static void decisions_are_results(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	const struct result_expect *e;
	struct results *r;

	decide(log, 1500, true, 1);
	decide(log, 4000, true, 2);
	r = finish(dir, log);
	assert_int_equal(r->n_expects, 2);
	e = &r->expects[0];
	assert_string_equal(e->step, "back");
	assert_int_equal(e->instance, 1);
	assert_true(e->pass);
	assert_string_equal(e->words, "probe=p equals=healthy within=1s");
	assert_string_equal(e->how, "within");
	assert_int_equal(e->opens_ns, 1000 * MS);
	assert_int_equal(e->closes_ns, 2000 * MS);
	assert_int_equal(e->decided_ns, 1500 * MS - 7);
	assert_int_equal(e->decided_ts, 1500 * MS - 7 + OFFSET);
	assert_int_equal(e->samples, 4);
	assert_string_equal(e->seen, "healthy");
	assert_string_equal(e->value, "0.5");
	assert_int_equal(e->seq, 4);
	assert_int_equal(r->outcome, OUTCOME_PASS);
	assert_int_equal(r->exit, 0);
	assert_int_equal(r->n_incomplete, 0);
	assert_int_equal(r->n_disabled, 1);
	assert_string_equal(r->disabled[0], "skipped step");
	results_free(r);
}

static void each_value_is_seen_as_one(void **state)
{
	static const struct {
		const char *condition, *words;
	} cases[] = {
		{"{\"log\":\"a.log\",\"matches\":\"state=\\\"?up\"}", "log=a.log matches='state=\"?up'"},
		{"{\"exec\":[\"sh\",\"-c\",\"echo hi\"],\"expect_output\":\"all's\"}",
		 "exec=[\"sh\",\"-c\",\"echo hi\"] expect_output=\"all's\""},
		{"{\"file\":\"my file\",\"contains\":\"a\\tb\\n\",\"within\":\"1s\"}",
		 "file='my file' contains=\"a\\tb\\n\" within=1s"},
		{"{\"process\":{\"name\":\"a b\"},\"equals\":\"\",\"never\":true}",
		 "process=name:'a b' equals='' never"},
		{"{\"expect\":{\"where\":\".a[0]\",\"differs\":true,\"matches\":\"^\\\\d+$\"}}",
		 "where=.a[0] differs=true matches=^\\d+$"},
	};
	const size_t n = sizeof(cases) / sizeof(*cases);
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	struct results *r;
	char data[300];

	for (size_t i = 0; i < n; i++) {
		snprintf(data, sizeof(data), "{\"expectation\":%s}", cases[i].condition);
		tell(log, 1500 + i, "expect.pass", "back", i + 1, data);
	}
	r = finish(dir, log);
	assert_int_equal(r->n_expects, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(r->expects[i].words, cases[i].words);
	results_free(r);
}

static void a_failed_one_misses(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	struct results *r;

	decide(log, 1500, true, 1);
	decide(log, 4000, false, 2);
	r = finish(dir, log);
	assert_false(r->expects[1].pass);
	assert_int_equal(r->outcome, OUTCOME_SLO_MISSED);
	assert_int_equal(r->exit, 1);
	results_free(r);
}

/* Without its decision the evidence of a run that went to its end is incomplete; of one that was aborted it is a note. */
static void each_needs_one_decision(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	struct results *r;

	decide(log, 1500, true, 1);
	r = finish(dir, log);
	assert_true(lacks(r, "back #2: the log has no decision"));
	results_free(r);

	log = NULL;
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	log = start_run(dir);
	decide(log, 1500, true, 1);
	decide(log, 1600, false, 1);
	r = finish(dir, log);
	assert_true(lacks(r, "back #1: the log decides it 2 times"));
	assert_true(lacks(r, "back #2"));
	results_free(r);

	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	log = start_run(dir);
	tell(log, 1400, "abort", NULL, 0,
	     "{\"reason\":\"p was "
	     "bad\",\"kind\":\"probe\",\"condition\":{\"probe\":\"p\",\"unhealthy_for\":\"2s\"},"
	     "\"value\":2.5,\"since_ns\":1100000000}");
	r = finish_as(dir, log, "aborted");
	assert_int_equal(r->n_incomplete, 0);
	assert_int_equal(r->exit, 4);
	assert_non_null(r->abort);
	assert_string_equal(r->abort->kind, "probe");
	assert_string_equal(r->abort->condition, "probe=p unhealthy_for=2s");
	assert_string_equal(r->abort->value, "2.5");
	assert_int_equal(r->abort->since_ns, 1100 * MS);
	assert_string_equal(r->reason, "p was bad");
	assert_int_equal(r->n_notes, 1);
	results_free(r);
}

static void only_some_conditions_must_last(void **state)
{
	static const struct {
		const char *condition;
		bool lasting;
	} cases[] = {
		{"{\"file\":\"STOP.TXT\"}", false},
		{"{\"probe_p95\":\"baseline +15%\"}", false},
		{"{\"probe_p95\":\"baseline +15%\",\"for\":\"10m\"}", true},
		{"{\"probe\":\"p\",\"unhealthy_for\":\"2s\"}", true},
	};
	const struct run_dir *dir = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct log *log = start_run(dir);
		struct results *r;
		char data[200];

		snprintf(data, sizeof(data), "{\"reason\":\"x\",\"condition\":%s,\"since_ns\":1100000000}",
			 cases[i].condition);
		tell(log, 1400, "abort", NULL, 0, data);
		r = finish_as(dir, log, "aborted");
		assert_int_equal(r->abort->lasting, cases[i].lasting);
		assert_int_equal(r->abort->since_ns, 1100 * MS);
		results_free(r);
		assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	}
}

static void without_its_data_it_is_no_decision(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	struct results *r;

	tell(log, 1500, "expect.pass", NULL, 1, "{}");
	tell(log, 1501, "expect.pass", "back", 0, "{}");
	tell(log, 1502, "phase.start", NULL, 0, "{\"name\":\"x\"}");
	tell(log, 1503, "zero", NULL, 0, "{}");
	r = finish(dir, log);
	assert_int_equal(r->n_expects, 0);
	assert_true(lacks(r, "4 events don't have the data"));
	results_free(r);
}

static void phases_follow_each_other(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	struct results *r;

	tell(log, 1000, "phase.start", NULL, 0,
	     "{\"name\":\"shadow\",\"index\":0,\"share\":1.0,\"shadow\":true,\"set\":{\"loss\":\"10%\"}}");
	tell(log, 2000, "phase.end", NULL, 0,
	     "{\"name\":\"shadow\",\"index\":0,\"share\":1.0,\"shadow\":true,\"result\":\"promoted\"}");
	tell(log, 2000, "phase.start", NULL, 0,
	     "{\"name\":\"canary\",\"index\":1,\"share\":0.1,\"shadow\":false,\"set\":{}}");
	decide(log, 1500, true, 1);
	decide(log, 2500, true, 2);
	r = finish(dir, log);
	assert_int_equal(r->n_phases, 2);
	assert_true(r->phases[0].shadow && r->phases[0].ended);
	assert_string_equal(r->phases[0].result, "promoted");
	assert_string_equal(r->phases[0].words, "loss=10%");
	assert_int_equal(r->phases[0].started_ns, 1000 * MS);
	assert_int_equal(r->phases[0].ended_ns, 2000 * MS);
	assert_true(r->phases[1].share > 0.0999 && r->phases[1].share < 0.1001);
	assert_false(r->phases[1].ended);
	assert_null(r->phases[1].result);
	assert_int_equal(r->phases[1].ended_ns, NO_NS);
	results_free(r);
}

static void a_wait_moves_the_zero(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	struct results *r;

	tell(log, 1200, "step.start", "settled", 0, "{\"kind\":\"wait\"}");
	tell(log, 1700, "step.end", "settled", 0, "{\"kind\":\"wait\",\"result\":\"fulfilled\"}");
	tell(log, 1710, "zero", "settled", 0, "{\"zero_ns\":1510000000}");
	r = finish_met(dir, log, 1800);
	assert_int_equal(r->n_waits, 1);
	assert_int_equal(r->waits[0].from_ns, 1200 * MS);
	assert_int_equal(r->waits[0].to_ns, 1700 * MS);
	assert_int_equal(r->waits[0].zero_ns, 1510 * MS);
	assert_string_equal(r->waits[0].result, "fulfilled");
	assert_int_equal(r->zero_ns, 1000 * MS);
	assert_int_equal(r->n_windows, 0);
	results_free(r);
}

static struct log *start_killed(const struct run_dir *dir)
{
	static const char killed[] = "{\"kind\":\"signal\",\"signal\":\"SIGKILL\",\"pid\":77,"
				     "\"opens_ns\":1000000000,\"closes_ns\":1000000000,\"cut\":false}";
	struct log *log = start_run(dir);

	tell(log, 1000, "step.start", "kill", 1, killed);
	tell(log, 1000, "step.end", "kill", 1, killed);
	up(log, 1050);
	return log;
}

/* Who is killed is back with the first healthy sample behind the first unhealthy one. */
static void a_kill_has_a_recovery(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_killed(dir);
	const struct result_window *w;
	struct results *r;

	up(log, 1100);
	down(log, 1300);
	down(log, 1500);
	up(log, 1900);
	up(log, 2100);
	r = finish_met(dir, log, 2200);
	assert_int_equal(r->n_windows, 1);
	w = r->windows[0];
	assert_string_equal(w->kind, "signal");
	assert_string_equal(w->words, "signal=SIGKILL pidfile=f.pid");
	assert_string_equal(w->fault, "{\"signal\":\"SIGKILL\",\"pidfile\":\"f.pid\"}");
	assert_true(w->stands && w->closed);
	assert_int_equal(w->closed_ns, w->opened_ns);
	assert_int_equal(w->probes[0].detection_ns, 300 * MS);
	assert_int_equal(w->probes[0].recovery_ns, 900 * MS);
	assert_int_equal(w->probes[0].recovery_after_inject_ns, 900 * MS);
	assert_int_equal(r->recovery.samples, 1);
	assert_int_equal(r->n_incomplete, 0);
	results_free(r);
}

static void one_that_nobody_notices_is_recovered_at_once(void **state)
{
	const struct run_dir *dir = *state;
	struct results *r = finish_met(dir, start_killed(dir), 2200);

	assert_int_equal(r->windows[0]->probes[0].recovery_ns, 50 * MS);
	assert_int_equal(r->windows[0]->probes[0].detection_ns, NO_NS);
	results_free(r);
}

/* It stays to the end: its recovery is not counted from there. */
static void a_lasting_change_counts_from_its_opening(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_run(dir);
	const struct result_window *w;
	struct results *r;

	tell(log, 1000, "step.start", "spoil", 1,
	     "{\"kind\":\"file\",\"path\":\"/etc/"
	     "x\",\"opens_ns\":1000000000,\"closes_ns\":null,\"cut\":false}");
	down(log, 1400);
	up(log, 1700);
	decide(log, 2200, true, 1);
	decide(log, 2300, true, 2);
	tell(log, 9000, "step.undo", "spoil", 1,
	     "{\"kind\":\"file\",\"result\":\"taken back\",\"reason\":null}");
	tell(log, 9000, "step.end", "spoil", 1,
	     "{\"kind\":\"file\",\"opens_ns\":1000000000,\"closes_ns\":null,\"cut\":true}");
	r = finish(dir, log);
	w = r->windows[0];
	assert_string_equal(w->words, "file=/etc/x change=truncate");
	assert_true(w->stands && w->closed);
	assert_false(w->cut);
	assert_string_equal(w->undo, "taken back");
	assert_int_equal(w->closed_ns, 9000 * MS);
	assert_int_equal(w->probes[0].recovery_ns, 700 * MS);
	assert_false(w->probes[0].censored);
	assert_int_equal(w->probes[0].up, 1);
	assert_int_equal(w->probes[0].down, 1);
	results_free(r);
}

static const struct verify_check *check_named(const struct verification *v, const char *name)
{
	for (size_t i = 0; i < v->n_checks; i++) {
		if (strcmp(v->checks[i].name, name) == 0)
			return &v->checks[i];
	}
	return NULL;
}

static struct verification *end_and_verify(const struct run_dir *dir, struct log *log, const char *outcome)
{
	struct verification *v = NULL;
	char reason[160];

	put_event(log, 9000, "run.end", 0, "{\"outcome\":\"%s\",\"balanced\":true,\"lost\":0}", outcome);
	assert_int_equal(log_close(log), 0);
	assert_int_equal(verify_run(dir->fd, &v, reason, sizeof(reason)), 0);
	return v;
}

static const char faults[] =
	"{\"version\":1,\"name\":\"t\",\"seed\":7,\"probes\":[],\"targets\":[{\"name\":\"front\",\"share\":1."
	"0}],"
	"\"steps\":[{\"name\":\"cut\",\"kind\":\"fault\",\"fault\":{\"drop\":true},\"targets\":[\"front\"],"
	"\"at_ns\":100000000,"
	"\"for_ns\":1000000000,\"times\":2,\"every_ns\":2000000000,\"burst_on_ns\":0,\"burst_off_ns\":0},"
	"{\"name\":\"back\",\"kind\":\"expect\",\"targets\":[],\"at_ns\":0,\"for_ns\":0,\"times\":2,\"every_"
	"ns\":0}],"
	"\"slo\":[]}";

/* The first window is as planned. */
static struct log *start_cut(const struct run_dir *dir)
{
	struct log *log = start(dir, faults);

	put_event(log, 1000, "baseline.end", 0, "{\"zero_ns\":1000000000}");
	opens(log, 1, 1100, 2100);
	closes(log, 1, 1100, 2100);
	return log;
}

/* What follows a wait is measured against the zero that it set. */
static void verify_knows_the_zero_in_force(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_cut(dir);
	struct verification *v;

	tell(log, 6000, "zero", "settled", 0, "{\"zero_ns\":4000000000}");
	opens(log, 2, 6100, 7100);
	closes(log, 2, 6100, 7100);
	decide(log, 7200, true, 1);
	decide(log, 7300, false, 2);
	v = end_and_verify(dir, log, "pass");
	assert_int_equal(check_named(v, "times")->result, VERIFY_PASS);
	assert_int_equal(check_named(v, "expectations")->result, VERIFY_PASS);
	verification_free(v);
}

static void verify_finds_what_is_amiss(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start_cut(dir);
	struct verification *v;

	opens(log, 2, 6100, 7100);
	closes(log, 2, 6100, 7100);
	decide(log, 7200, true, 1);
	decide(log, 7300, true, 1);
	decide(log, 7300, true, 3);
	v = end_and_verify(dir, log, "pass");
	assert_int_equal(check_named(v, "times")->result, VERIFY_FAIL);
	assert_int_equal(check_named(v, "times")->seq, 5);
	assert_non_null(strstr(check_named(v, "times")->detail, "cut #2 opens at 6100000000 ns"));
	assert_int_equal(check_named(v, "expectations")->result, VERIFY_FAIL);
	assert_non_null(
		strstr(check_named(v, "expectations")->detail,
		       "of 2 that are planned, 1 have no decision and 1 more than one, first back #1"));
	assert_int_equal(check_named(v, "events")->result, VERIFY_FAIL);
	verification_free(v);
}

static void an_aborted_run_may_lack_decisions(void **state)
{
	const struct run_dir *dir = *state;
	struct log *log = start(dir, faults);
	struct verification *v;

	v = end_and_verify(dir, log, "aborted");
	assert_null(check_named(v, "times"));
	assert_int_equal(check_named(v, "expectations")->result, VERIFY_WARN);
	verification_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(decisions_are_results),
		IN_DIR(each_value_is_seen_as_one),
		IN_DIR(a_failed_one_misses),
		IN_DIR(each_needs_one_decision),
		IN_DIR(only_some_conditions_must_last),
		IN_DIR(without_its_data_it_is_no_decision),
		IN_DIR(phases_follow_each_other),
		IN_DIR(a_wait_moves_the_zero),
		IN_DIR(a_kill_has_a_recovery),
		IN_DIR(one_that_nobody_notices_is_recovered_at_once),
		IN_DIR(a_lasting_change_counts_from_its_opening),
		IN_DIR(verify_knows_the_zero_in_force),
		IN_DIR(verify_finds_what_is_amiss),
		IN_DIR(an_aborted_run_may_lack_decisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
