/* SPDX-License-Identifier: BSD-2-Clause */
/* Expectations and waits on samples that are made up: which way each is decided, by what, and when. */
#include "unit/conditions_scene.h"

#include "drill/expect.h"
#include "drill/waits.h"

#define NEVER_CALL (-1.0)

static double seconds(uint64_t ns)
{
	return ns == UINT64_MAX ? NEVER_CALL : (double)(int64_t)(ns - ZERO) / 1e9;
}

/* "2+ 2.5- 3r": at 2 s a healthy sample, at 2.5 s an unhealthy one, at 3 s expect_run(). */
static void play(struct conditions_scene *s, struct expect *e, enum plan_expect_what kind, size_t index,
		 const char *script)
{
	char *end;

	for (const char *c = script; *c; c = *end ? end + 1 : end) {
		double when = strtod(c, &end);
		char what = *end++;

		if (what == 'r') {
			expect_run(e, at(when));
		} else {
			struct probe_sample sample =
				scene_sample(s, kind == EXPECT_WATCH, index, when, what == '+');

			expect_sample(e, kind, &sample);
		}
	}
}

struct one {
	const char *what; /* why it is so */
	enum plan_expect_what kind;
	size_t index;
	enum plan_expect_how how;
	bool healthy, again;
	uint32_t count;
	const char *script;
	int pass; /* -1: nothing is decided */
	double decided;
	unsigned samples;
	const char *seen;
};

/* The window is from 2 s to 5 s. */
static void check_one(void **state, const struct one *o)
{
	char expected[512];
	struct conditions_scene s;
	struct expect *e;
	char *log;

	scene_prepare(&s, state);
	scene_step(&s, "hope", STEP_EXPECT, 2, 3)->expect = (struct plan_expect){.what = o->kind,
										 .how = o->how,
										 .index = o->index,
										 .healthy = o->healthy,
										 .again = o->again,
										 .count = o->count ?: 1};
	s.steps[0].fault.text = (char *)"{\"expect\":\"x\"}";
	scene_begin(&s);
	assert_int_equal(expect_open(&s.plan, &s.timetable, &s.ops, &s.journal, &e), 0);
	scene_zero(&s, 0, -1, 0);
	play(&s, e, o->kind, o->index, o->script);
	if (expect_all_done(e) != (o->pass >= 0))
		fail_msg("%s: it is %sdecided", o->what, o->pass >= 0 ? "not " : "");
	expect_close(e);
	log = scene_end(&s);
	if (o->pass >= 0) {
		assert_int_equal(s.started[STATE] + s.started[LINES], 0);
		snprintf(expected, sizeof(expected),
			 "\"type\":\"expect.%s\",\"step\":\"hope\",\"instance\":1,\"data\":{\"expectation\":"
			 "{\"expect\":\"x\"},\"how\":\"%s\",\"opens_ns\":%" PRIu64 ",\"closes_ns\":%" PRIu64
			 ",\"decided_ns\":%" PRIu64 ",\"samples\":%u,\"seen\":\"%s\",",
			 o->pass ? "pass" : "fail",
			 o->how == EXPECT_WITHIN  ? "within"
			 : o->how == EXPECT_NEVER ? "never"
						  : "throughout",
			 at(2), at(5), at(o->decided), o->samples, o->seen);
		if (!strstr(log, expected))
			fail_msg("%s:\n%s\nis not in\n%s", o->what, expected, log);
	}
	assert_int_equal(count_of(log, "\"type\":\"expect."), o->pass >= 0);
	free(log);
	scene_forget(&s);
}

