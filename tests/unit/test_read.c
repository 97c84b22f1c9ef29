/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of the event log, on logs that the writer made, and on what somebody made of them. */
#include "unit/made_log.h"

#include <errno.h>

#include "evidence/read.h"

/* A good log of n events, as text. */
static char *make_log(const struct run_dir *dir, int n, size_t *ret_len)
{
	struct log *log;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	for (int i = 0; i < n; i++)
		append(log, i + 1, "clock");
	assert_int_equal(log_close(log), 0);
	return get_file(dir->fd, "events.jsonl", ret_len);
}

static struct read_check check_log(const struct run_dir *dir, const char *text, size_t len, int expected)
{
	struct read_check check;
	struct reader *reader;
	struct event event;
	int n = 0, r;

	put_file(dir->fd, "events.jsonl", text, len);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	while ((r = reader_next(reader, &event)) > 0)
		n++;
	assert_int_equal(r, 0);
	assert_int_equal(n, expected);
	check = *reader_check(reader);
	reader_close(reader);
	return check;
}

static void reader_finds_a_cut(void **state)
{
	const struct run_dir *dir = *state;
	struct read_check check;
	size_t len;
	char *text = make_log(dir, 3, &len);

	check = check_log(dir, text, len, 3);
	assert_false(check.cut);
	assert_int_equal(check.bytes, len);
	check = check_log(dir, text, len - 1, 2);
	assert_true(check.cut);
	check = check_log(dir, text, strcspn(text, "\n") + 1, 1);
	assert_false(check.cut);
	check = check_log(dir, "", 0, 0);
	assert_false(check.cut);
	free(text);
}

static void reader_finds_a_missing_line(void **state)
{
	const struct run_dir *dir = *state;
	struct read_check check;
	size_t len, first;
	char *text = make_log(dir, 3, &len), *second;

	first = strcspn(text, "\n") + 1;
	second = text + first + strcspn(text + first, "\n") + 1;
	memmove(text + first, second, strlen(second) + 1);
	check = check_log(dir, text, strlen(text), 2);
	assert_int_equal(check.missing, 1);
	assert_int_equal(check.missing_line, 2);
	assert_int_equal(check.unchained, 1);
	assert_int_equal(check.unchained_line, 2);
	free(text);
}

static void reader_finds_an_alteration(void **state)
{
	const struct run_dir *dir = *state;
	struct read_check check;
	size_t len;
	char *text = make_log(dir, 3, &len);

	*strstr(text, "clock") = 'b';
	check = check_log(dir, text, len, 3);
	assert_int_equal(check.missing_line, 0);
	assert_int_equal(check.unchained, 1);
	assert_int_equal(check.unchained_line, 2);
	free(text);
}

static const struct read_fault *first_fault(const struct read_check *check)
{
	assert_true(check->n_faults > 0);
	return &check->faults[0];
}

static uint64_t line_of(const char *text, size_t at, size_t *ret_start)
{
	uint64_t line = 1;

	*ret_start = 0;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			line++;
			*ret_start = i + 1;
		}
	}
	return line;
}

static struct read_check read_all(const struct run_dir *dir, const char *text, size_t len)
{
	struct read_check check;
	struct reader *reader;
	struct event event;
	int r;

	put_file(dir->fd, "events.jsonl", text, len);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	while ((r = reader_next(reader, &event)) > 0)
		;
	assert_int_equal(r, 0);
	check = *reader_check(reader);
	reader_close(reader);
	return check;
}

/*
 * One byte of the log is another: the reader names its line, and no line before it. Nothing in the file vouches for the last
 * line, so that the last link may be told as broken at either end; and then its hash differs.
 */
static void expect_found(const struct run_dir *dir, char *text, size_t len, size_t at, char other,
			 const struct read_check *good)
{
	const char was = text[at];
	size_t start;
	uint64_t line = line_of(text, at, &start);
	const struct read_fault *fault;
	struct read_check check;

	text[at] = other;
	check = read_all(dir, text, len);
	text[at] = was;
	fault = &check.faults[0];
	if (!check.n_faults) {
		assert_int_equal(line, good->lines);
		assert_string_not_equal(check.head, good->head);
	} else if (fault->kind == READ_CHANGED_OR_NEXT && fault->line + 1 == line) {
		assert_true(line + 1 >=
			    good->lines); /* the newline before the last line makes two of them one */
	} else {
		if (fault->line != line)
			fail_msg("byte %zu of line %lu: line %lu is named", at, (unsigned long)line,
				 (unsigned long)fault->line);
		assert_int_equal(fault->offset, start);
	}
}

