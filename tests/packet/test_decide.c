/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows and chance, with the time and the packets that the test chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "chance.bpf.h"
#include "gate.bpf.h"
#include "packet/deciding.h"

#define MANY 20000

/* The windows one by one, as the documentation has them. */
static int slot_by_list(const struct sp_rule *r, uint64_t now)
{
	for (uint32_t i = 0; i < r->times; i++) {
		uint64_t opens = r->start_ns + i * r->every_ns, closes = opens + r->length_ns, on = opens;

		if (now < opens || now >= closes)
			continue;
		if (!r->burst_off_ns)
			return r->first_slot + i;
		for (; on <= now; on += r->burst_on_ns + r->burst_off_ns)
			if (now < on + r->burst_on_ns)
				return r->first_slot + i;
	}
	return NONE;
}

static void expect_slot(struct deciding *d, const struct sp_rule *r, uint64_t now)
{
	struct spec s = flow_packet(1, true);
	int expected = slot_by_list(r, now);

	assert_int_equal(decide_at(d, &s, now), expected == NONE ? NONE : SP_DROP);
	assert_int_equal((int)d->skel->bss->taken.slot, expected);
	assert_int_equal(window_at(r, now), expected);
}

static void opens_and_closes_to_the_nanosecond(void **state)
{
	static const struct {
		uint64_t length, every, on, off;
		uint32_t times;
	} windows[] = {
		{100, 100, 0, 0, 1},   {100, 250, 0, 0, 3}, {100, 100, 0, 0, 3},
		{100, 250, 7, 3, 2},   {100, 100, 7, 3, 3}, {1, 2, 0, 0, 50},
		{100, 150, 60, 60, 2}, {5, 9, 1, 1, 4},     {1, 1, 0, 0, 1},
	};
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 3);

	r->drop_below = SP_ALWAYS;
	for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
		r->length_ns = windows[i].length;
		r->every_ns = windows[i].every;
		r->burst_on_ns = windows[i].on;
		r->burst_off_ns = windows[i].off;
		r->times = windows[i].times;
		for (uint64_t now = T0 - 3; now < T0 + r->every_ns * r->times + 3; now++)
			expect_slot(d, r, now);
		expect_slot(d, r, 0);
		expect_slot(d, r, UINT64_MAX);
	}
}

static void opens_at_real_times(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 255);

	r->drop_below = SP_ALWAYS;
	r->start_ns = 0x7fffffff12345678;
	r->length_ns = 20000000000;
	r->every_ns = 60000000000;
	r->times = 3;
	r->first_slot = 1000;
	for (uint32_t i = 0; i <= r->times; i++)
		for (int side = -1; side <= 1; side++) {
			expect_slot(d, r, r->start_ns + i * r->every_ns + side);
			expect_slot(d, r, r->start_ns + i * r->every_ns + r->length_ns + side);
		}
}

static void counts_nothing_outside_its_window(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(1, true);
	struct sp_rule *r = add_rule(d, 0);
	struct sp_counters c;

	r->drop_below = SP_ALWAYS;
	assert_int_equal(decide_at(d, &s, T0 - 1), NONE);
	assert_int_equal(decide_at(d, &s, T0 + HOUR), NONE);
	c = counters_of(d, 0);
	assert_int_equal(c.matched, 0);
	assert_int_equal(decide_at(d, &s, T0), SP_DROP);
	assert_int_equal(decide_at(d, &s, T0 + HOUR - 1), SP_DROP);
	c = counters_of(d, 0);
	assert_int_equal(c.matched, 2);
	assert_int_equal(c.verdict[SP_DROP], 2);
	assert_int_equal(c.first_ns, T0);
	assert_int_equal(c.last_ns, T0 + HOUR - 1);
}

static void loses_what_the_draw_says(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 0);
	unsigned lost = 0;

	r->drop_below = SP_ALWAYS / 20;
	for (unsigned i = 0; i < MANY; i++) {
		/* Three flows and both directions take turns, at any time; each has its own count. */
		bool out = i / 3 & 1;
		struct spec s = flow_packet(100 + i % 3, out);
		bool hit = draw(r->seed, DRAW_LOSS, hash_of(&s, out), out ? SP_DIR_OUT : SP_DIR_IN, i / 6) <
			   r->drop_below;

		assert_int_equal(decide_at(d, &s, T0 + i * 12345), hit ? SP_DROP : SP_PASS);
		lost += hit;
	}
	/* 5 % within five standard deviations */
	assert_in_range(lost, MANY / 20 - 155, MANY / 20 + 155);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], lost);
}

