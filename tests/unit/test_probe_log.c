/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log probe: which lines are samples, and of which time. The clocks are the test's own: the time of reading is
 * what probes_run() is given, and the offset between the clocks what probe_loop points to.
 */
#include "unit/work_dir.h"

#include <inttypes.h>

#include "base/timeutil.h"
#include "drill/probes.h"

#define EVERY (100 * NS_PER_MS)
#define OFFSET INT64_C(1700000000000000000)
#define HEALTHY "state=\"?healthy"
#define UNHEALTHY "state=\"?unhealthy"
#define MOST_SAMPLES 4096

static struct probe_sample samples[MOST_SAMPLES];
static size_t n_samples, n_seen;
static int64_t offset_ns;
static uint64_t start; /* the probe's */

static void on_sample(void *arg, const struct probe_sample *sample)
{
	(void)arg;
	assert_true(n_samples < MOST_SAMPLES);
	samples[n_samples++] = *sample;
}

static int enter(void **state)
{
	n_samples = n_seen = 0;
	offset_ns = OFFSET;
	return work_dir_enter(state);
}

static int leave(void **state)
{
	if (unlink("log"))
		rmdir("log");
	unlink("log.1");
	return work_dir_leave(state);
}

#define append(...) write_text("log", "ae", __VA_ARGS__)

/* A line in the first form that is in use, `after` the probe's start by the clock that OFFSET tells. */
static void say(bool healthy, int64_t after_ns)
{
	append("[health] ts_ns=%" PRId64 " state=%s\n", OFFSET + (int64_t)start + after_ns,
	       healthy ? "healthy" : "unhealthy");
}

static struct probes *begin_with(const char *healthy, const char *unhealthy)
{
	struct plan_probe probe = {.name = (char *)"trader",
				   .kind = PROBE_LOG,
				   .every_ns = EVERY,
				   .path = (char *)"log",
				   .healthy = (char *)healthy,
				   .unhealthy = (char *)unhealthy};
	static struct plan_probe kept;
	const struct plan plan = {.probes = &kept, .n_probes = 1};
	const struct probe_loop loop = {-1, 0, &offset_ns, on_sample, NULL};
	struct probes *probes;

	kept = probe;
	start = clock_mono_ns();
	assert_int_equal(probes_open(&plan, plan.probes, plan.n_probes, &loop, &probes), 0);
	start = clock_mono_ns();
	return probes;
}

static struct probes *begin(void)
{
	return begin_with(HEALTHY, UNHEALTHY);
}

/* Read, so long after the start; returns how many samples came. */
static size_t read_at(struct probes *probes, uint64_t after_ns)
{
	uint64_t now = start + after_ns;

	n_seen = n_samples;
	while (probes_run(probes, now) <= now)
		;
	return n_samples - n_seen;
}

/* The sample that is `back` before the last one. */
static void check(size_t back, bool healthy, uint64_t after_ns, enum probe_source source, uint64_t stated_ns)
{
	const struct probe_sample *s = &samples[n_samples - 1 - back];

	assert_true(n_samples > back);
	assert_string_equal(s->probe->name, "trader");
	assert_int_equal(s->index, 0);
	assert_true(s->latency_ns == PROBE_NO_LATENCY);
	assert_int_equal(s->healthy, healthy);
	if (healthy)
		assert_null(s->error);
	else
		assert_string_equal(s->error, "unhealthy");
	assert_int_equal(s->mono_ns - start, after_ns);
	assert_int_equal(s->source, source);
	assert_int_equal(s->stated_ns, stated_ns);
}

static uint64_t stated(int64_t after_ns)
{
	return OFFSET + start + after_ns;
}

/* A log that repeats its state: its lines alone are samples. */
static struct probes *begin_repeating(void)
{
	append("state=healthy\nstate=healthy\n");
	return begin();
}

static void both_forms(void **state)
{
	struct probes *probes = begin_repeating();

	(void)state;
	assert_int_equal(read_at(probes, 0), 1);
	check(0, true, 0, PROBE_READ, 0);
	append("[health] ts_ns=%" PRIu64 " state=unhealthy\n", stated(10));
	append("ts_ns=%" PRIu64 " level=info app=simnow_probe event=started\n", stated(15));
	append("ts_ns=%" PRIu64 " level=warn app=simnow_probe event=health_status state=\"unhealthy\"\n",
	       stated(20));
	append("ts_ns=%" PRIu64 " level=info app=simnow_probe event=health_status state=\"healthy\"\n",
	       stated(30));
	append("[health] ts_ns=%" PRIu64 " state=healthy\n", stated(40));
	assert_int_equal(read_at(probes, EVERY), 4);
	check(3, false, 10, PROBE_LINE, stated(10));
	check(2, false, 20, PROBE_LINE, stated(20));
	check(1, true, 30, PROBE_LINE, stated(30));
	check(0, true, 40, PROBE_LINE, stated(40));
	for (int i = 0; i < 4; i++)
		assert_int_equal(samples[n_samples - 1 - i].changed, i % 2);
	assert_int_equal(read_at(probes, 2 * EVERY), 0);
	probes_close(probes);
}

