/* SPDX-License-Identifier: BSD-2-Clause */
/* What bends packets, in the words of a file, of `inject` and of tc-netem: each means the same fault, or the same mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "scenario/scenario.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))
#define QUARTER (PLAN_ALWAYS / 4)
#define HALF (PLAN_ALWAYS / 2)
#define MOST_WORDS 6

/* The fault of a scenario with nothing else in it; err and its words otherwise. */
static int parse_fault(const char *fault, struct plan **ret_plan, struct scenario_errors *ret_errors)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "version: 1\nname: t\nseed: 1\ntargets: {a: {remote_port: 80}}\n"
		 "steps: [{name: s, at: 0s, target: a, for: 1s, fault: {%s}}]\n",
		 fault);
	return scenario_parse("t.yaml", text, strlen(text), NULL, ret_plan, ret_errors);
}

static int parse_words(const char *const *faults, const char *netem, const char *seed, struct plan **ret_plan,
		       struct scenario_errors *ret_errors)
{
	const char *copy[MOST_WORDS];
	struct inject_words words = {
		.faults = copy, .netem = netem, .seed = seed, .duration = "1s", .remote_port = "80"};

	while (words.n_faults < MOST_WORDS && faults && faults[words.n_faults]) {
		copy[words.n_faults] = faults[words.n_faults];
		words.n_faults++;
	}
	return scenario_from_words(&words, NULL, ret_plan, ret_errors);
}

/* Every number of a fault. */
static void compare(const char *name, const struct plan_fault *got, const struct plan_fault *want)
{
#define SAME(member)                                                                                         \
	do {                                                                                                 \
		if (got->member != want->member)                                                             \
			fail_msg("%s: " #member " is %llu, expected %llu", name,                             \
				 (unsigned long long)got->member, (unsigned long long)want->member);         \
	} while (0)
	SAME(drop_below);
	SAME(drop_every);
	SAME(loss_local);
	SAME(loss_correlation);
	SAME(gemodel);
	SAME(ge_p);
	SAME(ge_r);
	SAME(ge_bad);
	SAME(ge_good);
	SAME(reset_ends);
	SAME(refuse);
	SAME(flow_below);
	SAME(delay_ns);
	SAME(jitter_ns);
	SAME(delay_below);
	SAME(delay_correlation);
	SAME(distribution);
	SAME(rate);
	SAME(burst);
	SAME(duplicate_below);
	SAME(duplicate_correlation);
	SAME(corrupt_below);
	SAME(corrupt_correlation);
	SAME(corrupt_valid);
	SAME(reorder_below);
	SAME(reorder_correlation);
	SAME(reorder_by_ns);
	SAME(reorder_gap);
	SAME(reorder_jitter);
#undef SAME
}

/* ---- a file ---- */

