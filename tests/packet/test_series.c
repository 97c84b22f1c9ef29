/* SPDX-License-Identifier: BSD-2-Clause */
/* Several rules that hold, copy or alter the same packet: pipes in series, each with its own part of the balance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "packet/modelled.h"

#define MANY 5000
#define MS 1000000ULL
#define MOST_PARTS 8 /* of rules that bend one packet; further ones fail */

static struct sp_rule *bend(struct deciding *d, unsigned i, uint64_t delay_ns)
{
	struct sp_rule *r = add_rule(d, i);

	r->flags = SP_RULE_BENDS | SP_RULE_RECEIPT | (delay_ns ? SP_RULE_HOLDS : 0);
	r->delay_ns = delay_ns;
	r->delay_below = delay_ns ? SP_ALWAYS : 0;
	return r;
}

static void expect_balances(struct deciding *d, unsigned rules, uint64_t matched)
{
	for (unsigned i = 0; i < rules; i++) {
		struct sp_counters c = counters_of(d, 10 * i);

		assert_int_equal(c.matched, matched);
		expect_balance(&c);
	}
}

static void adds_delays_up(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);

	bend(d, 0, 10 * MS);
	bend(d, 1, 20 * MS);
	bend(d, 2, 300);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(decide_at(d, &s, T0 + i), SP_DELAY);
		assert_int_equal(d->skel->bss->taken.release, T0 + i + 30 * MS + 300);
		assert_int_equal(d->skel->bss->taken.requested, 30 * MS + 300);
		assert_int_equal(d->skel->bss->taken.bend_slot, 20);
	}
	expect_balances(d, 3, 10);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(counters_of(d, 10 * i).verdict[SP_DELAY], 10);
}

/* Jitter, shares, copies, reordering: as the model has them in series; a flow keeps its order to the end. */
static void crosses_pipes_as_modelled(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	uint64_t last = 0;
	struct modelled m;

	bend(d, 0, 10 * MS)->jitter_ns = 5 * MS;
	bend(d, 1, 2 * MS)->delay_below = PERCENT(30);
	bend(d, 2, 0)->duplicate_below = PERCENT(10);
	bend(d, 3, 0)->corrupt_below = PERCENT(10);
	bend(d, 4, 7 * MS)->distribution = SP_NORMAL;
	d->skel->bss->rules[4].jitter_ns = 7 * MS;
	s.payload = 100;
	model_flow(&m, d, &s, true, 5);
	for (unsigned i = 0; i < MANY; i++) {
		model_packet(&m, T0 + i * 100000ULL, T0);
		assert_true(d->skel->bss->taken.release >= last);
		last = d->skel->bss->taken.release;
	}
	expect_balances(d, 5, MANY);
	assert_int_equal(counters_of(d, 0).verdict[SP_DELAY], MANY);
	assert_int_equal(counters_of(d, 20).verdict[SP_DUPLICATE],
			 m.pipes[2].chance[SP_CHANCE_DUPLICATE].hit);
	assert_int_equal(counters_of(d, 30).verdict[SP_ALTER], m.pipes[3].chance[SP_CHANCE_CORRUPT].hit);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(receipt_of(d, 10 * i).raised, m.pipes[i].raised);
}

/* Each rule copies the packet once, and what comes behind has them all. */
static void adds_copies_up(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	struct modelled m;

	bend(d, 0, 0)->duplicate_below = SP_ALWAYS;
	bend(d, 1, 0)->duplicate_below = SP_ALWAYS;
	bend(d, 2, 0)->flags |= SP_RULE_HOLDS;
	d->skel->bss->rules[2].rate = 1000000;
	d->skel->bss->rules[2].queue_ns = 1000 * MS;
	s.payload = 958; /* 1000 bytes with the headers */
	model_flow(&m, d, &s, true, 3);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(model_packet(&m, T0, T0), SP_DUPLICATE);
		assert_int_equal(d->skel->bss->taken.copies, 2);
		assert_int_equal(d->skel->bss->taken.release, T0 + 3 * i * MS);
	}
	assert_int_equal(counters_of(d, 0).verdict[SP_DUPLICATE], 10);
	assert_int_equal(counters_of(d, 10).verdict[SP_DUPLICATE], 10);
	assert_int_equal(counters_of(d, 20).verdict[SP_DELAY], 10);
}

/* What another pipe holds longer than this one's window lasts is not this one's to let go. */
static void a_window_ends_its_own_delay_only(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	struct modelled m;

	bend(d, 0, 50 * MS);
	bend(d, 1, 20 * MS)->length_ns = 30 * MS;
	bend(d, 2, 5 * MS);
	model_flow(&m, d, &s, true, 3);
	model_packet(&m, T0 + MS, T0);
	assert_int_equal(d->skel->bss->taken.release, T0 + 56 * MS);
}

