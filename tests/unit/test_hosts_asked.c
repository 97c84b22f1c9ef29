/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of targets: when they are asked for. */
#include "unit/hosts_scene.h"

static void are_asked_for_regularly(void **state)
{
	struct scene s;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	assert_true(run(&s, s.started) <= s.started + HOSTS_EVERY_NS);
	assert_int_equal(asked(), 1);
	look_up(&s, s.started + HOSTS_EVERY_NS);
	assert_int_equal(asked(), 2);
	assert_true(run(&s, s.started + HOSTS_EVERY_NS) == s.started + 2 * HOSTS_EVERY_NS);
	run(&s, s.started + 2 * HOSTS_EVERY_NS - 1);
	assert_int_equal(asked(), 2);
	free(end(&s));
}

static void are_asked_for_when_a_window_opens(void **state)
{
	uint64_t zero, last;
	struct scene s;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	assert_int_equal(start(&s), 0);
	zero = s.started + NS_PER_S; /* windows open 2, 6 and 10 s after the start */
	hosts_set_zero(s.hosts, zero);
	assert_true(run(&s, zero) == zero + NS_PER_S);
	assert_int_equal(asked(), 1);
	look_up(&s, zero + NS_PER_S);
	assert_int_equal(asked(), 2);
	assert_true(run(&s, zero + NS_PER_S) == zero + 5 * NS_PER_S);
	look_up(&s, zero + 5 * NS_PER_S);
	look_up(&s, zero + 9 * NS_PER_S);
	assert_int_equal(asked(), 4);
	last = zero + 9 * NS_PER_S;
	assert_true(run(&s, last) == last + HOSTS_EVERY_NS); /* there is no further window */
	free(end(&s));
}

/* An answer that is less than a second old is as good. */
static void are_not_asked_for_twice_at_an_opening(void **state)
{
	struct scene s;
	uint64_t zero;

	says("a=10.0.0.1");
	prepare(&s, state, names_a, 1);
	s.step.window.every_ns = HOSTS_FRESH_NS / 2;
	s.step.window.at_ns = HOSTS_EVERY_NS;
	assert_int_equal(start(&s), 0);
	zero = s.started;
	hosts_set_zero(s.hosts, zero);
	look_up(&s, zero + HOSTS_EVERY_NS);
	assert_int_equal(asked(), 2);
	run(&s, zero + HOSTS_EVERY_NS + HOSTS_FRESH_NS / 2);
	run(&s, zero + HOSTS_EVERY_NS + HOSTS_FRESH_NS);
	assert_int_equal(asked(), 2);
	free(end(&s));
}

/* Nobody waits for a resolver that does not answer, and it is not asked again meanwhile. */
static void are_waited_for_by_nobody(void **state)
{
	struct scene s;
	char *log;

	says("a=10.0.0.1 b=10.0.0.2");
	prepare(&s, state, names_ab, 2);
	assert_int_equal(start(&s), 0);
	set_silent(true);
	assert_true(run(&s, s.started + HOSTS_EVERY_NS) == UINT64_MAX);
	wait_asked(4);
	for (int i = 2; i < 10; i++)
		assert_true(run(&s, s.started + i * HOSTS_EVERY_NS) == UINT64_MAX);
	assert_int_equal(asked(), 4);
	hosts_close(s.hosts); /* with both under way */
	s.hosts = NULL;
	set_silent(false);
	log = end(&s);
	assert_string_equal(log, "");
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(are_asked_for_regularly),
		IN_DIR(are_asked_for_when_a_window_opens),
		IN_DIR(are_not_asked_for_twice_at_an_opening),
		IN_DIR(are_waited_for_by_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