/* `healthy` without an anchor matches "unhealthy", too. */
static void unhealthy_comes_first(void **state)
{
	struct probes *probes;

	(void)state;
	append("unhealthy\nunhealthy\n");
	probes = begin_with("healthy", "unhealthy");
	assert_int_equal(read_at(probes, 0), 1);
	check(0, false, 0, PROBE_READ, 0);
	append("healthy\nunhealthy\nneither\n");
	assert_int_equal(read_at(probes, EVERY), 2);
	check(1, true, EVERY, PROBE_READ, 0);
	check(0, false, EVERY, PROBE_READ, 0);
	probes_close(probes);
}

/* Anchors hold at the ends of the line, not of what stood in its place before. */
static void whole_lines(void **state)
{
	struct probes *probes;

	(void)state;
	append("up\nup\n");
	probes = begin_with("^up$", "^down$");
	assert_int_equal(read_at(probes, 0), 1);
	append("down and up\n");
	append("down\nup\r\nupdown\n up\n");
	assert_int_equal(read_at(probes, EVERY), 2);
	check(1, false, EVERY, PROBE_READ, 0);
	check(0, true, EVERY, PROBE_READ, 0);
	probes_close(probes);
}

static void only_when_due(void **state)
{
	struct probes *probes = begin_repeating();

	(void)state;
	read_at(probes, 0);
	say(true, 5);
	assert_int_equal(read_at(probes, EVERY / 2), 0);
	assert_int_equal(read_at(probes, EVERY + 1), 1);
	say(true, 2 * EVERY);
	assert_int_equal(read_at(probes, 7 * EVERY), 1);
	assert_true(probes_run(probes, start + 7 * EVERY) <= start + 8 * EVERY);
	probes_close(probes);
}

static void the_state_at_the_start(void **state)
{
	struct probes *probes;
	size_t unhealthy = 9;

	(void)state;
	append("ts_ns=123 state=healthy\nts_ns=124 state=unhealthy\n");
	probes = begin();
	assert_false(probes_healthy(probes, &unhealthy));
	assert_int_equal(unhealthy, 0);
	assert_string_equal(probes_why(probes, 0), "no sample yet");
	append("ts_ns=125 state=unhealthy\nsome other line\nts_ns=126 state=heal");
	assert_int_equal(read_at(probes, 0), 1);
	check(0, false, 0, PROBE_READ, 125);
	assert_true(samples[0].changed);
	assert_false(probes_healthy(probes, &unhealthy));
	assert_string_equal(probes_why(probes, 0), "unhealthy");
	append("thy\n");
	assert_int_equal(read_at(probes, EVERY), 1);
	check(0, true, EVERY, PROBE_READ, 126);
	assert_true(probes_healthy(probes, &unhealthy));
	assert_null(probes_why(probes, 0));
	assert_true(probes_healthy_since(probes, start + EVERY));
	assert_false(probes_healthy_since(probes, start + EVERY + 1));
	probes_close(probes);
}

/* Silence says nothing of a log that tells its state again and again, and everything of one that tells changes. */
static void changes_alone(void **state)
{
	struct probes *probes;

	(void)state;
	append("state=unhealthy\nstate=healthy\n");
	probes = begin();
	assert_int_equal(read_at(probes, 0), 1);
	check(0, true, 0, PROBE_READ, 0);
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(read_at(probes, i * EVERY), 1);
		check(0, true, i * EVERY, PROBE_STATE, 0);
		assert_false(samples[n_samples - 1].changed);
		assert_true(probes_healthy_since(probes, start + i * EVERY));
	}
	say(false, 4 * EVERY - 7);
	assert_int_equal(read_at(probes, 4 * EVERY), 1);
	check(0, false, 4 * EVERY - 7, PROBE_LINE, stated(4 * EVERY - 7));
	assert_int_equal(read_at(probes, 5 * EVERY), 1);
	check(0, false, 5 * EVERY, PROBE_STATE, 0);
	assert_int_equal(unlink("log"), 0); /* not there: not known */
	assert_int_equal(read_at(probes, 6 * EVERY), 0);
	say(true, 7 * EVERY - 1);
	assert_int_equal(read_at(probes, 7 * EVERY), 1);
	say(true, 8 * EVERY - 1);
	assert_int_equal(read_at(probes, 8 * EVERY), 1);
	check(0, true, 8 * EVERY - 1, PROBE_LINE, stated(8 * EVERY - 1));
	assert_int_equal(read_at(probes, 9 * EVERY), 0); /* it has repeated itself */
	say(false, 10 * EVERY - 1);
	assert_int_equal(read_at(probes, 10 * EVERY), 1);
	assert_int_equal(read_at(probes, 11 * EVERY), 0);
	probes_close(probes);
}

