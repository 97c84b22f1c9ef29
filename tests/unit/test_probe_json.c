/* SPDX-License-Identifier: BSD-2-Clause */
/* The json probe: values, ages, and files that are not there, not whole, or no files. */
#include "unit/work_dir.h"

#include <inttypes.h>

#include "base/timeutil.h"
#include "unit/one_probe.h"

#define HEALTH                                                                                               \
	"{\"timestamp\": 1795308575.1, \"dor\": %s, \"failing_components\": [\"Feeder\"], "                  \
	"\"probes\": {\"ws_stream\": {\"ok\": true, \"latency_ms\": 3.5}}, \"odd key\": \"idle\"}\n"
#define HOUR_NS (3600 * NS_PER_S)

static int leave(void **state)
{
	one_probe_stop();
	unlink("health.json");
	return work_dir_leave(state);
}

/* Replaced in one go, as its writer does. */
#define put(...) (write_text("new", "we", __VA_ARGS__), assert_int_equal(rename("new", "health.json"), 0))

static void set_age(uint64_t age_ns)
{
	uint64_t then = clock_real_ns() - age_ns;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    {.tv_sec = then / NS_PER_S, .tv_nsec = then % NS_PER_S}};

	assert_int_equal(utimensat(AT_FDCWD, "health.json", times, 0), 0);
}

static void begin(const char *where, struct plan_compare compare)
{
	struct plan_probe probe = {.kind = PROBE_JSON,
				   .path = (char *)"health.json",
				   .where = (char *)where,
				   .compare = compare};

	one_probe_start(&probe);
}

static void check(bool healthy, const char *error, const char *detail)
{
	one_probe_expect(healthy, error, detail);
	assert_true(one_probe_last()->latency_ns == PROBE_NO_LATENCY);
}

static void check_age(const char *words)
{
	assert_false(one_probe_next()->good);
	assert_int_equal(strncmp(one_probe_last()->error, words, strlen(words)), 0);
}

static const struct plan_compare is_true = {.op = COMPARE_EQUALS, .json = (char *)"true"};

static void test_value(void **state)
{
	(void)state;
	put(HEALTH, "true");
	begin(".dor", is_true);
	check(true, "", ".dor is true");
	put(HEALTH, "false");
	check(false, ".dor is false", ".dor is false");
	put(HEALTH, "true");
	check(true, "", ".dor is true");
	assert_true(one_probe_last()->changed);
	put("{}");
	check(false, ".dor is not there", "");
	put("[]");
	check(false, ".dor is not there", "");
}

static void test_number(void **state)
{
	(void)state;
	put(HEALTH, "true");
	begin(".probes.ws_stream.latency_ms", (struct plan_compare){.op = COMPARE_BELOW, .number = 3.5});
	check(false, ".probes.ws_stream.latency_ms is 3.5", ".probes.ws_stream.latency_ms is 3.5");
	assert_true(one_probe_last()->has_value);
	assert_true(one_probe_last()->value == 3.5);
}

static void test_places(void **state)
{
	static const struct {
		const char *where, *detail;
	} cases[] = {
		{".failing_components[0]", ".failing_components[0] is \"Feeder\""},
		{".failing_components[-1]", ".failing_components[-1] is \"Feeder\""},
		{".\"odd key\"", ".\"odd key\" is \"idle\""},
		{".probes.ws_stream", ".probes.ws_stream is {\"ok\":true,\"latency_ms\":3.5}"},
		{".failing_components[1]", NULL},
		{".failing_components[-2]", NULL},
		{".dor.more", NULL},
		{".dor[0]", NULL},
	};

	(void)state;
	put(HEALTH, "true");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (i)
			one_probe_stop();
		begin(cases[i].where, (struct plan_compare){});
		one_probe_next();
		assert_int_equal(one_probe_last()->good, cases[i].detail != NULL);
		assert_string_equal(one_probe_last()->detail, cases[i].detail ?: "");
	}
}

/* The document is enough; its own value is not told. */
static void test_any_json(void **state)
{
	(void)state;
	put(HEALTH, "true");
	begin(NULL, (struct plan_compare){});
	check(true, "", "");
	put("3");
	check(true, "", "");
}

