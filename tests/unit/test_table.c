/* SPDX-License-Identifier: BSD-2-Clause */
/* The table with a limit, beside what it should hold. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

/* 11 bytes: neither a multiple of the alignment nor of the hash's words. */
struct key {
	char bytes[11];
};

static struct key key_of(unsigned n)
{
	struct key key = {.bytes = "key"};

	memcpy(key.bytes + 5, &n, sizeof(n));
	return key;
}

static uint64_t *put(struct table *t, unsigned n, bool is_new)
{
	struct key key = key_of(n);
	bool found_new;
	uint64_t *value = table_put(t, &key, &found_new);

	assert_non_null(value);
	assert_int_equal((uintptr_t)value % 8, 0);
	assert_int_equal(found_new, is_new);
	return value;
}

static uint64_t *find(struct table *t, unsigned n)
{
	struct key key = key_of(n);

	return table_find(t, &key);
}

static bool take_away(struct table *t, unsigned n)
{
	struct key key = key_of(n);

	return table_remove(t, &key);
}

static struct table *open_table(size_t max)
{
	struct table *t = NULL;

	assert_int_equal(table_open(sizeof(struct key), sizeof(uint64_t), max, &t), 0);
	return t;
}

static void test_values(void **state)
{
	struct table *t = open_table(100000);

	(void)state;
	assert_null(find(t, 1));
	assert_false(take_away(t, 1));
	for (unsigned n = 0; n < 100000; n++) {
		uint64_t *value = put(t, n, true);

		assert_int_equal(*value, 0);
		*value = n * 3ULL;
	}
	assert_int_equal(table_count(t), 100000);
	for (unsigned n = 0; n < 100000; n++)
		assert_int_equal(*find(t, n), n * 3ULL);
	assert_null(find(t, 100000));
	for (unsigned n = 0; n < 100000; n += 2)
		assert_true(take_away(t, n));
	assert_int_equal(table_count(t), 50000);
	for (unsigned n = 0; n < 100000; n++)
		assert_int_equal(!!find(t, n), n % 2);
	assert_int_equal(*put(t, 7, false), 21);
	assert_int_equal(*put(t, 8, true), 0); /* nothing of the one that was there before */
	table_close(t);
	table_close(NULL);
}

static void note_evicted(void *arg, const void *key, void *value)
{
	unsigned n;

	memcpy(&n, (const char *)key + 5, sizeof(n));
	assert_int_equal(*(uint64_t *)value, n);
	*(unsigned *)arg = n;
}

/* Full, the one that was used longest ago goes; a look is a use. */
static void test_limit(void **state)
{
	struct table *t = open_table(100);
	unsigned evicted = 1000;

	(void)state;
	table_on_evict(t, note_evicted, &evicted);
	for (unsigned n = 0; n < 100; n++)
		*put(t, n, true) = n;
	assert_int_equal(evicted, 1000);
	assert_non_null(find(t, 0));
	*put(t, 1, false) = 1;
	*put(t, 100, true) = 100;
	assert_int_equal(evicted, 2);
	*put(t, 101, true) = 101;
	assert_int_equal(evicted, 3);
	assert_int_equal(table_count(t), 100);
	assert_non_null(find(t, 0));
	assert_non_null(find(t, 1));
	assert_null(find(t, 2));
	assert_true(take_away(t, 50));
	*put(t, 102, true) = 102;
	assert_int_equal(evicted, 3); /* there was room */
	table_close(t);
}

static void test_order(void **state)
{
	struct table *t = open_table(3);
	uint64_t *value = NULL;
	const void *key;
	unsigned expect[] = {1, 3, 2};

	(void)state;
	assert_null(table_next(t, NULL, NULL));
	for (unsigned n = 1; n <= 3; n++)
		*put(t, n, true) = n;
	find(t, 1);
	for (size_t i = 0; i < 3; i++) {
		struct key wanted = key_of(expect[i]);

		value = table_next(t, value, &key);
		assert_int_equal(*value, expect[i]);
		assert_memory_equal(key, &wanted, sizeof(wanted));
	}
	assert_null(table_next(t, value, &key));
	table_close(t);
}

/* A limit of one, and a long life, in which every operation meets every state. */
static void test_life(void **state)
{
	struct table *t = open_table(1);
	bool there[50] = {false};
	unsigned random = 1, count = 0;

	(void)state;
	*put(t, 1, true) = 1;
	*put(t, 2, true) = 2;
	assert_null(find(t, 1));
	assert_int_equal(*find(t, 2), 2);
	table_close(t);
	t = open_table(50);
	for (int i = 0; i < 20000; i++) {
		unsigned n = (random = random * 1103515245 + 12345) >> 16 & 0x7fff;
		bool remove = n & 0x4000;

		n %= 50;
		if (remove) {
			assert_int_equal(take_away(t, n), there[n]);
			count -= there[n];
		} else {
			*put(t, n, !there[n]) = n;
			count += !there[n];
		}
		there[n] = !remove;
		assert_int_equal(table_count(t), count);
	}
	for (unsigned n = 0; n < 50; n++)
		assert_int_equal(!!find(t, n), there[n]);
	table_close(t);
}

static void test_bad(void **state)
{
	struct table *t = NULL;

	(void)state;
	assert_int_equal(table_open(0, 8, 8, &t), -EINVAL);
	assert_int_equal(table_open(8, 8, 0, &t), -EINVAL);
	assert_int_equal(table_open(8, 8, (1U << 24) + 1, &t), -EINVAL);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_limit), cmocka_unit_test(test_order),
		cmocka_unit_test(test_life),   cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