static void each_kind(void **state)
{
	static const struct one cases[] = {
		{"a sample in it", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0, "2r 2.5- 3+", 1, 3, 2,
		 "healthy"},
		{"the state meant may be the unhealthy one", EXPECT_PROBE, API, EXPECT_WITHIN, false, false,
		 0, "2r 2.5+ 3-", 1, 3, 2, "unhealthy: refused"},
		{"the opening is part of it", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0, "2+", 1, 2, 1,
		 "healthy"},
		{"and the end", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0, "2r 5+", 1, 5, 1,
		 "healthy"},
		{"before and behind are not", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0,
		 "1.999999999+ 2r 5.000000001+ 5.1r", 0, 5, 0, "no sample"},
		{"not to be decided early", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0,
		 "2r 3- 4.999999999r", -1, 0, 0, NULL},
		{"nothing but the contrary", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0, "2r 3- 4- 5r",
		 0, 5, 2, "unhealthy: refused"},
		{"a loop that is late for all of it", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0, "9r",
		 0, 5, 0, "no sample"},
		{"a late loop, and a sample of in time", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0,
		 "4+ 9r", 1, 4, 1, "healthy"},
		{"only the first decides", EXPECT_PROBE, API, EXPECT_WITHIN, true, false, 0, "3+ 4- 9r", 1, 3,
		 1, "healthy"},
		{"again: it never was otherwise", EXPECT_PROBE, API, EXPECT_WITHIN, true, true, 0,
		 "1- 2r 2.5+ 3+ 5r", 0, 5, 2, "healthy, and never otherwise before"},
		{"again: it was", EXPECT_PROBE, API, EXPECT_WITHIN, true, true, 0, "2r 2.5+ 3- 3.5- 4+", 1, 4,
		 4, "healthy"},
		{"again: and did not come back", EXPECT_PROBE, API, EXPECT_WITHIN, true, true, 0,
		 "2r 2.5+ 3- 5r", 0, 5, 2, "unhealthy: refused"},
		{"again: already at the opening", EXPECT_PROBE, API, EXPECT_WITHIN, true, true, 0, "2- 3+", 1,
		 3, 2, "healthy"},
		{"again: what is told late is not behind it", EXPECT_PROBE, TRADER, EXPECT_WITHIN, true, true,
		 0, "3- 2.5+ 3.5+", 1, 3.5, 3, "healthy"},
		{"again: behind the first that says otherwise", EXPECT_PROBE, TRADER, EXPECT_WITHIN, true,
		 true, 0, "3- 4- 3.5+", 1, 3.5, 3, "healthy"},
		{"throughout: all of them", EXPECT_PROBE, API, EXPECT_THROUGHOUT, true, false, 0,
		 "1- 2r 2+ 3+ 5+ 5r", 1, 5, 3, "healthy"},
		{"throughout: all but one", EXPECT_PROBE, API, EXPECT_THROUGHOUT, true, false, 0,
		 "2r 2+ 3- 4+", 0, 3, 2, "unhealthy: refused"},
		{"throughout: the last", EXPECT_PROBE, API, EXPECT_THROUGHOUT, true, false, 0, "2r 2+ 5-", 0,
		 5, 2, "unhealthy: refused"},
		{"throughout: what comes behind is no part", EXPECT_PROBE, API, EXPECT_THROUGHOUT, true,
		 false, 0, "2r 2+ 5.1- 5.2r", 1, 5, 1, "healthy"},
		{"throughout: nothing seen", EXPECT_PROBE, API, EXPECT_THROUGHOUT, true, false, 0, "2r 5r", 0,
		 5, 0, "no sample"},
		{"never: none was", EXPECT_PROBE, API, EXPECT_NEVER, false, false, 0, "1- 2r 3+ 4+ 5r", 1, 5,
		 2, "healthy"},
		{"never: one was", EXPECT_PROBE, API, EXPECT_NEVER, false, false, 0, "2r 3+ 4-", 0, 4, 2,
		 "unhealthy: refused"},
		{"never: nothing seen is no proof", EXPECT_PROBE, API, EXPECT_NEVER, false, false, 0, "2r 5r",
		 0, 5, 0, "no sample"},
		{"a watch", EXPECT_WATCH, STATE, EXPECT_WITHIN, true, false, 0, "2r 2.2- 2.4+", 1, 2.4, 2,
		 "it holds"},
		{"a watch that says no", EXPECT_WATCH, STATE, EXPECT_WITHIN, true, false, 0, "2r 2.2- 5r", 0,
		 5, 1, "refused"},
		{"a log's lines are waited for", EXPECT_PROBE, TRADER, EXPECT_WITHIN, true, false, 0,
		 "2r 3- 5.999r", -1, 0, 0, NULL},
		{"a log's line of in time, read late", EXPECT_PROBE, TRADER, EXPECT_WITHIN, true, false, 0,
		 "2r 3- 5.5r 4.9+", 1, 4.9, 2, "healthy"},
		{"one that is behind the end", EXPECT_PROBE, TRADER, EXPECT_WITHIN, true, false, 0,
		 "2r 3- 5.5r 5.1+ 6r", 0, 5, 1, "unhealthy: refused"},
		{"throughout, by a log", EXPECT_PROBE, TRADER, EXPECT_THROUGHOUT, true, false, 0,
		 "2r 3+ 5.9r 4.9- 6r", 0, 4.9, 2, "unhealthy: refused"},
		{"a line", EXPECT_WATCH, LINES, EXPECT_WITHIN, true, false, 0, "1+ 2r 3+", 1, 3, 1, "1 line"},
		{"three lines, one of them read too late", EXPECT_WATCH, LINES, EXPECT_WITHIN, true, false, 3,
		 "2r 3+ 3+ 7r 4+", 0, 5, 2, "2 lines"},
		{"three lines, one of them read late", EXPECT_WATCH, LINES, EXPECT_WITHIN, true, false, 3,
		 "2r 3+ 3+ 6.9r 4+", 1, 4, 3, "3 lines"},
		{"three lines, one behind the end", EXPECT_WATCH, LINES, EXPECT_WITHIN, true, false, 3,
		 "2r 3+ 3+ 5.1+ 7r", 0, 5, 2, "2 lines"},
		{"no line", EXPECT_WATCH, LINES, EXPECT_WITHIN, true, false, 0, "2r 7r", 0, 5, 0, "no line"},
		{"never a line: waited for twice `every`", EXPECT_WATCH, LINES, EXPECT_NEVER, true, false, 0,
		 "2r 6.999r", -1, 0, 0, NULL},
		{"never a line: none", EXPECT_WATCH, LINES, EXPECT_NEVER, true, false, 0, "1+ 2r 5.1+ 7r", 1,
		 5, 0, "no line"},
		{"never a line: one, read late", EXPECT_WATCH, LINES, EXPECT_NEVER, true, false, 0,
		 "2r 6.9r 4.9+", 0, 4.9, 1, "1 line"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_one(state, &cases[i]);
}

static void is_of_others(void **state)
{
	struct conditions_scene s;
	struct expect *e;

	scene_prepare(&s, state);
	scene_step(&s, "hope", STEP_EXPECT, 2, 3)->expect = (struct plan_expect){
		.what = EXPECT_PROBE, .how = EXPECT_WITHIN, .index = API, .healthy = true, .count = 1};
	scene_begin(&s);
	assert_int_equal(expect_open(&s.plan, &s.timetable, &s.ops, &s.journal, &e), 0);
	play(&s, e, EXPECT_PROBE, API, "3+"); /* no zero yet */
	scene_zero(&s, 0, -1, 0);
	play(&s, e, EXPECT_PROBE, TRADER, "3+");
	play(&s, e, EXPECT_WATCH, API, "3+");
	assert_false(expect_all_done(e));
	expect_close(e);
	free(scene_end(&s));
}

/* Windows of several expectations, each with its watch started and stopped, and called when it is due. */
static void windows_follow(void **state)
{
	struct conditions_scene s;
	struct plan_step *step;
	struct expect *e;
	char *log;

	scene_prepare(&s, state);
	scene_step(&s, "later", STEP_EXPECT, 6, 1)->expect = (struct plan_expect){
		.what = EXPECT_PROBE, .how = EXPECT_WITHIN, .index = API, .healthy = true, .count = 1};
	step = scene_step(&s, "hope", STEP_EXPECT, 2, 3);
	step->window.times = 2;
	step->window.every_ns = 10 * NS_PER_S;
	step->expect = (struct plan_expect){
		.what = EXPECT_WATCH, .how = EXPECT_WITHIN, .index = STATE, .healthy = true, .count = 1};
	scene_begin(&s);
	assert_int_equal(expect_open(&s.plan, &s.timetable, &s.ops, &s.journal, &e), 0);
	assert_true(seconds(expect_run(e, at(0))) == NEVER_CALL);
	scene_zero(&s, 0, -1, 0);
	assert_true(seconds(expect_run(e, at(0))) == 2);
	assert_int_equal(s.starts, 0);
	assert_true(seconds(expect_run(e, at(2))) == 2); /* the watch has been started: it is to be run */
	assert_int_equal(s.started[STATE], 1);
	assert_true(seconds(expect_run(e, at(2))) == 5);
	play(&s, e, EXPECT_WATCH, STATE, "3+");
	assert_int_equal(s.started[STATE], 0);
	assert_true(seconds(expect_run(e, at(3))) == 6);
	assert_true(seconds(expect_run(e, at(6))) == 7);
	play(&s, e, EXPECT_PROBE, API, "6.5+");
	assert_true(seconds(expect_run(e, at(12))) == 12);
	play(&s, e, EXPECT_WATCH, STATE, "12.5-");
	assert_true(seconds(expect_run(e, at(15))) == NEVER_CALL);
	assert_int_equal(s.starts, 2);
	assert_int_equal(s.started[STATE], 0);
	assert_true(expect_all_done(e));
	expect_close(e);
	log = scene_end(&s);
	assert_has(log, "\"type\":\"expect.pass\",\"step\":\"hope\",\"instance\":1");
	assert_has(log, "\"type\":\"expect.pass\",\"step\":\"later\",\"instance\":1");
	assert_has(log, "\"type\":\"expect.fail\",\"step\":\"hope\",\"instance\":2");
	free(log);
}

static void compares_counters(void **state)
{
	static const struct {
		enum plan_compare_op op;
		enum plan_expect_how how;
		uint64_t value;
		bool pass;
	} cases[] = {
		{COMPARE_ABOVE, EXPECT_WITHIN, 11, true},      {COMPARE_ABOVE, EXPECT_WITHIN, 10, false},
		{COMPARE_BELOW, EXPECT_WITHIN, 9, true},       {COMPARE_BELOW, EXPECT_WITHIN, 10, false},
		{COMPARE_AT_LEAST, EXPECT_WITHIN, 10, true},   {COMPARE_AT_LEAST, EXPECT_WITHIN, 9, false},
		{COMPARE_AT_MOST, EXPECT_WITHIN, 10, true},    {COMPARE_AT_MOST, EXPECT_WITHIN, 11, false},
		{COMPARE_EQUALS, EXPECT_WITHIN, 10, true},     {COMPARE_EQUALS, EXPECT_WITHIN, 0, false},
		{COMPARE_AT_MOST, EXPECT_THROUGHOUT, 3, true}, {COMPARE_ABOVE, EXPECT_NEVER, 11, false},
		{COMPARE_ABOVE, EXPECT_NEVER, 10, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conditions_scene s;
		char words[64];
		struct expect *e;
		char *log;

		scene_prepare(&s, state);
		scene_step(&s, "loss", STEP_FAULT, 0, 5);
		scene_step(&s, "hope", STEP_EXPECT, 2, 3)->expect =
			(struct plan_expect){.what = EXPECT_COUNTER,
					     .how = cases[i].how,
					     .index = 0,
					     .healthy = true,
					     .counter = (char *)"dropped",
					     .compare = {.op = cases[i].op, .number = 10}};
		scene_begin(&s);
		assert_int_equal(expect_open(&s.plan, &s.timetable, &s.ops, &s.journal, &e), 0);
		scene_zero(&s, 0, -1, 0);
		s.counter = cases[i].value;
		expect_run(e, at(5));
		assert_false(expect_all_done(e)); /* packets may be under way */
		expect_run(e, at(5.1));
		assert_string_equal(s.asked, "dropped of loss");
		expect_close(e);
		log = scene_end(&s);
		snprintf(words, sizeof(words),
			 "\"samples\":1,\"seen\":\"%" PRIu64 " dropped\",\"value\":%" PRIu64, cases[i].value,
			 cases[i].value);
		assert_has(log, words);
		assert_int_equal(count_of(log, "expect.pass"), cases[i].pass);
		assert_int_equal(count_of(log, "expect.fail"), !cases[i].pass);
		free(log);
		scene_forget(&s);
	}
}

static void unknown_counter_fails(void **state)
{
	static const enum plan_expect_how hows[] = {EXPECT_WITHIN, EXPECT_NEVER};

	for (size_t i = 0; i < 2; i++) {
		struct conditions_scene s;
		struct expect *e;
		char *log;

		scene_prepare(&s, state);
		scene_step(&s, "hope", STEP_EXPECT, 2, 3)->expect =
			(struct plan_expect){.what = EXPECT_COUNTER,
					     .how = hows[i],
					     .healthy = true,
					     .counter = (char *)"dropped",
					     .compare = {.op = COMPARE_AT_LEAST}};
		scene_begin(&s);
		assert_int_equal(expect_open(&s.plan, &s.timetable, &s.ops, &s.journal, &e), 0);
		scene_zero(&s, 0, -1, 0);
		s.counter_unknown = true;
		expect_run(e, at(6));
		expect_close(e);
		log = scene_end(&s);
		assert_has(log, "expect.fail");
		assert_has(log, "\"seen\":\"it can't be read\",\"value\":null");
		free(log);
		scene_forget(&s);
	}
}

/* Each is decided once, whatever ends the run: also what had no time yet, and what waits for late lines. */
static void ends_undecided(void **state)
{
	struct conditions_scene s;
	struct expect *e;
	char *log;

	scene_prepare(&s, state);
	scene_step(&s, "open", STEP_EXPECT, 2, 30)->expect =
		(struct plan_expect){.what = EXPECT_WATCH, .index = STATE, .healthy = true, .count = 1};
	scene_step(&s, "silent", STEP_EXPECT, 2, 3)->expect = (struct plan_expect){
		.what = EXPECT_WATCH, .how = EXPECT_NEVER, .index = LINES, .healthy = true};
	scene_step(&s, "decided", STEP_EXPECT, 2, 3)->expect =
		(struct plan_expect){.what = EXPECT_PROBE, .index = API, .healthy = true, .count = 1};
	scene_step(&s, "behind a wait", STEP_EXPECT, 40, 3)->expect =
		(struct plan_expect){.what = EXPECT_PROBE, .index = API, .healthy = true, .count = 1};
	scene_begin(&s);
	assert_int_equal(expect_open(&s.plan, &s.timetable, &s.ops, &s.journal, &e), 0);
	scene_zero(&s, 0, 40, 0);
	play(&s, e, EXPECT_PROBE, API, "2r 3+ 5.5r");
	expect_cut(e, at(6));
	expect_cut(e, at(7));
	assert_true(expect_all_done(e));
	assert_int_equal(s.started[STATE], 0);
	expect_close(e);
	log = scene_end(&s);
	assert_int_equal(count_of(log, "\"type\":\"expect."), 4);
	assert_int_equal(count_of(log, "\"type\":\"expect.pass\",\"step\":\"decided\""), 1);
	assert_int_equal(count_of(log, "\"seen\":\"the run ended before\""), 3);
	assert_has(
		log,
		"\"step\":\"behind a wait\",\"instance\":1,\"data\":{\"expectation\":{},\"how\":\"within\","
		"\"opens_ns\":null,\"closes_ns\":null,");
	free(log);
}

/* ---- waits ---- */

struct wait_scene {
	struct conditions_scene s;
	struct expect *expect;
	struct waits *waits;
};

static struct plan_step *add_wait(struct conditions_scene *s, const char *name, double at_s,
				  enum plan_expect_what kind, size_t index, bool healthy)
{
	struct plan_step *step = scene_step(s, name, STEP_WAIT, at_s, 0);

	step->expect = (struct plan_expect){.what = kind,
					    .how = EXPECT_WITHIN,
					    .index = index,
					    .healthy = healthy,
					    .count = 1,
					    .timeout_ns = 10 * NS_PER_S};
	return step;
}

static void begin_waits(struct wait_scene *w)
{
	scene_begin(&w->s);
	assert_int_equal(expect_open(&w->s.plan, &w->s.timetable, &w->s.ops, &w->s.journal, &w->expect), 0);
	assert_int_equal(waits_open(&w->s.plan, &w->s.ops, &w->s.journal, &w->waits), 0);
}

static void set_zero(struct wait_scene *w, double zero_s)
{
	timetable_set_zero(&w->s.timetable, at(zero_s), waits_next_span(w->waits));
	waits_set_zero(w->waits, at(zero_s));
}

static char *end_waits(struct wait_scene *w)
{
	waits_close(w->waits);
	expect_close(w->expect);
	return scene_end(&w->s);
}

static enum wait_state due(struct wait_scene *w, double when, const char *name)
{
	const struct plan_step *step;
	enum wait_state state = waits_due(w->waits, at(when), &step);

	if (name)
		assert_string_equal(step->name, name);
	else
		assert_null(step);
	return state;
}

static void give(struct wait_scene *w, enum plan_expect_what kind, size_t index, double when, bool healthy)
{
	struct probe_sample sample = scene_sample(&w->s, kind == EXPECT_WATCH, index, when, healthy);

	expect_sample(w->expect, kind, &sample);
	waits_sample(w->waits, kind, &sample);
}

static void time_stands_still(void **state)
{
	struct wait_scene w;
	struct plan_step *step;
	char *log;

	scene_prepare(&w.s, state);
	add_wait(&w.s, "up", 10, EXPECT_PROBE, API, true);
	add_wait(&w.s, "file", 10, EXPECT_WATCH, STATE, true);
	step = scene_step(&w.s, "behind", STEP_EXPECT, 12, 2);
	step->expect = (struct plan_expect){.what = EXPECT_PROBE, .index = API, .healthy = true, .count = 1};
	scene_step(&w.s, "fault", STEP_FAULT, 3, 4);
	begin_waits(&w);
	set_zero(&w, 0);
	assert_int_equal(due(&w, 9.9, NULL), WAIT_NONE);
	give(&w, EXPECT_PROBE, API, 9.9, true); /* too early */
	assert_int_equal(due(&w, 10, "up"), WAIT_PENDING);
	give(&w, EXPECT_PROBE, API, 13, false);
	assert_int_equal(due(&w, 13, "up"), WAIT_PENDING);
	expect_run(w.expect, at(13)); /* it would have opened */
	assert_true(w.s.timetable.items[w.s.timetable.first[2]].opens == UINT64_MAX);
	give(&w, EXPECT_PROBE, API, 15, true);
	assert_int_equal(due(&w, 15, "up"), WAIT_FULFILLED);
	assert_int_equal(due(&w, 15.1, "up"), WAIT_FULFILLED); /* as long as nobody takes notice */
	assert_true(waits_next_span(w.waits).from_ns == 10 * NS_PER_S);
	assert_true(waits_next_span(w.waits).until_ns == 10 * NS_PER_S);
	set_zero(&w, 5.5);
	assert_false(waits_all_done(w.waits));
	assert_int_equal(due(&w, 15.4, NULL), WAIT_NONE);
	assert_int_equal(due(&w, 15.5, "file"), WAIT_PENDING);
	assert_int_equal(w.s.started[STATE], 1);
	give(&w, EXPECT_WATCH, STATE, 16, true);
	assert_int_equal(w.s.started[STATE], 0);
	assert_int_equal(due(&w, 16, "file"), WAIT_FULFILLED);
	set_zero(&w, 6.5);
	assert_true(waits_all_done(w.waits));
	assert_int_equal(due(&w, 100, NULL), WAIT_NONE);
	assert_true(seconds(w.s.timetable.items[w.s.timetable.first[2]].opens) == 18.5);
	assert_true(seconds(w.s.timetable.items[w.s.timetable.first[3]].opens) == 3); /* it has been */
	give(&w, EXPECT_PROBE, API, 18.4, true);
	assert_false(expect_all_done(w.expect));
	give(&w, EXPECT_PROBE, API, 18.5, true);
	assert_true(expect_all_done(w.expect));
	log = end_waits(&w);
	assert_int_equal(count_of(log, "\"type\":\"step.start\""), 2);
	assert_has(log, "\"type\":\"step.end\",\"step\":\"up\",\"data\":{\"kind\":\"wait\",\"result\":"
			"\"fulfilled\",\"samples\":2,\"seen\":\"healthy\"}");
	free(log);
}

static void wait_times_out(void **state)
{
	struct wait_scene w;
	char why[128], *log;

	scene_prepare(&w.s, state);
	add_wait(&w.s, "up", 10, EXPECT_PROBE, API, true);
	begin_waits(&w);
	set_zero(&w, 0);
	give(&w, EXPECT_PROBE, API, 12, false);
	assert_int_equal(due(&w, 19.9, "up"), WAIT_PENDING);
	give(&w, EXPECT_PROBE, API, 20.1, true); /* too late */
	assert_int_equal(due(&w, 20.1, "up"), WAIT_TIMED_OUT);
	assert_int_equal(due(&w, 21, "up"), WAIT_TIMED_OUT);
	waits_why(w.waits, why, sizeof(why));
	assert_string_equal(why, "the wait up was not fulfilled within 10s: unhealthy: refused");
	waits_cut(w.waits, at(22));
	log = end_waits(&w);
	assert_int_equal(count_of(log, "\"result\":\"timed out\""), 1);
	assert_int_equal(count_of(log, "\"type\":\"step.end\""), 1);
	free(log);
}

/* What is seen at the last moment counts, also by a loop that comes late, and lines that are read late. */
static void wait_ends_in_time(void **state)
{
	struct wait_scene w;

	scene_prepare(&w.s, state);
	add_wait(&w.s, "up", 10, EXPECT_PROBE, API, true);
	begin_waits(&w);
	set_zero(&w, 0);
	give(&w, EXPECT_PROBE, API, 20, true);
	assert_int_equal(due(&w, 30, "up"), WAIT_FULFILLED);
	free(end_waits(&w));
	scene_forget(&w.s);
	scene_prepare(&w.s, state);
	add_wait(&w.s, "line", 10, EXPECT_WATCH, LINES, true)->expect.count = 2;
	begin_waits(&w);
	set_zero(&w, 0);
	assert_int_equal(due(&w, 21.9, "line"), WAIT_PENDING);
	assert_int_equal(w.s.starts, 0); /* a log is followed all the time */
	give(&w, EXPECT_WATCH, LINES, 12, true);
	assert_int_equal(due(&w, 21.9, "line"), WAIT_PENDING);
	give(&w, EXPECT_WATCH, LINES, 12, true);
	assert_int_equal(due(&w, 21.9, "line"), WAIT_FULFILLED);
	free(end_waits(&w));
}

static void wait_for_counter(void **state)
{
	struct wait_scene w;
	struct plan_step *step;
	char why[128];

	scene_prepare(&w.s, state);
	scene_step(&w.s, "loss", STEP_FAULT, 0, 5);
	step = add_wait(&w.s, "dropped", 10, EXPECT_COUNTER, 0, true);
	step->expect.counter = (char *)"dropped";
	step->expect.compare = (struct plan_compare){.op = COMPARE_AT_LEAST, .number = 3};
	begin_waits(&w);
	set_zero(&w, 0);
	w.s.counter = 2;
	assert_int_equal(due(&w, 10, "dropped"), WAIT_PENDING);
	assert_int_equal(due(&w, 11, "dropped"), WAIT_PENDING);
	w.s.counter = 3;
	assert_int_equal(due(&w, 12, "dropped"), WAIT_FULFILLED);
	free(end_waits(&w));
	scene_forget(&w.s);
	begin_waits(&w);
	set_zero(&w, 0);
	w.s.counter = 2;
	due(&w, 10, "dropped");
	due(&w, 11, "dropped");
	assert_int_equal(due(&w, 20.1, "dropped"), WAIT_TIMED_OUT);
	waits_why(w.waits, why, sizeof(why));
	assert_string_equal(why, "the wait dropped was not fulfilled within 10s: 2 dropped");
	free(end_waits(&w));
}

static void wait_is_cut(void **state)
{
	struct wait_scene w;
	char *log;

	scene_prepare(&w.s, state);
	add_wait(&w.s, "file", 10, EXPECT_WATCH, STATE, true);
	begin_waits(&w);
	set_zero(&w, 0);
	due(&w, 10, "file");
	assert_int_equal(w.s.started[STATE], 1);
	waits_cut(w.waits, at(11));
	assert_int_equal(w.s.started[STATE], 0);
	log = end_waits(&w);
	assert_has(log, "\"result\":\"cut\",\"samples\":0,\"seen\":\"no sample\"}");
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_kind, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(is_of_others, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(windows_follow, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(compares_counters, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(unknown_counter_fails, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(ends_undecided, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(time_stands_still, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(wait_times_out, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(wait_ends_in_time, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(wait_for_counter, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(wait_is_cut, run_dir_setup, run_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
