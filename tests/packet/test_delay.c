/* SPDX-License-Identifier: BSD-2-Clause */
/* When packets are due: delay, order, reordering, the end of the window, and a path with a rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <netinet/in.h>

#include "packet/modelled.h"

#define MANY 50000
#define MS 1000000ULL
#define STEP 100000ULL

static struct sp_rule *add_delay(struct deciding *d, uint64_t delay_ns, uint64_t jitter_ns)
{
	struct sp_rule *r = add_rule(d, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
	r->delay_ns = delay_ns;
	r->jitter_ns = jitter_ns;
	r->delay_below = delay_ns ? SP_ALWAYS : 0;
	return r;
}

static const struct fate *run(struct deciding *d, uint64_t step, struct modelled *m)
{
	struct spec s = flow_packet(3, true);
	const struct fate *fates;

	d->skel->bss->given.step = step;
	model_flow(m, d, &s, true, 1);
	fates = model_run(m, MANY);
	expect_counts_as_modelled(m);
	return fates;
}

static void delays_to_the_nanosecond(void **state)
{
	static const uint64_t delays[] = {1, 30000, 50 * MS, 60000 * MS};
	struct deciding *d = *state;
	struct modelled m;

	for (size_t k = 0; k < sizeof(delays) / sizeof(*delays); k++) {
		const struct fate *fates;

		deciding_reset(d);
		add_delay(d, delays[k], 0);
		fates = run(d, 10000, &m);
		for (unsigned i = 0; i < MANY; i++) {
			assert_int_equal(fates[i].release, T0 + i * 10000ULL + delays[k]);
			assert_int_equal(fates[i].requested, delays[k]);
		}
		assert_int_equal(counters_of(d, 0).verdict[SP_DELAY], MANY);
		assert_int_equal(receipt_of(d, 0).raised, 0);
	}
}

static unsigned count_overtaking(const struct fate *fates)
{
	unsigned n = 0;

	for (unsigned i = 1; i < MANY; i++)
		n += fates[i].release < fates[i - 1].release;
	return n;
}

static void jitter_keeps_the_order_of_a_flow(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;
	struct modelled m;
	unsigned raised = 0;

	add_delay(d, 20 * MS, 10 * MS);
	fates = run(d, STEP, &m);
	assert_int_equal(count_overtaking(fates), 0);
	for (unsigned i = 0; i < MANY; i++)
		raised += fates[i].release > T0 + i * STEP + fates[i].requested;
	assert_in_range(raised, MANY / 2, MANY - 1);
	assert_int_equal(receipt_of(d, 0).raised, raised);
}

static void jitter_may_reorder_if_asked_to(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;
	struct modelled m;

	add_delay(d, 20 * MS, 10 * MS)->flags |= SP_RULE_REORDER_JITTER;
	fates = run(d, STEP, &m);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(fates[i].release, T0 + i * STEP + fates[i].requested);
	/* Two draws of 20 ms in all, 0.1 ms apart: the later is the less by 0.1 ms in (199/200)^2 / 2 of all cases. */
	assert_true(fabs(count_overtaking(fates) - MANY * 0.495) < 5 * sqrt(MANY * 0.25));
	assert_int_equal(receipt_of(d, 0).raised, 0);
}

/* Flows, and the directions of one, don't wait for each other. */
static void each_flow_keeps_its_own_order(void **state)
{
	struct deciding *d = *state;
	struct modelled m[4];

	add_delay(d, 20 * MS, 20 * MS);
	for (unsigned k = 0; k < 4; k++) {
		struct spec s = flow_packet(50 + k / 2, k & 1);

		model_flow(&m[k], d, &s, k & 1, 1);
	}
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(model_packet(&m[i * 7 % 4], T0 + i * 1000, T0), SP_DELAY);
	assert_int_equal(receipt_of(d, 0).raised, m[0].pipes[0].raised + m[1].pipes[0].raised +
							  m[2].pipes[0].raised + m[3].pipes[0].raised);
}

/* Some packets are delayed; those behind them wait. */
static void delays_its_share_of_packets(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;
	unsigned delayed = 0;
	struct modelled m;

	add_delay(d, 5 * MS, 0)->delay_below = PERCENT(10);
	fates = run(d, MS, &m);
	for (unsigned i = 0; i < MANY; i++) {
		uint64_t now = T0 + i * MS, due = now;

		delayed += fates[i].requested > 0;
		assert_true(!fates[i].requested || fates[i].requested == 5 * MS);
		for (unsigned k = 0; k <= 5 && k <= i; k++)
			if (fates[i - k].requested && now - k * MS + 5 * MS > due)
				due = now - k * MS + 5 * MS;
		assert_int_equal(fates[i].release, due);
	}
	assert_true(fabs(delayed - MANY * 0.1) < 5 * sqrt(MANY * 0.1 * 0.9));
	assert_int_equal(counters_of(d, 0).verdict[SP_DELAY], MANY);
}