static char *make_varied_log(const struct run_dir *dir, int n, size_t *ret_len)
{
	struct log *log;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	for (int i = 0; i < n; i++) {
		struct log_packet p = any_packet();
		const struct log_event event = {
			.mono_ns = NS_PER_S + i, .type = "conn.data", .target = "t", .data = "{\"a\":[1,2]}"};

		p.mono_ns = NS_PER_S + i;
		assert_int_equal(i % 3 ? log_append_packet(log, &p) : log_append(log, &event), 0);
	}
	assert_int_equal(log_close(log), 0);
	return get_file(dir->fd, "events.jsonl", ret_len);
}

static void reader_names_the_line_of_each_flipped_byte(void **state)
{
	static const unsigned char flips[] = {0x01, 0x04, 0x20, 0x80};
	const struct run_dir *dir = *state;
	size_t len;
	char *text = make_varied_log(dir, 7, &len);
	const struct read_check good = read_all(dir, text, len);

	assert_int_equal(good.n_faults, 0);
	assert_int_equal(good.lines, 7);
	for (size_t at = 0; at < len; at++) {
		for (size_t f = 0; f < sizeof(flips); f++)
			expect_found(dir, text, len, at, text[at] ^ flips[f], &good);
		if (text[at] != '\n')
			expect_found(dir, text, len, at, '\n', &good);
	}
	free(text);
}

static void reader_finds_flipped_bytes_in_a_large_log(void **state)
{
	const struct run_dir *dir = *state;
	size_t len;
	char *text = make_varied_log(dir, 20000, &len);
	const struct read_check good = read_all(dir, text, len);

	assert_int_equal(good.n_faults, 0);
	for (int i = 0; i < 50; i++) {
		size_t at = any_number(len / 2) + any_number(len / 2);

		expect_found(dir, text, len, at, text[at] ^ (1 << any_number(8)), &good);
	}
	free(text);
}

/* The n lines of a log, in the order of `order`, which ends with a -1. */
static struct read_check read_in_order(const struct run_dir *dir, char *text, const int *order)
{
	char *lines[16], *copy = strdup(text), *rest = copy, *line, *made = calloc(4, strlen(text));
	struct read_check check;
	int n = 0;

	while ((line = next_line(&rest)))
		lines[n++] = line;
	for (; *order >= 0; order++)
		sprintf(made + strlen(made), "%s\n", lines[*order]);
	check = read_all(dir, made, strlen(made));
	free(copy);
	free(made);
	return check;
}

static void reader_tells_what_is_out_of_order(void **state)
{
	const struct run_dir *dir = *state;
	size_t len;
	char *text = make_varied_log(dir, 6, &len);
	struct read_check check;

	check = read_in_order(dir, text, (const int[]){0, 1, 2, 3, 4, 5, -1});
	assert_int_equal(check.n_faults, 0);
	check = read_in_order(dir, text, (const int[]){0, 1, 3, 4, 5, -1});
	assert_int_equal(first_fault(&check)->kind, READ_MISSING);
	assert_int_equal(first_fault(&check)->line, 3);
	assert_int_equal(first_fault(&check)->expected, 3);
	check = read_in_order(dir, text, (const int[]){2, 3, 4, 5, -1});
	assert_int_equal(first_fault(&check)->kind, READ_MISSING);
	assert_int_equal(first_fault(&check)->line, 1);
	check = read_in_order(dir, text, (const int[]){0, 1, 2, 2, 3, 4, 5, -1});
	assert_int_equal(first_fault(&check)->kind, READ_DISORDER);
	assert_int_equal(first_fault(&check)->line, 4);
	check = read_in_order(dir, text, (const int[]){0, 2, 1, 3, 4, 5, -1});
	assert_int_equal(first_fault(&check)->kind, READ_MISSING);
	assert_int_equal(first_fault(&check)->line, 2);
	assert_true(check.disordered > 0);
	assert_true(check.unchained > 0);
	free(text);
}

