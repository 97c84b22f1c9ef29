/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits in the delay line comes out by release time, ticket, arrival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kernel/line_heap.h"

#define MANY 20000

/* The frames are never looked into: an address tells them apart. */
static char frames[MANY];

static struct line_frame *frame(size_t i)
{
	return (struct line_frame *)(void *)&frames[i];
}

static size_t pop(struct line_heap *heap)
{
	return (char *)line_heap_pop(heap) - frames;
}

static void empty(void **state)
{
	struct line_heap heap = {0};

	(void)state;
	assert_null(line_heap_top(&heap));
	line_heap_free(&heap);
}

static void by_release_ticket_arrival(void **state)
{
	static const struct {
		uint64_t release, ticket;
	} in[] = {{30, 1}, {10, 9}, {20, 5}, {10, 8}, {20, 5}, {10, 9}, {20, 4}, {UINT64_MAX, 0}};
	static const size_t out[] = {3, 1, 5, 6, 2, 4, 0, 7};
	const size_t n = sizeof(in) / sizeof(*in);
	struct line_heap heap = {0};

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(line_heap_push(&heap, in[i].release, in[i].ticket, frame(i)), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(line_heap_top(&heap)->release_ns, in[out[i]].release);
		assert_int_equal(pop(&heap), out[i]);
	}
	assert_null(line_heap_top(&heap));
	line_heap_free(&heap);
}

/* As segments of one packet: all the same but for their arrival. */
static void equals_keep_their_order(void **state)
{
	struct line_heap heap = {0};

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(line_heap_push(&heap, 7, 7, frame(i)), 0);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(pop(&heap), i);
	line_heap_free(&heap);
}

/* Pushed and popped in turn, by a generator with a fixed seed: nothing lost, nothing earlier than what came out before. */
static void mixed(void **state)
{
	static uint64_t release[MANY];
	static uint8_t seen[MANY];
	struct line_heap heap = {0};
	uint64_t x = 88172645463325252ULL, now = 0;
	size_t in = 0, out = 0;

	(void)state;
	while (out < MANY) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (in < MANY && (x & 3 || !heap.n)) {
			release[in] = now + (x >> 32) % 1000;
			assert_int_equal(line_heap_push(&heap, release[in], in, frame(in)), 0);
			in++;
		} else {
			size_t i = pop(&heap);

			assert_false(seen[i]++);
			assert_true(release[i] >= now);
			now = release[i];
			out++;
		}
	}
	assert_null(line_heap_top(&heap));
	line_heap_free(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(by_release_ticket_arrival),
		cmocka_unit_test(equals_keep_their_order),
		cmocka_unit_test(mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