static void times_that_cannot_be(void **state)
{
	static const int64_t second = NS_PER_S;
	static const struct {
		int64_t after, read;
		enum probe_source source;
	} lines[] = {
		{second, second + 5, PROBE_LINE},
		{second - 3, second + 5, PROBE_LINE}, /* two threads, one after the other */
		{2 * second + 5, second + 5, PROBE_LINE},
		{4 * second, 2 * second, PROBE_READ}, /* set ahead */
		{5 * second, 3 * second + 1000, PROBE_READ},
		{4 * second, 4 * second, PROBE_LINE},     /* right again */
		{3 * second - 1, 5 * second, PROBE_READ}, /* set back, by so much that it shows */
		{4 * second - 1, 6 * second, PROBE_READ},
		{6 * second - 1, 7 * second, PROBE_LINE},
		{-OFFSET, 8 * second, PROBE_READ},
		{8 * second + 1, 9 * second, PROBE_LINE},
	};
	struct probes *probes = begin_repeating();

	(void)state;
	read_at(probes, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		say(i % 2, lines[i].after);
		/* three lines in the first reading */
		if (i < 2)
			continue;
		assert_int_equal(read_at(probes, lines[i].read), i == 2 ? 3 : 1);
		for (size_t k = 0; k < (i == 2 ? 3 : 1); k++)
			check(k, (i - k) % 2,
			      lines[i - k].source == PROBE_LINE ? lines[i - k].after : lines[i - k].read,
			      lines[i - k].source, stated(lines[i - k].after));
	}
	probes_close(probes);
}

/* A writer with a buffer: what it wrote before the run comes in one go with what it wrote since. */
static void lines_from_a_buffer(void **state)
{
	static const int64_t second = NS_PER_S;
	struct probes *probes = begin_repeating();

	(void)state;
	read_at(probes, 0);
	say(false, -5 * second);
	say(true, 2 * second);
	say(false, 9 * second);
	assert_int_equal(read_at(probes, 10 * second), 3);
	check(2, false, 10 * second, PROBE_READ, stated(-5 * second));
	check(1, true, 2 * second, PROBE_LINE, stated(2 * second));
	check(0, false, 9 * second, PROBE_LINE, stated(9 * second));
	say(true, 12 * second);
	say(true, 13 * second);
	assert_int_equal(read_at(probes, 20 * second), 2);
	check(1, true, 12 * second, PROBE_LINE, stated(12 * second));
	probes_close(probes);
}

/* A state that was looked up meanwhile does not make a line that comes late an old one. */
static void a_change_from_a_buffer(void **state)
{
	struct probes *probes;

	(void)state;
	append("state=unhealthy\nstate=healthy\n");
	probes = begin();
	for (uint64_t i = 0; i < 60; i++)
		assert_int_equal(read_at(probes, i * EVERY), 1);
	say(false, 10 * EVERY);
	assert_int_equal(read_at(probes, 60 * EVERY), 1);
	check(0, false, 10 * EVERY, PROBE_LINE, stated(10 * EVERY));
	probes_close(probes);
}

/* The wall clock is set: once the run has measured it again, the times in the lines are right again. */
static void the_clock_is_set(void **state)
{
	struct probes *probes = begin_repeating();

	(void)state;
	read_at(probes, 0);
	say(true, EVERY - 1);
	read_at(probes, EVERY);
	check(0, true, EVERY - 1, PROBE_LINE, stated(EVERY - 1));
	offset_ns = OFFSET - 3600 * (int64_t)NS_PER_S;
	say(true, 2 * (int64_t)EVERY - 1 - 3600 * (int64_t)NS_PER_S);
	read_at(probes, 2 * EVERY);
	check(0, true, 2 * EVERY - 1, PROBE_LINE, stated(2 * EVERY - 1) - 3600 * NS_PER_S);
	probes_close(probes);
}