static void lets_go_when_the_first_of_windows_ends(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);

	bend(d, 0, 20 * MS)->length_ns = 30 * MS;
	bend(d, 1, 20 * MS);
	assert_int_equal(decide_at(d, &s, T0 + 25 * MS), SP_DELAY);
	assert_int_equal(d->skel->bss->taken.release, T0 + 50 * MS);
	assert_int_equal(receipt_of(d, 0).clipped, 1);
	assert_int_equal(receipt_of(d, 10).clipped, 0);
}

/* The receipt of what the line does is that of the last rule that delays, whatever comes behind it. */
static void names_the_last_rule_that_delays(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	struct sp_rule *r;

	s.payload = 100;
	bend(d, 0, 10 * MS);
	r = bend(d, 1, 0);
	r->duplicate_below = PERCENT(50);
	for (unsigned i = 0; i < 20; i++) {
		decide_at(d, &s, T0 + i);
		assert_int_equal(d->skel->bss->taken.bend_slot, 0);
	}
	r = bend(d, 2, 0);
	r->corrupt_below = SP_ALWAYS;
	decide_at(d, &s, T0 + 100);
	assert_int_equal(d->skel->bss->taken.bend_slot, 0);
}

/* Each rule counts what it did; the hardest is the packet's verdict, whichever comes first. */
static void counts_each_mild_rule_for_itself(void **state)
{
	static const enum sp_verdict does[] = {SP_DELAY, SP_DUPLICATE, SP_ALTER};
	static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct deciding *d = *state;

	for (size_t k = 0; k < sizeof(orders) / sizeof(*orders); k++) {
		struct spec s = flow_packet(3, true);

		s.payload = 100;
		deciding_reset(d);
		for (unsigned i = 0; i < 3; i++) {
			struct sp_rule *r = bend(d, i, orders[k][i] ? 0 : MS);

			r->duplicate_below = orders[k][i] == 1 ? SP_ALWAYS : 0;
			r->corrupt_below = orders[k][i] == 2 ? SP_ALWAYS : 0;
		}
		assert_int_equal(decide_at(d, &s, T0), SP_ALTER);
		assert_int_equal(d->skel->bss->taken.n_parts, 3);
		assert_int_equal(d->skel->bss->taken.copies, 1);
		assert_int_equal(d->skel->bss->taken.alter, SP_ALTER_WRONG);
		assert_int_equal(d->skel->bss->taken.release, T0 + MS);
		for (unsigned i = 0; i < 3; i++) {
			struct sp_counters c = counters_of(d, 10 * i);

			assert_int_equal(c.matched, 1);
			assert_int_equal(c.verdict[does[orders[k][i]]], 1);
			assert_int_equal(c.first_ns, T0);
			assert_int_equal(c.flows, 1);
			assert_int_equal(flow_state(d, &s, true, 10 * i).hits[SP_DIR_OUT], 1);
			expect_balance(&c);
		}
	}
}

/* Beside a hard verdict all others have let the packet pass, before it or behind. */
static void a_hard_verdict_turns_the_mild_into_passed(void **state)
{
	static const enum sp_verdict verdicts[] = {SP_DROP, SP_RESET, SP_REFUSE};
	struct deciding *d = *state;

	for (unsigned hard = 0; hard < 3; hard++)
		for (unsigned what = 0; what < 3; what++) {
			struct spec s = packet(4, IPPROTO_TCP, true);
			struct sp_rule *r;

			deciding_reset(d);
			for (unsigned i = 0; i < 3; i++)
				bend(d, i, MS);
			r = add_rule(d, hard);
			r->drop_below = what == 0 ? SP_ALWAYS : 0;
			r->reset_ends = what == 1 ? SP_END_LOCAL : 0;
			r->refuse = what == 2 ? SP_REFUSE_TCP_RESET : 0;
			s.flags = what == 2 ? SYN : ACK;
			assert_int_equal(decide_at(d, &s, T0), verdicts[what]);
			assert_int_equal(d->skel->bss->taken.rule, hard);
			for (unsigned i = 0; i < 3; i++) {
				struct sp_counters c = counters_of(d, 10 * i);

				expect_balance(&c);
				assert_int_equal(c.verdict[SP_PASS], i != hard);
				assert_int_equal(c.flows, i == hard);
				assert_int_equal(flow_state(d, &s, true, 10 * i).hits[SP_DIR_OUT], i == hard);
			}
		}
}