static const struct {
	const char *fault;
	struct plan_fault expected;
	bool holds, line, user_line;
} file_cases[] = {
	{"delay: 250ms, jitter: 30ms",
	 {.delay_ns = 250 * NS_PER_MS, .jitter_ns = 30 * NS_PER_MS, .delay_below = PLAN_ALWAYS},
	 true,
	 true,
	 false},
	{"delay: 10ms, jitter: 10ms, distribution: paretonormal, jitter_correlation: 25%, percent: 50%",
	 {.delay_ns = 10 * NS_PER_MS,
	  .jitter_ns = 10 * NS_PER_MS,
	  .delay_below = HALF,
	  .delay_correlation = QUARTER,
	  .distribution = PLAN_PARETONORMAL},
	 true,
	 true,
	 false},
	{"delay: 60s", {.delay_ns = PLAN_HORIZON_NS, .delay_below = PLAN_ALWAYS}, true, true, false},
	{"delay: 30s, jitter: 30s, distribution: uniform",
	 {.delay_ns = 30 * NS_PER_S, .jitter_ns = 30 * NS_PER_S, .delay_below = PLAN_ALWAYS},
	 true,
	 true,
	 false},
	{"delay: 20s, jitter: 10s, distribution: normal, reorder: jitter",
	 {.delay_ns = 20 * NS_PER_S,
	  .jitter_ns = 10 * NS_PER_S,
	  .delay_below = PLAN_ALWAYS,
	  .distribution = PLAN_NORMAL,
	  .reorder_jitter = true},
	 true,
	 true,
	 false},
	{"rate: 1mbit, burst: 15KB", {.rate = 125000, .burst = 15000}, true, true, true},
	{"duplicate: 25%, duplicate_correlation: 50%",
	 {.duplicate_below = QUARTER, .duplicate_correlation = HALF},
	 false,
	 false,
	 true},
	{"corrupt: 25%", {.corrupt_below = QUARTER}, false, true, true},
	{"corrupt: 25%, checksum: wrong, corrupt_correlation: 100%",
	 {.corrupt_below = QUARTER, .corrupt_correlation = PLAN_ALWAYS},
	 false,
	 true,
	 true},
	{"corrupt: 25%, checksum: valid",
	 {.corrupt_below = QUARTER, .corrupt_valid = true},
	 false,
	 false,
	 false},
	{"delay: 1ms, reorder: 25%, reorder_correlation: 0%",
	 {.delay_ns = NS_PER_MS, .delay_below = PLAN_ALWAYS, .reorder_below = QUARTER},
	 true,
	 true,
	 false},
	{"reorder: {percent: 25%, by: 3ms, gap: 5}",
	 {.reorder_below = QUARTER, .reorder_by_ns = 3 * NS_PER_MS, .reorder_gap = 5},
	 true,
	 true,
	 false},
	{"loss: {gemodel: {p: 25%, r: 50%}}",
	 {.gemodel = true, .ge_p = QUARTER, .ge_r = HALF, .ge_bad = PLAN_ALWAYS},
	 false,
	 false,
	 false},
	{"loss: {gemodel: {p: 100%, r: 0%, bad: 50%, good: 25%}}, loss_as: local",
	 {.gemodel = true, .ge_p = PLAN_ALWAYS, .ge_bad = HALF, .ge_good = QUARTER, .loss_local = true},
	 false,
	 false,
	 false},
	{"loss: 25%, loss_correlation: 50%, reset: both, delay: 1ms, percent: 50%",
	 {.drop_below = QUARTER,
	  .loss_correlation = HALF,
	  .reset_ends = PLAN_END_LOCAL | PLAN_END_REMOTE,
	  .flow_below = HALF,
	  .delay_ns = NS_PER_MS,
	  .delay_below = HALF},
	 true,
	 true,
	 false},
};

static void files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(file_cases); i++) {
		const char *name = file_cases[i].fault;
		struct scenario_errors errors;
		const struct plan_fault *f;
		struct plan *plan;

		if (parse_fault(name, &plan, &errors))
			fail_msg("%s: %s", name, errors.text);
		f = &plan->steps[0].fault;
		compare(name, f, &file_cases[i].expected);
		if (plan_fault_holds(f) != file_cases[i].holds ||
		    plan_fault_needs_line(f) != file_cases[i].line ||
		    plan_fault_needs_user_line(f) != file_cases[i].user_line)
			fail_msg("%s: what it needs of the line", name);
		plan_free(plan);
	}
}

