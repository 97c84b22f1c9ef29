/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is drawn by chance, over a million packets of a flow: every lot equal to that of a model which draws forwards, and the
 * sums as the theory has them. Seeds are fixed, so that a test that passes once passes always.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "packet/modelled.h"

#define MILLION 1000000
#define MANY 100000
#define STEP 1000 /* ns between two packets */
#define LONGEST 64

static void expect_near(double is, double wanted, double relative)
{
	if (fabs(is - wanted) > relative * wanted)
		fail_msg("%g instead of %g", is, wanted);
}

/* n packets of one flow, each as the model has it, and so counted. */
static const struct fate *expect_as_modelled(struct deciding *d, uint32_t n)
{
	struct spec s = flow_packet(7, true);
	const struct fate *fates;
	struct modelled m;

	s.payload = 100;
	d->skel->bss->given.step = STEP;
	model_flow(&m, d, &s, true, 1);
	fates = model_run(&m, n);
	expect_counts_as_modelled(&m);
	return fates;
}

static struct sp_rule *gemodel(struct deciding *d, double p, double r, double bad, double good)
{
	struct sp_rule *rule = add_rule(d, 0);

	rule->flags = SP_RULE_GEMODEL | SP_RULE_RECEIPT;
	rule->ge_p = PERCENT(p);
	rule->ge_r = PERCENT(r);
	rule->ge_bad = PERCENT(bad);
	rule->ge_good = PERCENT(good);
	return rule;
}

static unsigned count_lost(const struct fate *fates, unsigned n)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < n; i++)
		lost += fates[i].verdict == SP_DROP;
	return lost;
}

/* How many runs of `verdict` there are of each length. */
static unsigned count_bursts(const struct fate *fates, unsigned n, uint8_t verdict, unsigned *bursts)
{
	unsigned length = 0, all = 0;

	for (unsigned i = 0; i < n; i++) {
		if (fates[i].verdict == verdict) {
			length++;
			continue;
		}
		if (length)
			all++;
		if (length && length < LONGEST)
			bursts[length]++;
		length = 0;
	}
	return all;
}

/* Lengths of runs are geometric. Where fewer than 3600 are expected, three deviations are more than 5 %. */
static void expect_geometric(const struct fate *fates, uint8_t verdict, double leave, double expected_bursts)
{
	unsigned bursts[LONGEST] = {0}, all = count_bursts(fates, MILLION, verdict, bursts);

	expect_near(all, expected_bursts, 0.05);
	for (unsigned k = 1; k < LONGEST; k++) {
		double expected = expected_bursts * leave * pow(1 - leave, k - 1);

		if (expected < 3600)
			break;
		expect_near(bursts[k], expected, 0.05);
	}
}

static void loses_in_bursts_as_gilbert_has_them(void **state)
{
	static const struct {
		double p, r;
	} models[] = {{5, 30}, {60, 90}};
	struct deciding *d = *state;

	for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
		double p = models[i].p / 100, r = models[i].r / 100, bursts = MILLION * p * r / (p + r);
		struct sp_rule *rule = gemodel(d, models[i].p, models[i].r, 100, 0);
		const struct fate *fates;
		unsigned lost;

		deciding_reset(d);
		rule->seed = 100 + i;
		fates = expect_as_modelled(d, MILLION);
		lost = count_lost(fates, MILLION);
		expect_near(lost, MILLION * p / (p + r), 0.05);
		expect_near(lost / bursts, 1 / r, 0.05);
		expect_geometric(fates, SP_DROP, r, bursts);
		expect_geometric(fates, SP_PASS, p, bursts);
	}
}

static void loses_in_both_states_as_elliott_has_it(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;

	gemodel(d, 3, 12, 60, 2);
	fates = expect_as_modelled(d, 3 * MANY);
	expect_near(count_lost(fates, 3 * MANY), 3 * MANY * (3 * 0.6 + 12 * 0.02) / 15, 0.05);
}

/* The least that the scenario layer allows, with walks of thousands of packets, and the most. */
static void keeps_its_state_for_long(void **state)
{
	static const double edges[][2] = {{0.05, 0.05}, {0.1, 0}, {99.95, 99.95}, {0.1, 100}, {100, 0.1}};
	struct deciding *d = *state;

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		deciding_reset(d);
		gemodel(d, edges[i][0], edges[i][1], 100, 0);
		expect_as_modelled(d, 30000);
	}
}

static void alternates_if_every_step_leads_to_the_other_state(void **state)
{
	struct deciding *d = *state;
	const struct fate *fates;

	gemodel(d, 100, 100, 100, 0);
	fates = expect_as_modelled(d, 4000);

	for (unsigned i = 0; i < 4000; i++)
		assert_int_equal(fates[i].verdict, i & 1 ? SP_DROP : SP_PASS);
}