static void test_long_value(void **state)
{
	char expected[256] = ".a is \"";

	(void)state;
	/* A cut goes before a character, not into it. */
	put("{\"a\": \"%058d\xc3\xa9%020d\"}", 0, 0);
	begin(".a", (struct plan_compare){});
	memset(expected + strlen(expected), '0', 58);
	strcat(expected, "...");
	check(true, "", expected);
}

/* What can't be parsed is read once more before it counts. */
static void test_half_written(void **state)
{
	(void)state;
	put("{\"dor\": tr");
	begin(".dor", is_true);
	assert_int_equal(one_probe_step(), 0);
	put(HEALTH, "true");
	check(true, "", ".dor is true");
	put("%s", "");
	assert_int_equal(one_probe_step(), 0);
	assert_int_equal(one_probe_step(), 1);
	assert_string_equal(one_probe_last()->error, "it is no JSON");
	put("{\"dor\": tr");
	check(false, "it is no JSON", "line 1, column 10: invalid token near 'tr'");
	put(HEALTH, "true");
	check(true, "", ".dor is true");
}

/* Stopped between the two looks, it begins with the first one. */
static void test_stopped_halfway(void **state)
{
	(void)state;
	put("{");
	begin(".dor", is_true);
	assert_int_equal(one_probe_step(), 0);
	probes_start(one_probe(), 0, clock_mono_ns());
	assert_int_equal(one_probe_at(HOUR_NS), 0);
	assert_int_equal(one_probe_at(HOUR_NS), 0);
	assert_int_equal(one_probe_at(2 * HOUR_NS), 1);
}

static void test_no_file(void **state)
{
	(void)state;
	begin(".dor", is_true);
	check(false, "it is not there", "");
	assert_int_equal(mkfifo("health.json", 0600), 0);
	check(false, "it is no regular file", "");
	put("{}");
	assert_int_equal(truncate("health.json", (1 << 20) + 1), 0);
	check(false, "it is larger than 1 MiB", "");
	put(HEALTH, "true");
	check(true, "", ".dor is true");
}

static void test_mtime(void **state)
{
	struct plan_probe probe = {.kind = PROBE_JSON,
				   .path = (char *)"health.json",
				   .where = (char *)".dor",
				   .compare = is_true,
				   .fresh_ns = HOUR_NS};

	(void)state;
	put(HEALTH, "true");
	one_probe_start(&probe);
	check(true, "", ".dor is true");
	set_age(HOUR_NS + HOUR_NS / 2);
	check_age("it is 1h30m");
	set_age(-3 * HOUR_NS);
	check_age("it is ");
	assert_non_null(strstr(one_probe_last()->error, " ahead"));
}

static void test_field(void **state)
{
	struct plan_probe probe = {.kind = PROBE_JSON,
				   .path = (char *)"health.json",
				   .fresh_ns = HOUR_NS,
				   .age_by = AGE_FIELD,
				   .age_field = (char *)".timestamp"};
	uint64_t now = clock_real_ns();
	char text[32];

	(void)state;
	put("{\"timestamp\": %" PRIu64 "}", (uint64_t)(now / NS_PER_S));
	set_age(24 * HOUR_NS); /* does not matter */
	one_probe_start(&probe);
	check(true, "", "");
	put("{\"timestamp\": %" PRIu64 ".25}", (uint64_t)(now / NS_PER_S - 2 * 3600));
	check_age("it is 2h");
	put("{\"timestamp\": %" PRIu64 "}", now);
	check(true, "", "");
	format_utc(now, text, sizeof(text));
	put("{\"timestamp\": \"%s\"}", text);
	check(true, "", "");
	put("{\"timestamp\": true}");
	check(false, ".timestamp is no time", "");
	put("{}");
	check(false, ".timestamp is not there", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_value, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_number, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_places, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_any_json, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_long_value, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_half_written, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_stopped_halfway, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_no_file, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_mtime, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(test_field, work_dir_enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