/* XDP only loses: nothing that bends acts there. */
static void hooks(void **state)
{
	static const struct {
		const char *fault;
		bool xdp;
	} cases[] = {
		{"loss: 5%, loss_correlation: 5%", true},
		{"loss: {gemodel: {p: 1%, r: 10%}}", true},
		{"loss: 5%, delay: 1ms", false},
		{"rate: 1mbit", false},
		{"duplicate: 1%", false},
		{"corrupt: 1%, checksum: valid", false},
		{"reorder: {percent: 5%, by: 1ms}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct scenario_errors errors;
		struct plan *plan;

		assert_int_equal(parse_fault(cases[i].fault, &plan, &errors), 0);
		plan_choose_hooks(plan, HOOK_XDP);
		assert_int_equal(plan->rules[0].hooks,
				 PLAN_HOOK_TC_OUT | (cases[i].xdp ? PLAN_HOOK_XDP : PLAN_HOOK_TC_IN));
		plan_free(plan);
	}
}

/* ---- the words of inject ---- */

static void check_words(const char *const *faults, const char *netem, const char *step, const char *expected)
{
	struct scenario_errors errors;
	struct plan *plan;

	if (parse_words(faults, netem, NULL, &plan, &errors))
		fail_msg("%s: %s", netem ?: faults[0], errors.text);
	assert_string_equal(plan->steps[0].fault.text, expected);
	assert_string_equal(plan->steps[0].name, step);
	plan_free(plan);
}

static void check_mistake(const char *const *faults, const char *netem, const char *seed,
			  const char *expected)
{
	struct scenario_errors errors;
	struct plan *plan;
	int err = parse_words(faults, netem, seed, &plan, &errors);

	if (err != -EINVAL || plan)
		fail_msg("%s: %d, expected -EINVAL", netem ?: faults[0], err);
	if (strcmp(errors.text, expected) != 0)
		fail_msg("%s\n--- got:\n%s--- expected:\n%s", netem ?: faults[0], errors.text, expected);
	free(errors.text);
}

static void words(void **state)
{
	static const struct {
		const char *faults[MOST_WORDS];
		const char *step, *expected;
	} cases[] = {
		{{"delay=250ms", "jitter=30ms"}, "delay", "{\"delay\":\"250ms\",\"jitter\":\"30ms\"}"},
		{{"jitter=30ms", "percent=5%", "distribution=normal", "jitter_correlation=5%", "delay=30ms"},
		 "delay",
		 "{\"delay\":\"30ms\",\"jitter\":\"30ms\",\"distribution\":\"normal\",\"jitter_correlation\":"
		 "\"5%\",\"percent\":\"5%\"}"},
		{{"burst=15KB", "rate=1mbit"}, "rate", "{\"rate\":\"1mbit\",\"burst\":\"15KB\"}"},
		{{"checksum=valid", "corrupt=1%", "duplicate=1%"},
		 "corrupt",
		 "{\"duplicate\":\"1%\",\"corrupt\":\"1%\",\"checksum\":\"valid\"}"},
		{{"loss=every:10"}, "loss", "{\"loss\":{\"every\":10}}"},
		{{"loss={every: 10}"}, "loss", "{\"loss\":{\"every\":10}}"},
		{{"loss=gemodel:p=1%,r=10%"},
		 "loss",
		 "{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"10%\"}}}"},
		{{"loss={gemodel: {p: 1%, r: 10% , bad: 90%}}"},
		 "loss",
		 "{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"10%\",\"bad\":\"90%\"}}}"},
		{{"reorder=25%", "delay=5ms"}, "reorder", "{\"delay\":\"5ms\",\"reorder\":\"25%\"}"},
		{{"delay=5ms", "jitter=5ms", "reorder=jitter"},
		 "delay",
		 "{\"delay\":\"5ms\",\"jitter\":\"5ms\",\"reorder\":\"jitter\"}"},
		{{"reorder=percent=25%,by=3ms"},
		 "reorder",
		 "{\"reorder\":{\"percent\":\"25%\",\"by\":\"3ms\"}}"},
		{{"reorder=percent:25%,by:3ms,gap:5"},
		 "reorder",
		 "{\"reorder\":{\"percent\":\"25%\",\"by\":\"3ms\",\"gap\":5}}"},
		{{"reorder={percent: 25%, by: 3ms}"},
		 "reorder",
		 "{\"reorder\":{\"percent\":\"25%\",\"by\":\"3ms\"}}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_words(cases[i].faults, NULL, cases[i].step, cases[i].expected);
}

static void words_that_are_wrong(void **state)
{
#define FORM "the braces are not of the form {KEY: VALUE, KEY: VALUE}\n"
	static const struct {
		const char *faults[MOST_WORDS];
		const char *expected;
	} cases[] = {
		{{"jitter=5ms"}, "jitter=5ms: `jitter` without `delay`\n"},
		{{"loss={gemodel: {p: 1%, r: 10%}"}, "loss={gemodel: {p: 1%, r: 10%}: " FORM},
		{{"loss={"}, "loss={: " FORM},
		{{"loss={a"}, "loss={a: " FORM},
		{{"loss={a:"}, "loss={a:: " FORM},
		{{"reorder={percent: 25%}x"}, "reorder={percent: 25%}x: " FORM},
		{{"loss={}"},
		 "loss={}: `loss` is an empty mapping, expected a percentage, {every: 10} or {gemodel: {p: "
		 "1%, r: "
		 "10%}}\n"},
		{{"loss={every: 5, every: 6}"}, "loss={every: 5, every: 6}: `every` is given twice\n"},
		{{"loss=foo:5"}, "loss=foo:5: unknown key of a loss `foo`\n"},
		{{"loss=gemodel:"}, "loss=gemodel:: no value, expected a mapping: a gemodel\n"},
		{{"reorder=percent=25%,x"}, "reorder=percent=25%,x: x is not of the form KEY=VALUE\n"},
		{{"reorder=percent=25%,percent=3%"},
		 "reorder=percent=25%,percent=3%: `percent` is given twice\n"},
		{{"delay={a: b}"},
		 "delay={a: b}: `delay` is a mapping, expected a duration such as 10s or 250ms\n"},
		/* A word that can't be read still is there for those that need it. */
		{{"delay={", "jitter=5ms"}, "delay={: " FORM},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_mistake(cases[i].faults, NULL, NULL, cases[i].expected);
}

/* ---- the words of tc-netem ---- */

static void netem(void **state)
{
	static const struct {
		const char *text, *step, *expected;
	} cases[] = {
		{"delay 100ms 10ms 25% loss 5% duplicate 1%", "delay",
		 "{\"loss\":\"5%\",\"delay\":\"100ms\",\"jitter\":\"10ms\",\"jitter_correlation\":\"25%\","
		 "\"duplicate\":\"1%\"}"},
		{"\t delay \n 100ms ", "delay", "{\"delay\":\"100ms\"}"},
		{"delay 100", "delay", "{\"delay\":\"100us\"}"},
		{"latency 100 20 30", "delay",
		 "{\"delay\":\"100us\",\"jitter\":\"20us\",\"jitter_correlation\":\"30%\"}"},
		{"d 1500usecs", "delay", "{\"delay\":\"1500us\"}"},
		{"del 0.1sec 1MSECS", "delay", "{\"delay\":\"0.1s\",\"jitter\":\"1ms\"}"},
		{"delay .5ms", "delay", "{\"delay\":\"0.5ms\"}"},
		{"delay 5.ms", "delay", "{\"delay\":\"5ms\"}"},
		{"delay 700nsec", "delay", "{\"delay\":\"700ns\"}"},
		{"distribution pareto delay 100ms 10ms", "delay",
		 "{\"delay\":\"100ms\",\"jitter\":\"10ms\",\"distribution\":\"pareto\"}"},
		{"loss random 5 25", "loss", "{\"loss\":\"5%\",\"loss_correlation\":\"25%\"}"},
		{"loss 5% 25%", "loss", "{\"loss\":\"5%\",\"loss_correlation\":\"25%\"}"},
		{"drop 5", "loss", "{\"loss\":\"5%\"}"},
		{"loss gemodel 1%", "loss", "{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"99%\"}}}"},
		{"loss gemodel 2.5 10", "loss", "{\"loss\":{\"gemodel\":{\"p\":\"2.5%\",\"r\":\"10%\"}}}"},
		{"loss gemodel 1% 10% 90%", "loss",
		 "{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"10%\",\"bad\":\"90%\"}}}"},
		{"loss gemodel 1% 10% 90% 0.1% corrupt 1", "loss",
		 "{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"10%\",\"bad\":\"90%\",\"good\":\"0.1%\"}},"
		 "\"corrupt\":"
		 "\"1%\"}"},
		{"corrupt 0.1% 5", "corrupt", "{\"corrupt\":\"0.1%\",\"corrupt_correlation\":\"5%\"}"},
		{"c 1 du 2 3", "corrupt",
		 "{\"duplicate\":\"2%\",\"duplicate_correlation\":\"3%\",\"corrupt\":\"1%\"}"},
		{"delay 10ms reorder 25% 50%", "delay",
		 "{\"delay\":\"10ms\",\"reorder\":\"25%\",\"reorder_correlation\":\"50%\"}"},
		{"gap 5 delay 10ms reorder 25", "delay",
		 "{\"delay\":\"10ms\",\"reorder\":{\"percent\":\"25%\",\"gap\":5}}"},
		{"delay 10ms reorder 25% gap 0", "delay", "{\"delay\":\"10ms\",\"reorder\":\"25%\"}"},
		{"rate 1mbit", "rate", "{\"rate\":\"1mbit\"}"},
		{"rate 1000000 loss 1%", "rate", "{\"loss\":\"1%\",\"rate\":\"1000000bit\"}"},
		{"ra 100KBps", "rate", "{\"rate\":\"100KBps\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check_words(NULL, cases[i].text, cases[i].step, cases[i].expected);
}

static void netem_that_is_refused(void **state)
{
#define AT(n) "--netem, word " #n ": "
#define GONE " is not available: "
	static const char overheads[] = "there are no overheads and cells, the Ethernet frame counts\n";
	static const char capacity[] =
		"the line's capacity is computed from delay and rate; what it can't hold is "
		"counted apart\n";
	static const struct {
		const char *text, *expected, *more;
	} cases[] = {
		{"", "--netem: no words, expected such as 'delay 100ms 10ms loss 5%'\n", ""},
		{"foo", AT(1) "foo is no word of netem\n", ""},
		{"dilay 5ms", AT(1) "dilay is no word of netem, did you mean `delay`?\n", ""},
		{"netem delay 5ms", AT(1) "netem is no word of netem\n", ""},
		{"delay", AT(1) "`delay` needs a time behind it\n", ""},
		{"delay 10xs",
		 AT(2) "10xs is no time, expected a number with s, ms, us or ns (us without any)\n", ""},
		{"delay ms", AT(2) "ms is no time, expected a number with s, ms, us or ns (us without any)\n",
		 ""},
		{"delay 0", AT(2) "0us is too short, expected more than 0s\n", ""},
		{"delay 61s", AT(2) "a packet would wait up to 1m1s, expected 60s at most\n", ""},
		{"delay 100ms 200ms",
		 AT(3) "`jitter: 200ms` is more than `delay: 100ms`, expected at most as much\n", ""},
		{"delay 10ms 5ms 150%", AT(4) "150% is out of range, expected 0% to 100%\n", ""},
		{"delay 10ms delay 5ms", AT(4) "`delay` is given twice\n", ""},
		{"delay 10ms latency 5ms", AT(4) "`delay` is given twice\n", ""},
		{"delay 100ms distribution normal", AT(4) "`distribution` without `jitter`\n", ""},
		{"delay 100ms 10ms distribution experimental",
		 AT(5) "experimental is not known, expected uniform, normal, pareto or paretonormal\n", ""},
		{"limit 1000 delay 10ms", AT(1) "`limit`" GONE, capacity},
		{"l 5", AT(1) "`limit`" GONE, capacity},
		{"loss", AT(1) "`loss` needs a percentage, `random` or `gemodel` behind it\n", ""},
		{"loss foo", AT(2) "foo is no loss, expected a percentage, `random` or `gemodel`\n", ""},
		{"loss random x", AT(3) "x is no percentage, expected such as 5% or 5\n", ""},
		{"loss 5x", AT(2) "5x is no percentage, expected such as 5% or 5\n", ""},
		{"loss 101", AT(2) "101% is out of range, expected more than 0% and at most 100%\n", ""},
		{"loss 5% drop 6%", AT(4) "`loss` is given twice\n", ""},
		{"loss state 1%",
		 AT(2) "`loss state`" GONE
		       "of the Markov models there is the one of two states, `loss gemodel`\n",
		 ""},
		{"loss gemodel", AT(2) "`loss` needs a percentage behind it\n", ""},
		{"loss 1% ecn", AT(3) "`ecn`" GONE "packets are lost, not marked\n", ""},
		{"slot 800us", AT(1) "`slot`" GONE "packets are not gathered in slots\n", ""},
		{"gap 5 delay 10ms", AT(2) "`gap` without `reorder`\n", ""},
		{"delay 10ms reorder 5 gap x",
		 AT(6) "x is no number, expected a whole number from 1 to 4294967295\n", ""},
		{"reorder 25%",
		 AT(2) "`reorder` without `delay`, expected one, or such as {percent: 25%, by: 3ms}\n", ""},
		{"reorder 5 reorder 6", AT(3) "`reorder` is given twice\n", ""},
		{"rate fast", AT(2) "fast is no rate, expected such as 1mbit\n", ""},
		{"rate 0", AT(2) "0bit is out of range, expected more than 0bit and at most 1tbit\n", ""},
		{"rate 5%",
		 AT(2) "`5%`" GONE "the interface's speed is not known here, expected such as 1mbit\n", ""},
		{"rate 5kbit 20", AT(3) "`20`" GONE, overheads},
		{"rate 5kbit -20 100 5", AT(3) "`-20`" GONE, overheads},
		{"delay 10ms seed 1 seed 2", AT(5) "`seed` is given twice\n", ""},
		{"delay 10ms seed x",
		 AT(4) "x is no number, expected a whole number from 0 to 9223372036854775807\n", ""},
		{"delay 10ms \xff",
		 "--netem: a byte that is no UTF-8 in the value, expected plain UTF-8 text\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char expected[256];

		snprintf(expected, sizeof(expected), "%s%s", cases[i].expected, cases[i].more);
		check_mistake(NULL, cases[i].text, NULL, expected);
	}
}

static void netem_beside_words(void **state)
{
	static const char *const loss[] = {"loss=gemodel:p=1%,r=10%", NULL},
				 *const jitter[] = {"jitter=5ms", NULL}, *const delay[] = {"delay=5ms", NULL};

	(void)state;
	check_words(loss, "delay 10ms", "delay",
		    "{\"loss\":{\"gemodel\":{\"p\":\"1%\",\"r\":\"10%\"}},\"delay\":\"10ms\"}");
	check_words(jitter, "delay 10ms", "delay", "{\"delay\":\"10ms\",\"jitter\":\"5ms\"}");
	check_mistake(delay, "delay 10ms", NULL, "delay=5ms: `delay` is given twice\n");
	check_mistake(jitter, "foo", NULL, "--netem, word 1: foo is no word of netem\n");
	check_mistake(NULL, "delay 10ms seed 1", "2",
		      "--netem, word 4: `seed` beside --seed, expected the one or the other\n");
}

static void netem_seed(void **state)
{
	struct scenario_errors errors;
	struct plan *plan;

	(void)state;
	assert_int_equal(parse_words(NULL, "seed 42 delay 10ms", NULL, &plan, &errors), 0);
	assert_true(plan->seed_given);
	assert_int_equal(plan->seed, 42);
	plan_free(plan);
	assert_int_equal(parse_words(NULL, "delay 10ms", "7", &plan, &errors), 0);
	assert_int_equal(plan->seed, 7);
	plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(hooks),
		cmocka_unit_test(words),
		cmocka_unit_test(words_that_are_wrong),
		cmocka_unit_test(netem),
		cmocka_unit_test(netem_that_is_refused),
		cmocka_unit_test(netem_beside_words),
		cmocka_unit_test(netem_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