/* Somebody who knows the format makes a chain of his own: the order of time is wrong all the same. */
static void reader_checks_the_order_of_time(void **state)
{
	const struct run_dir *dir = *state;
	char text[2000] = "", hash[65];
	const char *const times[] = {"5", "9", "7", "9,\"late\":true", "9", "8,\"late\":true"};
	const int bad[] = {3, 4};
	struct read_check check;

	memset(hash, '0', 64);
	hash[64] = '\0';
	for (int i = 0; i < 6; i++) {
		char *line = text + strlen(text);

		sprintf(line, "{\"seq\":%d,\"ts_ns\":1,\"mono_ns\":%s,\"type\":\"clock\",\"prev\":\"%s\"}",
			i + 1, times[i], hash);
		sha256(line, hash);
		strcat(line, "\n");
	}
	check = read_all(dir, text, strlen(text));
	assert_int_equal(check.unchained, 0);
	assert_int_equal(check.disordered, 2);
	assert_int_equal(check.n_faults, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(check.faults[i].kind, READ_TIME);
		assert_int_equal(check.faults[i].line, bad[i]);
	}
}

static void reader_skips_what_is_no_event(void **state)
{
	const struct run_dir *dir = *state;
	struct read_check check;
	size_t len;
	char *text = make_log(dir, 4, &len);

	text[strcspn(text, "\n") + 5] = '\0';
	check = check_log(dir, text, len, 3);
	assert_int_equal(check.damaged, 1);
	assert_int_equal(check.damaged_line, 2);
	assert_int_equal(check.missing_line, 0);
	check = check_log(dir, "\n{}\n{\"seq\":1}\n", 14, 0);
	assert_int_equal(check.damaged, 3);
	free(text);
}

static void reader_survives_a_line_without_end(void **state)
{
	const struct run_dir *dir = *state;
	size_t len, big = 3 * READ_MAX_LINE + 17;
	char *good = make_log(dir, 1, &len), *text = malloc(big + len);
	struct read_check check;

	memset(text, 'x', big);
	check = check_log(dir, text, big, 0);
	assert_true(check.cut);
	assert_int_equal(check.damaged, 1);
	text[big - 1] = '\n';
	memcpy(text + big, good, len);
	check = check_log(dir, text, big + len, 1);
	assert_false(check.cut);
	assert_int_equal(check.damaged, 1);
	free(text);
	free(good);
}

/* A number that no JSON reader takes is no time, and none is computed with. */
static void reader_takes_no_number_beyond_those_of_json(void **state)
{
	const struct run_dir *dir = *state;
	static const char form[] = "{\"seq\":%s,\"ts_ns\":%s,\"mono_ns\":%s,\"type\":\"clock\",\"data\":{},"
				   "\"prev\":\"%064d\"}\n";
	static const char most[] = "9223372036854775807", more[] = "9223372036854775808";
	char line[400];

	check_log(dir, line, sprintf(line, form, "1", most, most, 0), 1);
	check_log(dir, line, sprintf(line, form, more, most, most, 0), 0);
	check_log(dir, line, sprintf(line, form, "1", more, most, 0), 0);
	check_log(dir, line, sprintf(line, form, "1", most, more, 0), 0);
}

/* A pipe would never answer, and a device never end. */
static void reader_reads_files_alone(void **state)
{
	const struct run_dir *dir = *state;
	struct reader *reader;

	assert_int_equal(mkfifoat(dir->fd, "events.jsonl", 0600), 0);
	assert_int_equal(reader_open(dir->fd, &reader), -ENOENT);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	assert_int_equal(symlinkat("/dev/zero", dir->fd, "events.jsonl"), 0);
	assert_int_equal(reader_open(dir->fd, &reader), -ENOENT);
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)
	const struct CMUnitTest tests[] = {
		IN_DIR(reader_finds_a_cut),
		IN_DIR(reader_finds_a_missing_line),
		IN_DIR(reader_finds_an_alteration),
		IN_DIR(reader_names_the_line_of_each_flipped_byte),
		IN_DIR(reader_finds_flipped_bytes_in_a_large_log),
		IN_DIR(reader_tells_what_is_out_of_order),
		IN_DIR(reader_checks_the_order_of_time),
		IN_DIR(reader_skips_what_is_no_event),
		IN_DIR(reader_survives_a_line_without_end),
		IN_DIR(reader_takes_no_number_beyond_those_of_json),
		IN_DIR(reader_reads_files_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