static void times_in_other_words(void **state)
{
	static const struct {
		const char *before, *after;
		bool counts;
	} lines[] = {
		{"ts_ns=", " state=healthy", true},
		{"ts_ns=\"", "\" state=healthy", true},
		{"state=healthy,ts_ns=", "", true},
		{"[ts_ns=", "] state=healthy", true},
		{"start_ts_ns=1 ts_ns=", " state=healthy", true},
		{"start_ts_ns=", " state=healthy", false},
		{"0ts_ns=", " state=healthy", false},
		{"ts_ns=-", " state=healthy", false},
		{"ts_ns= ", " state=healthy", false},
		{"ts_ns=99999999999999999999", " state=healthy", false},
		{"ts_ns=x ts_ns=", " state=healthy", false}, /* the first that is a word is the time */
		{"ts=", " state=healthy", false},
	};
	struct probes *probes = begin_repeating();

	(void)state;
	read_at(probes, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		uint64_t now = (i + 1) * EVERY, time = stated(now - 5);

		append("%s%" PRIu64 "%s\n", lines[i].before, time, lines[i].after);
		assert_int_equal(read_at(probes, now), 1);
		if (lines[i].counts)
			check(0, true, now - 5, PROBE_LINE, time);
		else
			check(0, true, now, PROBE_READ, 0);
	}
	append("state=healthy ts_ns=");
	append("\n");
	assert_int_equal(read_at(probes, 100 * EVERY), 1);
	check(0, true, 100 * EVERY, PROBE_READ, 0);
	probes_close(probes);
}

static void rotated(void **state)
{
	struct probes *probes = begin_repeating();

	(void)state;
	read_at(probes, 0);
	say(false, 1);
	assert_int_equal(rename("log", "log.1"), 0);
	say(false, 2);
	say(true, 3);
	assert_int_equal(read_at(probes, EVERY), 3);
	check(2, false, 1, PROBE_LINE, stated(1));
	check(0, true, 3, PROBE_LINE, stated(3));
	assert_int_equal(truncate("log", 0), 0);
	say(false, EVERY);
	assert_int_equal(read_at(probes, 2 * EVERY), 1);
	check(0, false, EVERY, PROBE_LINE, stated(EVERY));
	probes_close(probes);
}

static void no_log(void **state)
{
	struct probes *probes;
	size_t unhealthy;

	(void)state;
	assert_int_equal(mkdir("log", 0755), 0);
	probes = begin();
	assert_int_equal(read_at(probes, 0), 0);
	assert_string_equal(probes_why(probes, 0), "its log can't be read");
	assert_int_equal(rmdir("log"), 0);
	assert_int_equal(read_at(probes, EVERY), 0);
	assert_string_equal(probes_why(probes, 0), "its log is not there");
	append("nothing to say\n");
	assert_int_equal(read_at(probes, 2 * EVERY), 0);
	assert_string_equal(probes_why(probes, 0), "no line of its log tells its state");
	assert_false(probes_healthy(probes, &unhealthy));
	assert_false(probes_healthy_since(probes, 0));
	say(true, 3 * EVERY - 1);
	assert_int_equal(read_at(probes, 3 * EVERY), 1);
	assert_true(probes_healthy(probes, &unhealthy));
	probes_close(probes);
}

/* More than is read in one go: the probe asks to be called again, and misses nothing. */
static void a_burst(void **state)
{
	struct probes *probes = begin_repeating();
	unsigned calls = 0;

	(void)state;
	read_at(probes, 0);
	for (int i = 0; i < 20; i++) {
		append("%050000d\n", i);
		say(i % 2, i);
	}
	n_seen = n_samples;
	while (probes_run(probes, start + EVERY) <= start + EVERY)
		calls++;
	assert_true(calls > 1);
	assert_int_equal(n_samples - n_seen, 20);
	for (int i = 0; i < 20; i++)
		check(19 - i, i % 2, i, PROBE_LINE, stated(i));
	probes_close(probes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_forms),
		TEST(unhealthy_comes_first),
		TEST(whole_lines),
		TEST(only_when_due),
		TEST(the_state_at_the_start),
		TEST(changes_alone),
		TEST(times_that_cannot_be),
		TEST(the_clock_is_set),
		TEST(times_in_other_words),
		TEST(rotated),
		TEST(no_log),
		TEST(a_burst),
		TEST(lines_from_a_buffer),
		TEST(a_change_from_a_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