static void never_leaves_a_state_without_a_way_out(void **state)
{
	struct deciding *d = *state;

	gemodel(d, 0, 1, 100, 0);
	assert_int_equal(count_lost(expect_as_modelled(d, MANY), MANY), 0);
	deciding_reset(d);
	gemodel(d, 100, 0, 100, 0);
	assert_int_equal(count_lost(expect_as_modelled(d, 1000), 1000), 999);
}

/* Does the seed, and nothing else, decide what is lost? */
static void loses_the_same_with_the_same_seed(void **state)
{
	struct deciding *d = *state, *again;
	struct sp_rule *rule = gemodel(d, 1, 10, 100, 1);
	struct spec s = flow_packet(7, true);
	const struct fate *one, *two;
	void *other = NULL;
	unsigned differ = 0;

	rule->loss_correlation = 0;
	one = decide_run(d, &s, T0, MILLION);
	assert_int_equal(deciding_open_many(&other), 0);
	again = other;
	gemodel(again, 1, 10, 100, 1);
	again->skel->bss->given.step = 777;
	two = decide_run(again, &s, T0 + 12345, MILLION);
	for (unsigned i = 0; i < MILLION; i++)
		assert_int_equal(one[i].verdict, two[i].verdict);
	deciding_reset(again);
	again->skel->bss->rules[0].seed++;
	two = decide_run(again, &s, T0, MANY);
	for (unsigned i = 0; i < MANY; i++)
		differ += one[i].verdict != two[i].verdict;
	/* Two independent runs, each losing x = 1/11 + 10/11 * 1 %, differ in 2x(1 - x). */
	expect_near(differ, 2 * MANY * 0.1 * 0.9, 0.05);
	assert_int_equal(deciding_close(&other), 0);
}

/* Both directions of a flow, and every flow, have lots of their own. */
static void flows_and_directions_have_their_own_luck(void **state)
{
	struct deciding *d = *state;
	unsigned lost[4] = {0}, same[4] = {0};
	static uint8_t first[MANY];

	gemodel(d, 10, 10, 100, 0);
	for (unsigned k = 0; k < 4; k++) {
		struct spec s = flow_packet(100 + k / 2, k & 1);
		const struct fate *fates = decide_run(d, &s, T0, MANY);

		for (unsigned i = 0; i < MANY; i++) {
			lost[k] += fates[i].verdict == SP_DROP;
			same[k] += fates[i].verdict == first[i];
			if (!k)
				first[i] = fates[i].verdict;
		}
		expect_near(lost[k], MANY / 2, 0.05);
		if (k)
			expect_near(same[k], MANY / 2, 0.05);
	}
}

/* Lag 1, of what was lost. */
static double autocorrelation(const struct fate *fates, unsigned n)
{
	double mean = count_lost(fates, n) / (double)n, sum = 0;

	for (unsigned i = 1; i < n; i++)
		sum += ((fates[i].verdict == SP_DROP) - mean) * ((fates[i - 1].verdict == SP_DROP) - mean);
	return sum / (n - 1) / (mean * (1 - mean));
}

static void keeps_the_rate_of_correlated_loss(void **state)
{
	static const double cases[][2] = {{5, 25}, {20, 90}};
	struct deciding *d = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sp_rule *rule = add_rule(d, 0);
		const struct fate *fates;

		deciding_reset(d);
		rule->seed = 20 + i;
		rule->flags = SP_RULE_RECEIPT;
		rule->drop_below = PERCENT(cases[i][0]);
		rule->loss_correlation = PERCENT(cases[i][1]);
		fates = expect_as_modelled(d, MILLION);
		expect_near(count_lost(fates, MILLION), MILLION * cases[i][0] / 100, 0.05);
		assert_true(fabs(autocorrelation(fates, MILLION) - cases[i][1] / 100) < 0.01);
	}
}

static void shares_one_lot_if_all_is_correlated(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *rule = add_rule(d, 0);
	unsigned lost = 0;

	rule->drop_below = PERCENT(50);
	rule->loss_correlation = SP_ALWAYS;
	for (unsigned flow = 0; flow < 1000; flow++) {
		struct spec s = flow_packet(flow, true);
		unsigned n = count_lost(decide_run(d, &s, T0, 20), 20);

		assert_true(!n || n == 20);
		lost += n / 20;
	}
	assert_in_range(lost, 420, 580); /* five deviations */
}