static void a_spent_budget_suppresses_all(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);

	for (unsigned i = 0; i < 3; i++)
		bend(d, i, MS);
	d->skel->bss->control.max_packets = 100;
	for (unsigned i = 0; i < 150; i++)
		assert_int_equal(decide_at(d, &s, T0 + i), i < 100 ? SP_DELAY : SP_SUPPRESS);
	expect_balances(d, 3, 150);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(counters_of(d, 10 * i).verdict[SP_DELAY], 100);
		assert_int_equal(counters_of(d, 10 * i).verdict[SP_SUPPRESS], 50);
		assert_int_equal(counters_of(d, 10 * i).last_ns, T0 + 99);
	}
	assert_true(ring_buffer__consume(d->ring) >= 0);
	assert_int_equal(d->events[SP_EVENT_BUDGET], 1);
	assert_int_equal(d->events[SP_EVENT_FLOW_HIT], 3);
}

/* The ninth and those behind it let the packet pass, and count it as passed and failed; a hard one among them still wins. */
static void bends_a_packet_so_many_times_at_most(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	const unsigned rules = MOST_PARTS + 4;

	for (unsigned i = 0; i < rules; i++)
		bend(d, i, MS);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(decide_at(d, &s, T0 + i), SP_DELAY);
		assert_int_equal(d->skel->bss->taken.release, T0 + i + MOST_PARTS * MS);
	}
	expect_balances(d, rules, 10);
	for (unsigned i = 0; i < rules; i++) {
		struct sp_counters c = counters_of(d, 10 * i);

		assert_int_equal(c.verdict[i < MOST_PARTS ? SP_DELAY : SP_PASS], 10);
		assert_int_equal(c.failed, i < MOST_PARTS ? 0 : 10);
	}
	add_rule(d, rules - 1)->drop_below = SP_ALWAYS;
	assert_int_equal(decide_at(d, &s, T0 + 10), SP_DROP);
	expect_balances(d, rules, 11);
	for (unsigned i = 0; i < rules; i++)
		assert_int_equal(counters_of(d, 10 * i).verdict[i == rules - 1 ? SP_DROP : SP_PASS],
				 i < MOST_PARTS || i == rules - 1 ? 1 : 11);
}

/* Any rules, hard and mild, any packets: the balance of each is kept. */
static void balances(void **state)
{
	struct deciding *d = *state;
	uint64_t matched = 0;

	fill_distributions(d);
	for (unsigned i = 0; i < 30; i++) {
		struct sp_rule *r = bend(d, i, i % 3 ? MS : 0);

		r->jitter_ns = i % 6 == 1 ? MS : 0;
		r->distribution = i % SP_DISTRIBUTIONS;
		r->duplicate_below = i % 4 ? 0 : PERCENT(10);
		r->corrupt_below = i % 5 ? 0 : PERCENT(10);
		r->drop_below = i % 7 ? 0 : PERCENT(3);
		r->reset_ends = i % 11 ? 0 : SP_END_LOCAL;
		r->rate = i % 8 == 1 ? 1000000 : 0;
		r->queue_ns = 5 * MS;
		r->share = i % 2 ? SP_ALWAYS : SP_ALWAYS / 3;
		r->flow_below = SP_ALWAYS / 8;
		r->length_ns = 400 * MS + i * MS;
		r->every_ns = 1000 * MS;
		r->times = 3;
	}
	d->skel->bss->control.max_packets = 10000;
	for (unsigned i = 0; i < 3 * MANY; i++) {
		struct spec s = flow_packet(mix64(i) % 30, i & 1);

		s.proto = i % 3 ? IPPROTO_TCP : IPPROTO_UDP;
		s.flags = ACK;
		s.payload = i % 50;
		d->skel->bss->given.segments = 1 + i % 3;
		decide_at(d, &s, T0 + i * (3000 * MS / (3 * MANY)));
	}
	for (unsigned slot = 0; slot < 300; slot++) {
		struct sp_counters c = counters_of(d, slot);

		expect_balance(&c);
		matched += c.matched;
	}
	assert_true(matched > 30 * MANY);
	assert_int_equal(d->skel->bss->control.spent, SP_BUDGET_PACKETS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(adds_delays_up),
		TEST(adds_copies_up),
		TEST(crosses_pipes_as_modelled),
		TEST(a_window_ends_its_own_delay_only),
		TEST(lets_go_when_the_first_of_windows_ends),
		TEST(names_the_last_rule_that_delays),
		TEST(counts_each_mild_rule_for_itself),
		TEST(a_hard_verdict_turns_the_mild_into_passed),
		TEST(a_spent_budget_suppresses_all),
		TEST(bends_a_packet_so_many_times_at_most),
		TEST(balances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
