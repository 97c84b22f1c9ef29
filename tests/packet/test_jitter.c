/* SPDX-License-Identifier: BSD-2-Clause */
/* The distributions of drawn delays: moments, and Kolmogorov and Smirnov's test, with seeds that are fixed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "packet/modelled.h"
#include "quantile.h"

#define DRAWS 200000
#define STEP 1000000
#define DELAY 250000000
#define JITTER 30000000
#define KS_1_PERCENT 1.63 /* the test's bound, times the square root of the number of draws */
#define GRID 20000

static uint64_t drawn[DRAWS];

static struct sp_rule *add_jitter(struct deciding *d, enum sp_distribution distribution)
{
	struct sp_rule *r = add_rule(d, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
	r->distribution = distribution;
	r->delay_ns = DELAY;
	r->jitter_ns = JITTER;
	r->delay_below = SP_ALWAYS;
	return r;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static const struct fate *draw_delays(struct deciding *d)
{
	struct spec s = flow_packet(3, true);
	const struct fate *fates;
	struct modelled m;

	d->skel->bss->given.step = STEP;
	model_flow(&m, d, &s, true, 1);
	fates = model_run(&m, DRAWS);
	expect_counts_as_modelled(&m);
	for (unsigned i = 0; i < DRAWS; i++)
		drawn[i] = fates[i].requested;
	qsort(drawn, DRAWS, sizeof(*drawn), by_size);
	return fates;
}

/* The share of draws that are at most x. */
static double share_up_to(double x)
{
	size_t low = 0, high = DRAWS;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (drawn[middle] <= x)
			low = middle + 1;
		else
			high = middle;
	}
	return (double)low / DRAWS;
}

/* Between what is cut off at no delay at all and what is cut off at MOST_JITTER. */
static double distance(const struct sp_rule *r)
{
	double farthest = 0;

	for (int i = 1; i < GRID; i++) {
		double u = (double)i / GRID, q = quantile_at(r->distribution, u), d;

		if (q >= MOST_JITTER || r->delay_ns + r->jitter_ns * q < 0)
			continue;
		d = fabs(share_up_to(r->delay_ns + r->jitter_ns * q) - u);
		if (d > farthest)
			farthest = d;
	}
	return farthest;
}

static double as_cut(const struct sp_rule *r, double u)
{
	return fmax(0, r->delay_ns + r->jitter_ns * fmin(quantile_at(r->distribution, u), MOST_JITTER));
}

/* Mean and deviation, within five standard errors. */
static void expect_moments(const struct sp_rule *r, double draws)
{
	double mean = 0, square = 0, fourth = 0, is_mean = 0, is_square = 0;

	for (int i = 0; i < GRID; i++)
		mean += as_cut(r, (i + 0.5) / GRID) / GRID;
	for (int i = 0; i < GRID; i++) {
		double x = as_cut(r, (i + 0.5) / GRID) - mean;

		square += x * x / GRID;
		fourth += x * x * x * x / GRID;
	}
	for (int i = 0; i < DRAWS; i++)
		is_mean += (double)drawn[i] / DRAWS;
	for (int i = 0; i < DRAWS; i++)
		is_square += (drawn[i] - is_mean) * (drawn[i] - is_mean) / DRAWS;
	assert_true(fabs(is_mean - mean) < 5 * sqrt(square / draws));
	assert_true(fabs(is_square - square) < 5 * sqrt((fourth - square * square) / draws));
}

static void jitters_as_distributed(void **state)
{
	struct deciding *d = *state;

	for (int i = 0; i < SP_DISTRIBUTIONS; i++) {
		struct sp_rule *r = add_jitter(d, i);

		deciding_reset(d);
		draw_delays(d);
		assert_true(distance(r) * sqrt(DRAWS) < KS_1_PERCENT);
		expect_moments(r, DRAWS);
	}
}

/* A packet's lot may be that of the one before: the distribution is the same, successive delays correlate. */
static void keeps_the_distribution_of_correlated_jitter(void **state)
{
	struct deciding *d = *state;

	for (int i = 0; i < SP_DISTRIBUTIONS; i++) {
		const double c = 0.5, independent = DRAWS * (1 - c) / (1 + c);
		struct sp_rule *r = add_jitter(d, i);
		double mean = 0, square = 0, product = 0;
		const struct fate *fates;

		deciding_reset(d);
		r->delay_correlation = PERCENT(100 * c);
		fates = draw_delays(d);
		assert_true(distance(r) * sqrt(independent) < KS_1_PERCENT);
		expect_moments(r, independent);
		for (int k = 0; k < DRAWS; k++)
			mean += (double)fates[k].requested / DRAWS;
		for (int k = 1; k < DRAWS; k++) {
			square += (fates[k].requested - mean) * (fates[k].requested - mean);
			product += (fates[k].requested - mean) * (fates[k - 1].requested - mean);
		}
		assert_true(fabs(product / square - c) < 0.02);
	}
}

static void uniform_jitter_stays_in_its_bounds(void **state)
{
	struct deciding *d = *state;

	add_jitter(d, SP_UNIFORM);
	draw_delays(d);
	/* Both ends are come near to, with 200,000 draws to within a ten-thousandth. */
	assert_in_range(drawn[0], DELAY - JITTER, DELAY - JITTER + JITTER / 5000);
	assert_in_range(drawn[DRAWS - 1], DELAY + JITTER - JITTER / 5000, DELAY + JITTER - 1);
}

/* As much jitter as delay: what would be sent before it came is sent at once. */
static void never_draws_less_than_nothing(void **state)
{
	static const double at_once[SP_DISTRIBUTIONS] = {0, 0.1587, 0};
	struct deciding *d = *state;

	for (int i = 0; i < SP_DISTRIBUTIONS; i++) {
		struct sp_rule *r = add_jitter(d, i);
		double share;

		deciding_reset(d);
		r->delay_ns = r->jitter_ns = 1000000;
		draw_delays(d);
		assert_true(drawn[DRAWS - 1] <= 5000000);
		share = share_up_to(0);
		if (i != SP_PARETONORMAL)
			assert_true(fabs(share - at_once[i]) < 0.005);
		assert_true(distance(r) * sqrt(DRAWS) < KS_1_PERCENT);
		expect_moments(r, DRAWS);
	}
}

/* The longest that the scenario layer allows: 60 s, of which half is jitter. */
static void does_not_overflow_at_the_horizon(void **state)
{
	struct deciding *d = *state;

	for (int i = 0; i < SP_DISTRIBUTIONS; i++) {
		struct sp_rule *r = add_jitter(d, i);

		deciding_reset(d);
		r->delay_ns = r->jitter_ns = 30000000000;
		draw_delays(d);
		assert_true(distance(r) * sqrt(DRAWS) < KS_1_PERCENT);
		expect_moments(r, DRAWS);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open_many, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jitters_as_distributed),
		TEST(keeps_the_distribution_of_correlated_jitter),
		TEST(uniform_jitter_stays_in_its_bounds),
		TEST(never_draws_less_than_nothing),
		TEST(does_not_overflow_at_the_horizon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
