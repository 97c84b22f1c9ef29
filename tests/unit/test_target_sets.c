/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of targets: a number for each, and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drill/target_sets.h"

static struct sp_bits set_of(uint64_t n)
{
	return (struct sp_bits){.w = {n, 0, 0, n << 32}};
}

static uint32_t number_of(struct target_sets *sets, uint64_t n)
{
	struct sp_bits set = set_of(n);
	uint32_t number;

	assert_int_equal(target_sets_number(sets, &set, &number), 0);
	return number;
}

/* Each has its number for good, the empty one 0. */
static void test_numbers(void **state)
{
	struct target_sets *sets;

	(void)state;
	assert_int_equal(target_sets_open(&sets), 0);
	for (int round = 0; round < 2; round++) {
		for (uint32_t n = 0; n < 1000; n++) {
			assert_int_equal(number_of(sets, n), n);
			assert_int_equal(number_of(sets, n), n);
		}
	}
	for (uint32_t n = 0; n < 1000; n++) {
		struct sp_bits set = set_of(n);

		assert_memory_equal(target_sets_get(sets, n), &set, sizeof(set));
	}
	target_sets_close(sets);
	target_sets_close(NULL);
}

/* Full, it takes no more; those that it has stay. */
static void test_limit(void **state)
{
	struct sp_bits further = set_of(TARGET_SETS_MOST);
	struct target_sets *sets;
	uint32_t number = 7;

	(void)state;
	assert_int_equal(target_sets_open(&sets), 0);
	for (uint32_t n = 0; n < TARGET_SETS_MOST; n++)
		assert_int_equal(number_of(sets, n), n);
	assert_int_equal(target_sets_number(sets, &further, &number), -ENOSPC);
	assert_int_equal(number, 7);
	assert_int_equal(number_of(sets, 1), 1);
	assert_int_equal(number_of(sets, TARGET_SETS_MOST - 1), TARGET_SETS_MOST - 1);
	target_sets_close(sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
