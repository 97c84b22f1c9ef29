/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/run_dir.h"

#include "base/buf.h"

static void grows(void **state)
{
	struct buf b = {0};
	char *text;
	int i;

	(void)state;
	for (i = 0; i < 10000; i++)
		buf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.len, 20000);
	assert_int_equal(b.data[b.len], 0);
	assert_memory_equal(b.data + 19990, "5,6,7,8,9,", 10);
	text = buf_take(&b);
	assert_int_equal(strlen(text), 20000);
	free(text);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

/* The first print fits, is one byte too long, fills the buffer to the NUL. */
static void prints_at_the_edge(void **state)
{
	char expected[600];
	struct buf b = {0};
	int len;

	(void)state;
	for (len = 0; len < 600; len++) {
		memset(expected, 'x', len);
		expected[len < 599 ? len : 599] = '\0';
		buf_printf(&b, "%*s", len, "");
		assert_int_equal(b.len, len);
		assert_int_equal(strlen(b.data), len);
		buf_clear(&b);
		buf_add(&b, expected, len);
		assert_int_equal(b.len, len);
		assert_string_equal(b.data, expected);
		buf_free(&b);
	}
}

static void fails_once_and_for_all(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_puts(&b, "kept");
	buf_add(&b, "", SIZE_MAX / 2);
	assert_true(b.failed);
	buf_puts(&b, "ignored");
	buf_printf(&b, "%s", "ignored");
	assert_int_equal(b.len, 4);
	buf_clear(&b);
	assert_true(b.failed);
	assert_null(buf_take(&b));
	assert_false(b.failed);
}

static void takes_empty(void **state)
{
	struct buf b = {0};
	char *text = buf_take(&b);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

static void keeps_bytes(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_free(&b);
}

/* Whoever reserves may write so many bytes and a NUL. */
static void reserves(void **state)
{
	struct buf b = {0};

	(void)state;
	for (size_t n = 0; n < 3000; n += 7) {
		assert_true(buf_reserve(&b, n));
		assert_true(b.size > b.len + n);
		memset(b.data + b.len, 'x', n);
		b.len += n;
		b.data[b.len] = '\0';
		assert_int_equal(strlen(b.data), b.len);
	}
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	assert_false(buf_reserve(&b, 1));
	buf_free(&b);
}

struct pieces {
	struct buf all;
	unsigned n, most;
};

static bool take_piece(void *arg, const struct buf *b)
{
	struct pieces *pieces = arg;

	if (pieces->n == pieces->most)
		return false;
	pieces->n++;
	assert_true(b->len >= BUF_PIECE);
	buf_add(&pieces->all, b->data, b->len);
	return true;
}

static void add_lines(struct buf *b)
{
	for (unsigned i = 0; i < 20000; i++)
		buf_printf(b, "%u,%u\n", i, i * i);
}

/* In pieces it is the same text, and little of it is held. */
static void hands_on(void **state)
{
	struct pieces pieces = {.most = 100};
	struct buf whole = {0}, b = {.hand_on = take_piece, .arg = &pieces};

	(void)state;
	add_lines(&whole);
	add_lines(&b);
	assert_false(b.failed);
	assert_true(pieces.n > 1 && b.len > 0);
	assert_true(b.size <= 2 * BUF_PIECE);
	buf_add(&pieces.all, b.data, b.len);
	assert_int_equal(pieces.all.len, whole.len);
	assert_memory_equal(pieces.all.data, whole.data, whole.len);
	buf_free(&pieces.all);
	buf_free(&whole);
	buf_free(&b);
}

static void fails_when_not_taken(void **state)
{
	struct pieces pieces = {.most = 1};
	struct buf b = {.hand_on = take_piece, .arg = &pieces};

	(void)state;
	add_lines(&b);
	assert_true(b.failed);
	assert_int_equal(pieces.n, 1);
	buf_free(&pieces.all);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows),
		cmocka_unit_test(prints_at_the_edge),
		cmocka_unit_test(fails_once_and_for_all),
		cmocka_unit_test(takes_empty),
		cmocka_unit_test(keeps_bytes),
		cmocka_unit_test(reserves),
		cmocka_unit_test(hands_on),
		cmocka_unit_test(fails_when_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
