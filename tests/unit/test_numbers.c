/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbered messages: what is missing, came twice, came late. A plain model with an array checks long random series. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "drill/numbers.h"

static struct numbers n;

static int begin(void **state)
{
	(void)state;
	memset(&n, 0, sizeof(n));
	return 0;
}

static void add_range(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++)
		numbers_add(&n, i);
}

static void check(uint64_t distinct, uint64_t missing, uint64_t twice, uint64_t late, uint64_t stray)
{
	assert_int_equal(n.distinct, distinct);
	assert_int_equal(numbers_missing(&n), missing);
	assert_int_equal(n.twice, twice);
	assert_int_equal(n.late, late);
	assert_int_equal(n.stray, stray);
	assert_int_equal(n.received, n.distinct + n.twice + n.stray);
}

static void nothing(void **state)
{
	(void)state;
	check(0, 0, 0, 0, 0);
	assert_true(numbers_completeness(&n) == 1);
}

static void in_order(void **state)
{
	(void)state;
	add_range(1000, 1999);
	check(1000, 0, 0, 0, 0);
	assert_int_equal(n.gaps, 0);
	assert_true(numbers_completeness(&n) == 1);
}

static void gaps_are_filled(void **state)
{
	(void)state;
	add_range(1, 10);
	add_range(14, 20);
	numbers_add(&n, 30);
	check(18, 12, 0, 0, 0);
	assert_int_equal(n.gaps, 2);
	assert_true(numbers_completeness(&n) == 18.0 / 30);
	numbers_add(&n, 12);
	numbers_add(&n, 12);
	numbers_add(&n, 30);
	check(19, 11, 2, 1, 0);
	assert_int_equal(n.gaps, 2);
}

static void before_the_first(void **state)
{
	(void)state;
	add_range(100, 110);
	numbers_add(&n, 99);
	numbers_add(&n, 0);
	check(11, 0, 0, 0, 2);
	assert_true(numbers_completeness(&n) == 1);
}

/* The oldest number that is still known, and the one before it. */
static void edge_of_the_window(void **state)
{
	(void)state;
	numbers_add(&n, 1);
	numbers_add(&n, 10 + NUMBERS_WINDOW);
	numbers_add(&n, 11);
	check(3, 7 + NUMBERS_WINDOW, 0, 1, 0);
	numbers_add(&n, 11);
	check(3, 7 + NUMBERS_WINDOW, 1, 1, 0);
	numbers_add(&n, 10);
	check(3, 7 + NUMBERS_WINDOW, 1, 1, 1);
	numbers_add(&n, 1);
	check(3, 7 + NUMBERS_WINDOW, 1, 1, 2);
}

/* A place of the window is used again by a number that is NUMBERS_WINDOW higher. */
static void second_round(void **state)
{
	(void)state;
	add_range(0, NUMBERS_WINDOW + 200);
	check(NUMBERS_WINDOW + 201, 0, 0, 0, 0);
	numbers_add(&n, NUMBERS_WINDOW + 400);
	numbers_add(&n, NUMBERS_WINDOW + 300);
	check(NUMBERS_WINDOW + 203, 198, 0, 1, 0);
	numbers_add(&n, NUMBERS_WINDOW + 200);
	check(NUMBERS_WINDOW + 203, 198, 1, 1, 0);
}

static void far_ends(void **state)
{
	(void)state;
	numbers_add(&n, 0);
	numbers_add(&n, UINT64_MAX);
	check(2, UINT64_MAX - 1, 0, 0, 0);
	assert_true(numbers_completeness(&n) > 0 && numbers_completeness(&n) < 1e-15);
	numbers_add(&n, UINT64_MAX - 1);
	numbers_add(&n, UINT64_MAX);
	check(3, UINT64_MAX - 2, 1, 1, 0);
}

#define SPAN (3 * NUMBERS_WINDOW)

/* Steps of all sizes around a word of the window, with messages sent again and held back. */
static void like_the_model(void **state)
{
	bool *seen = calloc(SPAN + 4096, sizeof(*seen));
	uint64_t distinct = 1, twice = 0, highest = 0, number;
	uint32_t lot = 7;

	(void)state;
	assert_non_null(seen);
	seen[0] = true;
	numbers_add(&n, 0);
	while (highest < SPAN) {
		lot = lot * 1664525 + 1013904223;
		if (lot >> 30 == 0 && highest > 5000)
			number = highest - (lot >> 8) % 5000;
		else
			number = highest + 1 + (lot >> 24 > 250 ? (lot >> 8) % 700 : 0);
		numbers_add(&n, number);
		twice += seen[number];
		distinct += !seen[number];
		seen[number] = true;
		highest = number > highest ? number : highest;
	}
	assert_int_equal(n.distinct, distinct);
	assert_int_equal(n.twice, twice);
	assert_int_equal(n.highest, highest);
	assert_int_equal(numbers_missing(&n), highest + 1 - distinct);
	assert_true(twice > 1000 && n.late > 1000 && n.gaps > 1000);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing, begin),
		cmocka_unit_test_setup(in_order, begin),
		cmocka_unit_test_setup(gaps_are_filled, begin),
		cmocka_unit_test_setup(before_the_first, begin),
		cmocka_unit_test_setup(edge_of_the_window, begin),
		cmocka_unit_test_setup(second_round, begin),
		cmocka_unit_test_setup(far_ends, begin),
		cmocka_unit_test_setup(like_the_model, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
