/* SPDX-License-Identifier: BSD-2-Clause */
/* Following a file: what is appended, and whatever is done to the file meanwhile. */
#include "unit/work_dir.h"

#include <errno.h>

#include "base/buf.h"
#include "drill/tail.h"

#define ALL (64 * 1024 * 1024)
#define GIB (1LL << 30)

static struct buf got; /* "a|b|": the lines given so far */
static size_t wanted;  /* of tail_open() */

static bool on_line(void *arg, const char *line, size_t len)
{
	(void)arg;
	buf_add(&got, line, len);
	buf_puts(&got, "|");
	return --wanted;
}

static void write_at(const char *name, int flags, off_t at, const char *text, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

	assert_true(fd >= 0);
	if (flags & O_APPEND)
		assert_int_equal(write(fd, text, len), len);
	else
		assert_int_equal(pwrite(fd, text, len, at), len);
	close(fd);
}

static void append(const char *text)
{
	write_at("log", O_APPEND, 0, text, strlen(text));
}

static void overwrite(const char *text)
{
	write_at("log", O_TRUNC, 0, text, strlen(text));
}

static void expect(const char *lines)
{
	assert_string_equal(got.data ? got.data : "", lines);
	buf_free(&got);
}

static struct tail *begin(const char *lines)
{
	struct tail *t;

	wanted = SIZE_MAX;
	assert_int_equal(tail_open("log", on_line, NULL, &t), 0);
	expect(lines);
	return t;
}

static void go_on(struct tail *t, int result, const char *lines)
{
	assert_int_equal(tail_read(t, ALL, on_line, NULL), result);
	expect(lines);
}

static int leave(void **state)
{
	static const char *const names[] = {"log", "log.1", "new"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (unlink(names[i]) && errno == EISDIR)
			rmdir(names[i]);
	buf_free(&got);
	return work_dir_leave(state);
}

static void lines_as_they_come(void **state)
{
	struct tail *t;

	(void)state;
	append("one\ntwo\n\nthree\r\nfo");
	t = begin("three||two|one|");
	go_on(t, 0, "");
	append("ur");
	go_on(t, 0, "");
	append("\nfive\nsi");
	go_on(t, 0, "four|five|");
	append("x\n\n");
	go_on(t, 0, "six||");
	go_on(t, 0, "");
	tail_close(t);
	tail_close(NULL);
}

static void a_part_in_one_go(void **state)
{
	struct tail *t;

	(void)state;
	append("a\n");
	t = begin("a|");
	append("bb\ncc\ndd\n");
	assert_int_equal(tail_read(t, 4, on_line, NULL), 1);
	expect("bb|");
	assert_int_equal(tail_read(t, 4, on_line, NULL), 1);
	expect("cc|");
	go_on(t, 0, "dd|");
	tail_close(t);
}

static void no_more_than_wanted(void **state)
{
	struct tail *t;

	(void)state;
	append("one\ntwo\nthree\n");
	wanted = 2;
	assert_int_equal(tail_open("log", on_line, NULL, &t), 0);
	expect("three|two|");
	append("four\n");
	go_on(t, 0, "four|");
	tail_close(t);
}

static void long_lines_are_cut(void **state)
{
	size_t lens[] = {TAIL_LINE - 1, TAIL_LINE, TAIL_LINE + 1, 3 * TAIL_LINE};
	char *text = malloc(3 * TAIL_LINE + 1);
	struct tail *t;

	(void)state;
	assert_non_null(text);
	append("first\n");
	t = begin("first|");
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		size_t len = lens[i] < TAIL_LINE ? lens[i] : TAIL_LINE;

		memset(text, 'x', lens[i]);
		text[lens[i]] = '\n';
		write_at("log", O_APPEND, 0, text, lens[i] + 1);
		append("next\n");
		assert_int_equal(tail_read(t, ALL, on_line, NULL), 0);
		assert_int_equal(got.len, len + strlen("|next|"));
		assert_memory_equal(got.data, text, len);
		assert_string_equal(got.data + len, "|next|");
		buf_free(&got);
	}
	tail_close(t);
	free(text);
}

/* Renamed and made anew; the writer goes on with the old one until it has noticed. */
static void replaced(void **state)
{
	struct tail *t;
	int old;

	(void)state;
	append("one\n");
	t = begin("one|");
	old = open("log", O_WRONLY | O_APPEND | O_CLOEXEC);
	append("two\n");
	assert_int_equal(rename("log", "log.1"), 0);
	go_on(t, -ENOENT, "two|");
	assert_int_equal(write(old, "three\n", 6), 6);
	go_on(t, -ENOENT, "three|");
	append("");
	assert_int_equal(write(old, "four\n", 5), 5);
	go_on(t, 0, "four|");
	assert_int_equal(write(old, "five\nno end", 11), 11);
	append("six\nseven\n");
	go_on(t, 0, "five|six|seven|");
	assert_int_equal(write(old, "too late\n", 9), 9);
	append("eight\n");
	go_on(t, 0, "eight|");
	close(old);
	tail_close(t);
}