/* As netem: what is drawn goes at once, past all that waits. */
static void sends_the_drawn_at_once(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;
	struct modelled m;
	unsigned sent = 0;

	add_delay(d, 10 * MS, 0)->reorder_below = PERCENT(25);
	fates = run(d, STEP, &m);
	for (unsigned i = 0; i < MANY; i++) {
		bool at_once = fates[i].verdict == SP_PASS;

		sent += at_once;
		assert_int_equal(fates[i].release, at_once ? 0 : T0 + i * STEP + 10 * MS);
	}
	assert_true(fabs(sent - MANY * 0.25) < 5 * sqrt(MANY * 0.25 * 0.75));
	assert_int_equal(receipt_of(d, 0).chance[SP_CHANCE_REORDER].drawn, MANY);
	assert_int_equal(receipt_of(d, 0).chance[SP_CHANCE_REORDER].hit, sent);
	assert_int_equal(counters_of(d, 0).verdict[SP_PASS], sent);
}

/* The drawn are held back; those behind overtake them, without a delay or with one. */
static void holds_the_drawn_back(void **state)
{
	struct deciding *d = *state;

	for (uint64_t delay = 0; delay <= 10 * MS; delay += 10 * MS) {
		const struct fate *fates;
		struct sp_rule *r;
		struct modelled m;
		uint64_t held = 0;

		deciding_reset(d);
		r = add_delay(d, delay, 0);
		r->reorder_below = PERCENT(25);
		r->reorder_by_ns = 3 * MS;
		fates = run(d, STEP, &m);
		for (unsigned i = 0; i < MANY; i++) {
			uint64_t late = fates[i].release - (T0 + i * STEP + delay);

			assert_true(!late || late == 3 * MS);
			held += late > 0;
		}
		assert_int_equal(receipt_of(d, 0).chance[SP_CHANCE_REORDER].hit, held);
		assert_true(fabs(held - MANY * 0.25) < 5 * sqrt(MANY * 0.25 * 0.75));
	}
}

static void reorders_every_nth_at_most(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;
	struct sp_rule *r;
	struct modelled m;

	r = add_delay(d, 10 * MS, 0);
	r->reorder_below = SP_ALWAYS;
	r->reorder_gap = 5;
	fates = run(d, STEP, &m);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(fates[i].verdict, i % 5 == 4 ? SP_PASS : SP_DELAY);
	deciding_reset(d);
	r->reorder_below = PERCENT(50);
	run(d, STEP, &m);
	assert_int_equal(receipt_of(d, 0).chance[SP_CHANCE_REORDER].drawn, MANY / 5);
}

/* A GSO packet has a chance if one of its segments has. */
static void reorders_gso_packets_by_their_segments(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	struct sp_rule *r;
	struct modelled m;

	r = add_delay(d, 10 * MS, 0);
	r->reorder_below = SP_ALWAYS;
	r->reorder_gap = 10;
	model_flow(&m, d, &s, true, 1);
	for (unsigned i = 0; i < 3000; i++) {
		d->skel->bss->given.segments = 1 + i * 5 % 13;
		model_packet(&m, T0 + i * 1000, T0);
	}
	expect_counts_as_modelled(&m);
}

/* Whatever else becomes of a flow's packets, every tenth is lost. */
static void loses_every_nth_beside_all_else(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	unsigned overflown = 0;

	s.payload = 100;
	for (unsigned variant = 0; variant < 5; variant++) {
		struct sp_rule *r = add_delay(d, variant < 4 ? 5 * MS : 0, 0);
		struct modelled m;

		deciding_reset(d);
		r->drop_every = 10;
		r->duplicate_below = variant == 1 ? SP_ALWAYS : 0;
		r->corrupt_below = variant == 2 ? SP_ALWAYS : 0;
		r->rate = variant >= 3 ? 1420000 : 0; /* 0.1 ms a packet */
		r->queue_ns = MS;
		model_flow(&m, d, &s, true, 1);
		for (unsigned i = 0; i < 1000; i++) {
			enum sp_verdict verdict =
				model_packet(&m, T0 + i * (variant < 4 ? STEP : STEP / 4), T0);

			overflown += verdict == SP_DROP && i % 10 != 9;
			assert_true(verdict == SP_DROP || i % 10 != 9);
			assert_true(verdict != SP_DROP || i % 10 == 9 || variant == 4);
		}
		assert_int_equal(flow_state(d, &s, true, 0).lost[SP_DIR_OUT], 100);
		assert_int_equal(receipt_of(d, 0).overflow, overflown);
	}
	assert_in_range(overflown, 500, 800);
}

