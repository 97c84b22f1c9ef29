/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of the delay line: frames never overlap, the cap holds, and memory serves every size again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/line_frames.h"

#define CAP (4 * LINE_SLAB_BYTES)
#define MOST 32768

static struct line_frame *taken[MOST];

static struct line_frames *open_frames(size_t cap)
{
	struct line_frames *frames;

	assert_int_equal(line_frames_open(cap, &frames), 0);
	return frames;
}

/* Take frames of a length until there are none; the bytes of each say which it is. */
static size_t exhaust(struct line_frames *frames, size_t len)
{
	size_t n = 0;

	while (n < MOST && (taken[n] = line_frames_get(frames, len))) {
		taken[n]->len = n;
		memset(taken[n]->bytes, n & 0xff, len);
		n++;
	}
	assert_true(n < MOST);
	return n;
}

static void check_and_put(struct line_frames *frames, size_t n, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(taken[i]->len, i);
		for (size_t at = 0; at < len; at++)
			assert_int_equal(taken[i]->bytes[at], i & 0xff);
	}
	for (size_t i = 0; i < n; i++)
		line_frames_put(frames, taken[i]);
}

static void cap(void **state)
{
	static const size_t lengths[] = {60, 1514, 9014, 60000, LINE_FRAME_MAX};
	struct line_frames *frames = open_frames(CAP - 1);

	(void)state;
	assert_int_equal(line_frames_cap(frames), CAP);
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			size_t n = exhaust(frames, lengths[i]);

			/* The headers and the rounding up cost less than half of it, and nothing comes from elsewhere. */
			assert_true(n * lengths[i] <= CAP);
			assert_true(n * lengths[i] >= CAP * 45 / 100);
			assert_null(line_frames_get(frames, lengths[i]));
			check_and_put(frames, n, lengths[i]);
		}
	line_frames_close(frames);
}

static void longest(void **state)
{
	struct line_frames *frames = open_frames(CAP);
	struct line_frame *frame;

	(void)state;
	assert_null(line_frames_get(frames, LINE_FRAME_MAX + LINE_SLAB_BYTES));
	assert_null(line_frames_get(frames, SIZE_MAX / 2));
	frame = line_frames_get(frames, LINE_FRAME_MAX);
	assert_non_null(frame);
	assert_true(line_frames_fits_smaller(frame, 1514));
	assert_false(line_frames_fits_smaller(frame, LINE_FRAME_MAX));
	line_frames_put(frames, frame);
	line_frames_close(frames);
}

/* One frame left in a slab keeps it for its size; the others serve any. */
static void one_stays(void **state)
{
	struct line_frames *frames = open_frames(CAP);
	size_t n = exhaust(frames, 60), large;
	struct line_frame *kept = taken[n - 1];

	(void)state;
	for (size_t i = 0; i < n - 1; i++)
		line_frames_put(frames, taken[i]);
	large = exhaust(frames, LINE_FRAME_MAX);
	assert_int_equal(large, 3 * 7);
	assert_int_equal(kept->len, n - 1);
	line_frames_put(frames, kept);
	taken[large] = line_frames_get(frames, LINE_FRAME_MAX);
	assert_non_null(taken[large]);
	for (size_t i = 0; i <= large; i++)
		line_frames_put(frames, taken[i]);
	line_frames_close(frames);
}

/* In an order that has nothing to do with that of taking: as with jitter. */
static void any_order(void **state)
{
	struct line_frames *frames = open_frames(CAP);
	uint64_t x = 88172645463325252ULL;
	size_t n = 0, sum = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (x & 1 && n < MOST) {
			size_t len = x >> 40 & 1 ? 60 + (x >> 8) % 1500 : (x >> 8) % LINE_FRAME_MAX;

			taken[n] = line_frames_get(frames, len);
			if (!taken[n])
				continue;
			taken[n]->len = len;
			taken[n]->tap = i;
			memset(taken[n]->bytes, i & 0xff, len);
			n++;
		} else if (n) {
			size_t at = (x >> 8) % n;
			struct line_frame *frame = taken[at];

			if (frame->len) {
				assert_int_equal(frame->bytes[0], frame->tap & 0xff);
				assert_int_equal(frame->bytes[frame->len - 1], frame->tap & 0xff);
			}
			sum += frame->len;
			line_frames_put(frames, frame);
			taken[at] = taken[--n];
		}
	}
	assert_true(sum > 100 * CAP);
	while (n)
		line_frames_put(frames, taken[--n]);
	assert_int_equal(exhaust(frames, LINE_FRAME_MAX), 4 * 7);
	line_frames_close(frames);
	line_frames_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cap),
		cmocka_unit_test(longest),
		cmocka_unit_test(one_stays),
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
