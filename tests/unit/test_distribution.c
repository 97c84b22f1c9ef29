/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of jitter against the formulas that define them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "kernel/distribution.h"
#include "quantile.h"

static int16_t table[SP_TABLE_SIZE];

static void holds_the_formulas_quantiles(void **state)
{
	(void)state;
	for (int d = SP_NORMAL; d < SP_DISTRIBUTIONS; d++) {
		distribution_fill(d, table);
		for (int i = 0; i < SP_TABLE_SIZE; i++) {
			double entry = quantile_at(d, (i + 0.5) / SP_TABLE_SIZE) * SP_TABLE_SCALE;

			assert_true(fabs(table[i] - fmin(entry, INT16_MAX)) <= 0.5 + 1e-6);
			assert_true(!i || table[i] >= table[i - 1]);
		}
	}
}

/* Quantiles from printed tables of the normal distribution; of the Pareto one by hand: 4/3 (8^(1/3) - 3/2) at 7/8. */
static void holds_known_values(void **state)
{
	(void)state;
	distribution_fill(SP_NORMAL, table);
	assert_in_range(table[2048], 0, 3);                             /* the median: half an entry off */
	assert_in_range(table[4096 * 975 / 1000], 16035, 16075);        /* 1.95996 */
	assert_in_range(table[4096 * 841345ULL / 1000000], 8170, 8210); /* 1 */
	assert_in_range(-table[4096 * 158655ULL / 1000000], 8170, 8210);
	distribution_fill(SP_PARETO, table);
	assert_in_range(table[4096 * 7 / 8], 5461, 5470); /* 2/3 */
	assert_in_range(-table[0], 5460, 5461);           /* the least: -2/3 */
	assert_int_equal(table[SP_TABLE_SIZE - 1], INT16_MAX);
	distribution_fill(SP_PARETONORMAL, table);
	assert_int_equal(table[SP_TABLE_SIZE - 1], INT16_MAX);
}

static void is_symmetric_if_normal(void **state)
{
	double square = 0;

	(void)state;
	distribution_fill(SP_NORMAL, table);
	for (int i = 0; i < SP_TABLE_SIZE; i++) {
		assert_int_equal(table[i], -table[SP_TABLE_SIZE - 1 - i]);
		square += (double)table[i] * table[i] / SP_TABLE_SIZE;
	}
	assert_true(fabs(sqrt(square) / SP_TABLE_SCALE - 1) < 0.002);
}

static void has_mean_zero_but_for_the_cut(void **state)
{
	(void)state;
	for (int d = SP_PARETO; d < SP_DISTRIBUTIONS; d++) {
		double mean = 0, cut = 0;

		distribution_fill(d, table);
		for (int i = 0; i < SP_TABLE_SIZE; i++) {
			double entry = quantile_at(d, (i + 0.5) / SP_TABLE_SIZE);

			mean += (double)table[i] / SP_TABLE_SCALE / SP_TABLE_SIZE;
			cut += fmax(0, entry - MOST_JITTER) / SP_TABLE_SIZE;
		}
		assert_true(fabs(mean + cut) < 0.01);
	}
}

static void needs_no_table_if_uniform(void **state)
{
	(void)state;
	distribution_fill(SP_UNIFORM, table);
	for (int i = 0; i < SP_TABLE_SIZE; i++)
		assert_int_equal(table[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_the_formulas_quantiles),
		cmocka_unit_test(holds_known_values),
		cmocka_unit_test(is_symmetric_if_normal),
		cmocka_unit_test(has_mean_zero_but_for_the_cut),
		cmocka_unit_test(needs_no_table_if_uniform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