/* Every key at once, with correlations and without. */
static void draws_each_lot_as_modelled(void **state)
{
	static const double correlations[] = {0, 30, 95};
	struct deciding *d = *state;

	for (int i = 0; i < 3; i++) {
		struct sp_rule *r = add_rule(d, 0);

		deciding_reset(d);
		r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT |
			   (i == 1 ? SP_RULE_CORRUPT_VALID : 0);
		r->drop_below = PERCENT(2);
		r->delay_ns = 50000000;
		r->jitter_ns = 20000000;
		r->delay_below = i ? SP_ALWAYS : PERCENT(70);
		r->duplicate_below = PERCENT(3);
		r->corrupt_below = PERCENT(4);
		r->reorder_below = PERCENT(25);
		r->reorder_by_ns = i == 2 ? 3000000 : 0;
		r->reorder_gap = i == 1 ? 5 : 0;
		r->loss_correlation = r->delay_correlation = r->duplicate_correlation =
			r->corrupt_correlation = r->reorder_correlation = PERCENT(correlations[i]);
		expect_as_modelled(d, MANY);
	}
}

/* A flow that lives through several windows has other luck in each; in the first that of a rule with one window. */
static void each_window_has_lots_of_its_own(void **state)
{
	static enum sp_verdict verdicts[4][2000];
	struct deciding *d = *state;
	struct spec s = flow_packet(7, true);
	struct sp_rule *r = add_rule(d, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
	r->length_ns = 1000000000;
	r->every_ns = 2000000000;
	r->times = 4;
	r->drop_below = PERCENT(30);
	r->loss_correlation = PERCENT(25);
	r->delay_ns = r->jitter_ns = 5000000;
	r->delay_below = SP_ALWAYS;
	for (unsigned window = 0; window < 4; window++) {
		struct modelled m;

		model_flow(&m, d, &s, true, 1);
		for (unsigned i = 0; i < 2000; i++)
			verdicts[window][i] = model_packet(&m, T0 + window * r->every_ns + i * 1000,
							   T0 + window * r->every_ns);
	}
	for (unsigned a = 0; a < 4; a++)
		for (unsigned b = 0; b < a; b++) {
			unsigned differ = 0;

			for (unsigned i = 0; i < 2000; i++)
				differ += verdicts[a][i] != verdicts[b][i];
			expect_near(differ, 2000 * 2 * 0.3 * 0.7, 0.2);
		}
	deciding_reset(d);
	r->times = 1;
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(decide_at(d, &s, T0 + i * 1000), verdicts[0][i]);
}

/* A GSO packet draws once, and takes as many numbers as it has segments. */
static void counts_segments_in_the_index(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rule(d, 0);
	struct spec s = flow_packet(7, true);
	struct pipe pipe = {.rule = r, .flow = hash_of(&s, true), .dir = SP_DIR_OUT};
	uint64_t segments = 0, lost = 0;

	r->flags = SP_RULE_GEMODEL | SP_RULE_BENDS | SP_RULE_RECEIPT;
	r->ge_p = PERCENT(5);
	r->ge_r = PERCENT(20);
	r->ge_bad = SP_ALWAYS;
	r->duplicate_below = PERCENT(10);
	r->duplicate_correlation = PERCENT(60);
	for (unsigned i = 0; i < 5000; i++) {
		struct crossing x = {.now = T0, .opened = T0, .segments = 1 + i * 7 % 44};

		d->skel->bss->given.segments = x.segments;
		assert_int_equal(decide_at(d, &s, T0), pipe_cross(&pipe, &x));
		segments += x.segments;
		lost += d->skel->bss->taken.verdict == SP_DROP ? x.segments : 0;
	}
	assert_int_equal(counters_of(d, 0).matched, segments);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], lost);
	assert_int_equal(receipt_of(d, 0).chance[SP_CHANCE_LOSS].drawn, 5000);
	assert_int_equal(receipt_of(d, 0).chance[SP_CHANCE_DUPLICATE].hit,
			 pipe.chance[SP_CHANCE_DUPLICATE].hit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open_many, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(loses_in_bursts_as_gilbert_has_them),
		TEST(loses_in_both_states_as_elliott_has_it),
		TEST(keeps_its_state_for_long),
		TEST(alternates_if_every_step_leads_to_the_other_state),
		TEST(never_leaves_a_state_without_a_way_out),
		TEST(loses_the_same_with_the_same_seed),
		TEST(flows_and_directions_have_their_own_luck),
		TEST(keeps_the_rate_of_correlated_loss),
		TEST(shares_one_lot_if_all_is_correlated),
		TEST(draws_each_lot_as_modelled),
		TEST(each_window_has_lots_of_its_own),
		TEST(counts_segments_in_the_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
