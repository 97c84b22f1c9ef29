/* SPDX-License-Identifier: BSD-2-Clause */
/* The buckets of the receipts' histograms: each time lies in its bucket, and buckets are narrow and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "histogram.bpf.h"

#define FIRST 1024
#define LAST_LOW                                                                                             \
	((1ULL << 37) + 15 * (1ULL << 33)) /* of 448 buckets, 28 octaves from 2^10 on: 31/16 * 2^37 */

static void expect_in_bucket(uint64_t ns)
{
	uint32_t bucket = bucket_of(ns);

	assert_in_range(bucket, 0, SP_BUCKETS - 1);
	assert_true(bucket_low(bucket) <= ns);
	if (bucket < SP_BUCKETS - 1)
		assert_true(ns < bucket_low(bucket + 1));
}

static void puts_each_time_into_its_bucket(void **state)
{
	(void)state;
	for (uint64_t ns = 0; ns < 300000; ns++)
		expect_in_bucket(ns);
	for (int bit = 10; bit < 64; bit++)
		for (int64_t k = -1; k <= 16; k++)
			for (int side = -1; side <= 1; side++)
				expect_in_bucket((1ULL << bit) + k * (1LL << (bit - 4)) + side);
	expect_in_bucket(UINT64_MAX);
}

static void has_buckets_in_order(void **state)
{
	(void)state;
	assert_int_equal(bucket_low(0), 0);
	for (uint32_t bucket = 1; bucket < SP_BUCKETS; bucket++) {
		assert_true(bucket_low(bucket) > bucket_low(bucket - 1));
		assert_int_equal(bucket_of(bucket_low(bucket)), bucket);
		assert_int_equal(bucket_of(bucket_low(bucket) - 1), bucket - 1);
	}
}

/* One sixteenth of its octave; the first holds all below 1024 ns besides. */
static void has_buckets_of_at_most_a_sixteenth(void **state)
{
	(void)state;
	assert_int_equal(bucket_low(1), FIRST + FIRST / 16);
	for (uint32_t bucket = 1; bucket < SP_BUCKETS - 1; bucket++)
		assert_true((bucket_low(bucket + 1) - bucket_low(bucket)) * 16 <= bucket_low(bucket));
}

static void ends_beyond_the_longest_delay(void **state)
{
	(void)state;
	assert_true(bucket_low(SP_BUCKETS - 1) == LAST_LOW);
	assert_int_equal(bucket_of(LAST_LOW - 1), SP_BUCKETS - 2);
	assert_int_equal(bucket_of(LAST_LOW), SP_BUCKETS - 1);
	assert_int_equal(bucket_of(UINT64_MAX), SP_BUCKETS - 1);
	/* Delay, jitter's tail and `by`, of several rules. */
	assert_true(LAST_LOW > 240000000000ULL);
}

static void finds_the_highest_bit(void **state)
{
	(void)state;
	assert_int_equal(highest_bit(0), 0);
	for (uint32_t bit = 0; bit < 64; bit++) {
		assert_int_equal(highest_bit(1ULL << bit), bit);
		assert_int_equal(highest_bit((1ULL << bit) | ((1ULL << bit) - 1)), bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_each_time_into_its_bucket),
		cmocka_unit_test(has_buckets_in_order),
		cmocka_unit_test(has_buckets_of_at_most_a_sixteenth),
		cmocka_unit_test(ends_beyond_the_longest_delay),
		cmocka_unit_test(finds_the_highest_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
