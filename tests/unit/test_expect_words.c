/* SPDX-License-Identifier: BSD-2-Clause */
/* What expectations and waits say of a sample. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drill/expect.h"

static void words_say_it_once(void **state)
{
	static const struct {
		enum plan_expect_what kind;
		bool healthy;
		const char *error, *detail, *words;
	} cases[] = {
		{EXPECT_PROBE, true, NULL, NULL, "healthy"},
		{EXPECT_PROBE, true, NULL, "pid 24", "healthy: pid 24"},
		{EXPECT_PROBE, false, NULL, NULL, "unhealthy"},
		{EXPECT_PROBE, false, NULL, "pid 24", "unhealthy: pid 24"},
		{EXPECT_PROBE, false, "refused", NULL, "unhealthy: refused"},
		{EXPECT_PROBE, false, "status 1", "no shard", "unhealthy: status 1, no shard"},
		{EXPECT_PROBE, false, ".dor is false", ".dor is false", "unhealthy: .dor is false"},
		{EXPECT_PROBE, false, "unhealthy", NULL, "unhealthy"}, /* a log */
		{EXPECT_PROBE, false, "unhealthy", "disk", "unhealthy: disk"},
		{EXPECT_WATCH, true, NULL, NULL, "it holds"},
		{EXPECT_WATCH, true, NULL, "pid 24", "it holds: pid 24"},
		{EXPECT_WATCH, false, NULL, NULL, "it does not hold"},
		{EXPECT_WATCH, false, NULL, ".dor is 1", "it does not hold: .dor is 1"},
		{EXPECT_WATCH, false, "it is not there", NULL, "it is not there"},
		{EXPECT_WATCH, false, "status 1", "no shard", "status 1, no shard"},
		{EXPECT_WATCH, false, ".dor is false", ".dor is false", ".dor is false"},
	};
	char text[80];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct plan_expect what = {.what = cases[i].kind};
		struct probe_sample sample = {
			.healthy = cases[i].healthy, .error = cases[i].error, .detail = cases[i].detail};

		expect_words(&what, &sample, text, sizeof(text));
		assert_string_equal(text, cases[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_say_it_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
