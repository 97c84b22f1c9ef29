/* SPDX-License-Identifier: BSD-2-Clause */
/* Several rules with a meaning at one packet: who is told when one of several stalls ends, and what is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/single.h"

#define MOST_MEANT 4 /* rules whose meaning alters one packet; further ones fail */

static const struct plan_fault stall = {.meaning = PLAN_MEANS_STALL, .meaning_below = PLAN_ALWAYS};

static void open_stalls(size_t n)
{
	struct plan_fault faults[8];

	assert_true(n <= sizeof(faults) / sizeof(*faults));
	for (size_t i = 0; i < n; i++)
		faults[i] = stall;
	open_scene(faults, n);
}

/* The far end's acknowledgement comes in. */
static void acknowledge(void)
{
	struct spec s = packet(4, IPPROTO_TCP, false);

	s.flags = ACK;
	pass_spec(&s, false);
	s.window = 0;
	expect_frame(&s, ran.frame, ran.len);
}

static void close_window(unsigned rule)
{
	scene->skel->bss->rules[rule].length_ns = 0;
}

static void end_stall(unsigned rule, unsigned sent)
{
	struct stalls_told told = {0};

	assert_int_equal(engine_end_states(scene->engine, rule, rule, &told), 0);
	assert_int_equal(told.sent, sent);
	assert_int_equal(told.failed, 0);
}

/* The first of two stalls ends: the sender still waits, and is told at the end of the second. */
static void tells_nobody_whom_another_holds(void **state)
{
	(void)state;
	open_stalls(2);
	attach_scene();
	acknowledge();
	close_window(0);
	end_stall(0, 0);
	close_window(1);
	end_stall(1, 1);
}

static void tells_of_the_earlier_when_the_later_is_over(void **state)
{
	(void)state;
	open_stalls(2);
	attach_scene();
	acknowledge();
	close_window(0);
	close_window(1);
	end_stall(0, 1);
}

static void tells_whom_no_other_has_seen(void **state)
{
	(void)state;
	open_stalls(2);
	attach_scene();
	scene->skel->bss->rules[1].flow_below = 0;
	acknowledge();
	close_window(0);
	end_stall(0, 1);
}

/* Not even one whose window would still be open, when no fault acts any more. */
static void holds_nobody_disarmed(void **state)
{
	(void)state;
	open_stalls(2);
	attach_scene();
	acknowledge();
	engine_disarm(scene->engine);
	end_stall(0, 1);
	end_stall(1, 1);
}

static void counts_what_is_too_much(void **state)
{
	const unsigned rules = MOST_MEANT + 2;

	(void)state;
	open_stalls(rules);
	acknowledge();
	acknowledge();
	for (unsigned i = 0; i < rules; i++) {
		struct sp_counters c;

		assert_int_equal(engine_counters(scene->engine, i, &c), 0);
		assert_int_equal(c.matched, 2);
		assert_int_equal(c.verdict[SP_ALTER], i < MOST_MEANT ? 2 : 0);
		assert_int_equal(c.verdict[SP_PASS], i < MOST_MEANT ? 0 : 2);
		assert_int_equal(c.failed, i < MOST_MEANT ? 0 : 2);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_nobody_whom_another_holds), TEST(tells_of_the_earlier_when_the_later_is_over),
		TEST(tells_whom_no_other_has_seen),    TEST(holds_nobody_disarmed),
		TEST(counts_what_is_too_much),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