/* Known answers, computed apart: a change of the draw would make recorded seeds mean something else. */
static void draws_known_numbers(void **state)
{
	struct spec s4 = packet(4, IPPROTO_TCP, true), s6 = packet(6, IPPROTO_UDP, true);

	(void)state;
	assert_int_equal(mix64(1), 0x5692161d100b05e5);
	assert_int_equal(hash_of(&s4, true), 0x959bc80888bd3379);
	assert_int_equal(hash_of(&s6, true), 0x9341145bede5d286);
	assert_int_equal(draw(7, DRAW_LOSS, hash_of(&s4, true), SP_DIR_OUT, 0), 0x1104e483);
	assert_int_equal(draw(7, DRAW_LOSS, hash_of(&s4, true), SP_DIR_IN, 41), 0x11604252);
	assert_int_equal(draw(UINT64_MAX, DRAW_SHARE, hash_of(&s6, true), SP_DIR_IN, 0), 0xd53d4f69);
	assert_true(window_seed(7, 0) == 7);
	assert_true(window_seed(7, 3) == 0x75c8519a9320579);
}

static void takes_its_share_of_flows(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 0);
	unsigned taken = 0;

	r->drop_below = SP_ALWAYS;
	r->share = SP_ALWAYS / 10;
	for (unsigned i = 0; i < MANY; i++) {
		struct spec out = flow_packet(i, true), in = flow_packet(i, false);
		bool hit = draw(r->seed, DRAW_SHARE, hash_of(&out, true), 0, 0) < r->share;

		assert_int_equal(decide_spec(d, &out), hit ? SP_DROP : NONE);
		assert_int_equal(decide_spec(d, &in), hit ? SP_DROP : NONE);
		taken += hit;
	}
	assert_in_range(taken, MANY / 10 - 212, MANY / 10 + 212);
	assert_int_equal(counters_of(d, 0).matched, 2 * taken);
}

static void hits_its_percentage_of_connections(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 0);

	r->reset_ends = SP_END_LOCAL | SP_END_REMOTE;
	r->flow_below = SP_ALWAYS / 4;
	for (unsigned i = 1; i < 2000; i++) {
		struct spec s = flow_packet(i, true);

		s.proto = IPPROTO_TCP;
		s.flags = ACK;
		bool hit = draw(r->seed, DRAW_FLOW, hash_of(&s, true), 0, 0) < r->flow_below;

		assert_int_equal(decide_spec(d, &s), hit ? SP_RESET : SP_PASS);
		assert_int_equal(decide_spec(d, &s), hit ? SP_RESET : SP_PASS);
	}
}

static void loses_every_nth_of_a_flow(void **state)
{
	struct deciding *d = *state;

	add_rule(d, 0)->drop_every = 10;
	for (unsigned i = 1; i <= 1000; i++)
		for (unsigned flow = 1; flow <= 3; flow++)
			for (int out = 0; out <= 1; out++) {
				struct spec s = flow_packet(flow, out);

				assert_int_equal(decide_spec(d, &s), i % 10 ? SP_PASS : SP_DROP);
			}
}

/* A GSO packet goes as a whole, and of its segments one in n on the long run. */
static void loses_every_nth_segment_in_the_long_run(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(1, true);
	unsigned long segments = 0, lost = 0;

	add_rule(d, 0)->drop_every = 10;
	for (unsigned i = 0; i < 5000; i++) {
		unsigned n = 1 + i * 7 % 44;

		d->skel->bss->given.segments = n;
		segments += n;
		lost += decide_spec(d, &s) == SP_DROP ? n : 0;
		assert_true(lost <= segments / 10);
	}
	assert_in_range(lost, segments / 10 - 44, segments / 10);
	assert_int_equal(counters_of(d, 0).matched, segments);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], lost);
}

/* What GSO packets could not pay is not taken from single ones in a row: they are those that TCP sends again. */
static void loses_no_more_of_single_packets(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(1, true);

	add_rule(d, 0)->drop_every = 10;
	d->skel->bss->given.segments = 45;
	for (unsigned i = 0; i < 8; i++) /* 36 are due */
		assert_int_equal(decide_spec(d, &s), SP_PASS);
	d->skel->bss->given.segments = 1;
	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(decide_spec(d, &s), i % 10 ? SP_PASS : SP_DROP);
	assert_int_equal(flow_state(d, &s, true, 0).lost[SP_DIR_OUT], 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opens_and_closes_to_the_nanosecond),
		TEST(opens_at_real_times),
		TEST(counts_nothing_outside_its_window),
		TEST(loses_what_the_draw_says),
		TEST(draws_known_numbers),
		TEST(takes_its_share_of_flows),
		TEST(hits_its_percentage_of_connections),
		TEST(loses_every_nth_of_a_flow),
		TEST(loses_every_nth_segment_in_the_long_run),
		TEST(loses_no_more_of_single_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
