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

/* Windows that follow each other closely: in the one that is open the peer has said nothing yet. */
static int window_of_second(const void *slot, size_t rule)
{
	return rule == 1 ? *(const int *)slot : -1;
}

/* The first of two stalls ends while the second, whose windows are slots from `first` on, is at `slot`; it saw the sender in 1. */
static void expect_told_at(uint32_t first, int slot, unsigned sent)
{
	struct sp_rule rules[2] = {{.first_slot = 0}, {.first_slot = first}};
	struct stalls_told told = {0};
	struct raw *raw;
	struct stalls stalls;

	open_stalls(2);
	attach_scene();
	acknowledge();
	assert_int_equal(raw_open(scene->skel->bss->control.mark, &raw), 0);
	stalls = (struct stalls){
		.states_fd = bpf_map__fd(scene->skel->maps.states),
		.conns_fd = bpf_map__fd(scene->skel->maps.conns),
		.raw = raw,
		.rule = 0,
		.rules = rules,
		.stalling = &scene->skel->bss->meanings[SP_MEANS_STALL],
		.window = window_of_second,
		.arg = &slot,
	};
	assert_int_equal(stalls_end(&stalls, 0, &told), 0);
	raw_close(raw);
	assert_int_equal(told.sent, sent);
	assert_int_equal(told.failed, 0);
	close_scene(NULL);
}

static void holds_whom_an_earlier_window_has_seen(void **state)
{
	(void)state;
	expect_told_at(1, 1, 0);
	expect_told_at(1, 2, 0);
	expect_told_at(1, 1 + STALLS_WINDOWS_BACK, 0);
	expect_told_at(1, 2 + STALLS_WINDOWS_BACK, 1);
	expect_told_at(2, 2, 1); /* slot 1 is another rule's */
	expect_told_at(2, 3, 1);
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
		TEST(tells_nobody_whom_another_holds),
		TEST(tells_of_the_earlier_when_the_later_is_over),
		TEST(tells_whom_no_other_has_seen),
		TEST(holds_nobody_disarmed),
		TEST(holds_whom_an_earlier_window_has_seen),
		TEST(counts_what_is_too_much),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