static void replaced_at_once(void **state)
{
	struct tail *t;

	(void)state;
	append("one\n");
	t = begin("one|");
	for (int i = 0; i < 3; i++) {
		append("old\n");
		write_at("new", O_TRUNC, 0, "new\n", 4);
		assert_int_equal(rename("new", "log"), 0);
		go_on(t, 0, "old|new|");
	}
	tail_close(t);
}

static void truncated(void **state)
{
	struct tail *t;

	(void)state;
	append("one\ntwo\nno end");
	t = begin("two|one|");
	go_on(t, 0, "");
	assert_int_equal(truncate("log", 0), 0);
	go_on(t, 0, "");
	append("three\n");
	go_on(t, 0, "three|");
	overwrite("4\n");
	go_on(t, 0, "4|");
	tail_close(t);
}

/* Longer than before, or as long: only its bytes tell. (Clocks of file systems tick slowly: the test sets the time.) */
static void written_anew(void **state)
{
	static const struct timespec times[][2] = {{{.tv_sec = 1}, {.tv_sec = 1}},
						   {{.tv_sec = 2}, {.tv_sec = 2}}};
	struct tail *t;

	(void)state;
	append("state=1\n");
	t = begin("state=1|");
	overwrite("state=2\nand more of it\n");
	go_on(t, 0, "state=2|and more of it|");
	for (int i = 0; i < 2; i++) {
		overwrite(i ? "state=4\nand more of it\n" : "state=3\nand more of it\n");
		assert_int_equal(utimensat(AT_FDCWD, "log", times[i], 0), 0);
		go_on(t, 0, i ? "state=4|and more of it|" : "state=3|and more of it|");
		go_on(t, 0, "");
	}
	tail_close(t);
}

static void not_there(void **state)
{
	struct tail *t = begin("");

	(void)state;
	go_on(t, -ENOENT, "");
	append("one\n");
	go_on(t, 0, "one|");
	assert_int_equal(unlink("log"), 0);
	go_on(t, -ENOENT, "");
	append("two\n");
	go_on(t, 0, "two|");
	tail_close(t);
}

static void no_file(void **state)
{
	struct tail *t;

	(void)state;
	assert_int_equal(mkdir("log", 0755), 0);
	t = begin("");
	go_on(t, -EISDIR, "");
	assert_int_equal(rmdir("log"), 0);
	assert_int_equal(mkfifo("log", 0644), 0);
	go_on(t, -EINVAL, "");
	assert_int_equal(unlink("log"), 0);
	append("one\n");
	go_on(t, 0, "one|");
	tail_close(t);
}

/* Bytes that this process has read so far. */
static uint64_t bytes_read(void)
{
	unsigned long long n = 0;
	FILE *f = fopen("/proc/self/io", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "rchar: %llu", &n), 1);
	fclose(f);
	return n;
}

static void a_gibibyte(void **state)
{
	uint64_t before;
	struct tail *t;

	(void)state;
	write_at("log", 0, 0, "at the start\n", 13);
	write_at("log", 0, GIB, "one\ntwo\n", 8);
	before = bytes_read();
	t = begin("two|one|");
	append("three\n");
	go_on(t, 0, "three|");
	assert_true(bytes_read() - before < 2 * TAIL_BACK);
	tail_close(t);
}

/* No newline within reach: the line that is under way began before. */
static void an_endless_line(void **state)
{
	char *text = malloc(2 * TAIL_BACK);
	struct tail *t;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 2 * TAIL_BACK);
	write_at("log", O_APPEND, 0, text, 2 * TAIL_BACK);
	free(text);
	t = begin("");
	append("x\none\n");
	go_on(t, 0, "one|");
	tail_close(t);
}

/* Truncated under a writer that keeps its place: zeros stand before what it writes next. */
static void a_writer_that_keeps_its_place(void **state)
{
	uint64_t before;
	struct tail *t;

	(void)state;
	append("one\n");
	t = begin("one|");
	write_at("log", 0, 100000, "two\n", 4);
	go_on(t, 0, "two|");
	assert_int_equal(truncate("log", 0), 0);
	write_at("log", 0, 100004, "three\n", 6);
	before = bytes_read();
	go_on(t, 0, "three|");
	assert_int_equal(truncate("log", 0), 0);
	write_at("log", 0, GIB, "four\nfi", 7);
	go_on(t, 0, "four|");
	append("ve\n");
	go_on(t, 0, "five|");
	assert_true(bytes_read() - before < 2 * TAIL_BACK);
	tail_close(t);
	t = begin("five|four|");
	tail_close(t);
	assert_int_equal(truncate("log", 2 * GIB), 0);
	t = begin("");
	append("six\n");
	go_on(t, 0, "six|");
	tail_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_as_they_come, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(a_part_in_one_go, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(no_more_than_wanted, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(replaced, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(replaced_at_once, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(truncated, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(written_anew, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(not_there, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(no_file, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(a_gibibyte, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(an_endless_line, work_dir_enter, leave),
		cmocka_unit_test_setup_teardown(a_writer_that_keeps_its_place, work_dir_enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