/* While the line is dead packets pass, and cost nothing; copies and losses need no line. */
static void holds_nothing_in_a_dead_line(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	struct sp_rule *r;

	r = add_delay(d, 5 * MS, 0);
	d->skel->bss->control.max_packets = 1;
	d->skel->bss->control.beat_ns = T0 - SP_HEARTBEAT_NS - 1;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(decide_at(d, &s, T0), SP_PASS);
		assert_int_equal(d->skel->bss->taken.release, 0);
	}
	assert_int_equal(receipt_of(d, 0).stale, 10);
	assert_int_equal(counters_of(d, 0).verdict[SP_PASS], 10);
	assert_int_equal(counters_of(d, 0).first_ns, 0);
	assert_int_equal(flow_state(d, &s, true, 0).hits[SP_DIR_OUT], 0);
	assert_int_equal(d->skel->bss->control.spent, SP_BUDGET_NONE);
	r->corrupt_below = SP_ALWAYS;
	assert_int_equal(decide_at(d, &s, T0), SP_PASS);
	r->duplicate_below = SP_ALWAYS;
	assert_int_equal(decide_at(d, &s, T0), SP_DUPLICATE);
	assert_int_equal(d->skel->bss->taken.release, 0);
	d->skel->bss->control.max_packets = 0;
	d->skel->bss->control.beat_ns = T0 - SP_HEARTBEAT_NS;
	assert_int_equal(decide_at(d, &s, T0), SP_ALTER);
	assert_int_equal(d->skel->bss->taken.release, T0 + 5 * MS);
}

/* Nothing is held beyond the window, whatever keeps it: delay, the packet before, `by`, the rate. */
static void lets_go_at_the_end(void **state)
{
	static const uint64_t bursts[][2] = {{0, 0}, {700, 300}, {60, 7}};
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);
	struct modelled m;

	for (unsigned variant = 0; variant < 12; variant++) {
		struct sp_rule *r = add_delay(d, 400, variant & 1 ? 300 : 0);
		uint64_t clipped = 0;

		deciding_reset(d);
		r->length_ns = 2345;
		r->every_ns = 5000;
		r->times = 3;
		r->burst_on_ns = bursts[variant / 4][0];
		r->burst_off_ns = bursts[variant / 4][1];
		if (variant & 2) {
			r->reorder_below = PERCENT(20);
			r->reorder_by_ns = 200;
			r->rate = 1000000000;
			r->queue_ns = 1000000;
		}
		for (unsigned window = 0; window < 3; window++) {
			uint64_t opens = T0 + window * r->every_ns;
			uint64_t on = r->burst_off_ns ? r->burst_on_ns : r->length_ns;

			model_flow(&m, d, &s, true, 1);
			m.pipes[0].free = d->skel->bss->rate_next[0][SP_DIR_OUT];
			for (uint64_t at = 0; at < r->length_ns; at += 11) {
				if (at % (on + r->burst_off_ns) >= on) {
					assert_int_equal(decide_at(d, &s, opens + at), NONE);
					continue;
				}
				model_packet(&m, opens + at, opens);
				assert_true(d->skel->bss->taken.release <= opens + r->length_ns);
				assert_true(d->skel->bss->taken.release <=
					    opens + at - at % (on + r->burst_off_ns) + on);
			}
			assert_int_equal(receipt_of(d, window).clipped, m.pipes[0].clipped);
			clipped += m.pipes[0].clipped;
		}
		assert_true(clipped > 0);
	}
}

static void lets_go_to_the_nanosecond(void **state)
{
	struct deciding *d = *state;
	struct spec s = flow_packet(3, true);

	add_delay(d, 1000, 0);
	assert_int_equal(decide_at(d, &s, T0 + HOUR - 1000), SP_DELAY);
	assert_int_equal(d->skel->bss->taken.release, T0 + HOUR);
	assert_int_equal(receipt_of(d, 0).clipped, 0);
	assert_int_equal(decide_at(d, &s, T0 + HOUR - 999), SP_DELAY);
	assert_int_equal(d->skel->bss->taken.release, T0 + HOUR);
	assert_int_equal(receipt_of(d, 0).clipped, 1);
	assert_int_equal(decide_at(d, &s, T0 + HOUR - 1), SP_DELAY);
	assert_int_equal(d->skel->bss->taken.release, T0 + HOUR);
	assert_int_equal(d->skel->bss->taken.requested, 1000);
	assert_int_equal(decide_at(d, &s, T0 + HOUR), NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open_many, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delays_to_the_nanosecond),
		TEST(jitter_keeps_the_order_of_a_flow),
		TEST(jitter_may_reorder_if_asked_to),
		TEST(each_flow_keeps_its_own_order),
		TEST(delays_its_share_of_packets),
		TEST(sends_the_drawn_at_once),
		TEST(holds_the_drawn_back),
		TEST(reorders_every_nth_at_most),
		TEST(reorders_gso_packets_by_their_segments),
		TEST(loses_every_nth_beside_all_else),
		TEST(holds_nothing_in_a_dead_line),
		TEST(lets_go_at_the_end),
		TEST(lets_go_to_the_nanosecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
