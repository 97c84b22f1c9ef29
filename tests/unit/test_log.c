/* SPDX-License-Identifier: BSD-2-Clause */
/* The event log: writer and reader against each other, and the writer against an independent reading. */
#include "unit/run_dir.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/timeutil.h"
#include "evidence/log.h"
#include "evidence/read.h"

#define OFFSET 1795308575000000000LL

static void append(struct log *log, uint64_t mono_ns, const char *type)
{
	const struct log_event event = {.mono_ns = mono_ns, .type = type};

	assert_int_equal(log_append(log, &event), 0);
}

static char *next_line(char **rest)
{
	char *line = *rest, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line;
}

static void sha256(const char *line, char hex[65])
{
	unsigned char bytes[32];

	assert_true(EVP_Digest(line, strlen(line), bytes, NULL, EVP_sha256(), NULL));
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

/* Every line is JSON, numbered, chained, and the file ends with a line's end. Returns the number of lines. */
static int check_chain(const struct run_dir *dir, const char *const *types)
{
	char *text = get_file(dir->fd, "events.jsonl", NULL), *rest = text, *line, prev[65];
	int n = 0;
	json_t *event;

	memset(prev, '0', 64);
	prev[64] = '\0';
	while ((line = next_line(&rest))) {
		event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(event);
		assert_int_equal(json_integer_value(json_object_get(event, "seq")), ++n);
		assert_string_equal(json_string_value(json_object_get(event, "prev")), prev);
		if (types)
			assert_string_equal(json_string_value(json_object_get(event, "type")), types[n - 1]);
		sha256(line, prev);
		json_decref(event);
	}
	assert_string_equal(rest, "");
	free(text);
	return n;
}

static void writes_the_documented_line(void **state)
{
	const struct run_dir *dir = *state;
	const struct log_event event = {
		.mono_ns = 81230144551,
		.type = "flow.hit",
		.step = "a \"b\"",
		.instance = 2,
		.target = "front",
		.flow = "10.1.0.1:53122>10.1.0.2:40001/tcp",
		.data = "{\"rule\":\n0}",
	};
	struct log *log;
	char *text;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	assert_int_equal(log_append(log, &event), 0);
	assert_int_equal(log_close(log), 0);
	text = get_file(dir->fd, "events.jsonl", NULL);
	assert_string_equal(
		text,
		"{\"seq\":1,\"ts_ns\":1795308656230144551,\"mono_ns\":81230144551,\"type\":\"flow.hit\","
		"\"step\":\"a \\\"b\\\"\",\"instance\":2,\"target\":\"front\","
		"\"flow\":\"10.1.0.1:53122>10.1.0.2:40001/tcp\",\"data\":{\"rule\": 0},"
		"\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n");
	free(text);
	assert_int_equal(log_open(dir->fd, OFFSET, &log), -EEXIST);
}

/* Sorted by time; events of the same time keep the order in which they came. */
static void sorts(void **state)
{
	const struct run_dir *dir = *state;
	const char *const order[] = {"a", "b", "c1", "c2", "c3", "d"};
	struct log *log;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	append(log, 3000, "c1");
	append(log, 4000, "d");
	append(log, 1000, "a");
	append(log, 3000, "c2");
	append(log, 2000, "b");
	append(log, 3000, "c3");
	assert_int_equal(log_close(log), 0);
	assert_int_equal(check_chain(dir, order), 6);
}

static void holds_back(void **state)
{
	const struct run_dir *dir = *state;
	const char *const order[] = {"first", "second", "third"};
	struct log *log;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	append(log, NS_PER_S, "first");
	assert_int_equal(log_flush(log, NS_PER_S + LOG_HOLD_NS - 1), 0);
	assert_int_equal(check_chain(dir, NULL), 0);
	append(log, NS_PER_S + 2, "third");
	append(log, NS_PER_S + 1, "second");
	assert_int_equal(log_flush(log, NS_PER_S + LOG_HOLD_NS), 0);
	assert_int_equal(check_chain(dir, NULL), 1);
	assert_int_equal(log_flush(log, NS_PER_S + LOG_HOLD_NS + 1), 0);
	assert_int_equal(check_chain(dir, NULL), 2);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	assert_int_equal(check_chain(dir, order), 3);
	assert_int_equal(log_close(log), 0);
}

static void marks_what_is_late(void **state)
{
	const struct run_dir *dir = *state;
	const bool late[] = {false, true, true, false};
	struct reader *reader;
	struct event event;
	struct log *log;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	append(log, 5000, "a");
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	append(log, 4000, "c");
	append(log, 3000, "b");
	append(log, 5000, "d");
	assert_int_equal(log_close(log), 0);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(reader_next(reader, &event), 1);
		assert_int_equal(event.late, late[i]);
		assert_int_equal(event.ts_ns, event.mono_ns + OFFSET);
		assert_int_equal(event.type[0], "abcd"[i]);
	}
	assert_int_equal(reader_next(reader, &event), 0);
	reader_close(reader);
}

static void offset_counts_from_its_change_on(void **state)
{
	const struct run_dir *dir = *state;
	struct reader *reader;
	struct event event;
	struct log *log;

	assert_int_equal(log_open(dir->fd, 1000, &log), 0);
	append(log, 1, "a");
	log_set_offset(log, 2000);
	append(log, 2, "b");
	assert_int_equal(log_close(log), 0);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	assert_int_equal(reader_next(reader, &event), 1);
	assert_int_equal(event.ts_ns, 1001);
	assert_int_equal(reader_next(reader, &event), 1);
	assert_int_equal(event.ts_ns, 2002);
	reader_close(reader);
}

struct told {
	int n;
	char types[8];
};

static void tell(void *arg, const struct log_event *event, uint64_t ts_ns)
{
	struct told *told = arg;

	assert_int_equal(ts_ns, event->mono_ns + OFFSET);
	told->types[told->n++] = event->type[0];
}

static void tells_in_the_order_of_the_file(void **state)
{
	const struct run_dir *dir = *state;
	struct told told = {0};
	struct log *log;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	log_on_line(log, tell, &told);
	append(log, 2, "b");
	append(log, 1, "a");
	assert_int_equal(told.n, 0);
	assert_int_equal(log_flush(log, UINT64_MAX), 0);
	assert_string_equal(told.types, "ab");
	append(log, 3, "c");
	assert_int_equal(log_close(log), 0);
	assert_string_equal(told.types, "abc");
}

/* Sources that are each a little late, as in a run: the order holds across flushes and compaction of the text. */
static void many_events(void **state)
{
	const struct run_dir *dir = *state;
	struct reader *reader;
	struct event event;
	uint64_t last = 0;
	struct log *log;
	int i, n = 0;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	for (i = 0; i < 200000; i++) {
		append(log, NS_PER_S + i * 10000ULL - i % 7 * 4000000ULL, i % 3 ? "flow.hit" : "probe.up");
		if (i % 500 == 0)
			assert_int_equal(log_flush(log, NS_PER_S + i * 10000ULL), 0);
	}
	assert_int_equal(log_close(log), 0);
	assert_int_equal(check_chain(dir, NULL), 200000);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	for (; reader_next(reader, &event) > 0; n++) {
		assert_true(event.mono_ns >= last);
		assert_false(event.late);
		last = event.mono_ns;
	}
	assert_int_equal(n, 200000);
	assert_int_equal(reader_check(reader)->unchained + reader_check(reader)->missing_line, 0);
	reader_close(reader);
}

/* Append and flush until it fails; then every call gives the same error. Returns it. */
static int fill_up(struct log *log)
{
	const struct log_event event = {
		.mono_ns = 1, .type = "flow.hit", .step = "disconnect", .instance = 1};
	int err = 0, i;

	for (i = 0; i < 100000 && !err; i++) {
		err = log_append(log, &event);
		if (!err && i % 10 == 9)
			err = log_flush(log, UINT64_MAX);
	}
	assert_int_equal(log_append(log, &event), err);
	assert_int_equal(log_flush(log, UINT64_MAX), err);
	return err;
}

static void file_limit_leaves_whole_lines(void **state)
{
	const struct run_dir *dir = *state;
	struct rlimit before, small;
	struct log *log;
	int err;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 100003;
	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = fill_up(log);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, -EFBIG);
	assert_int_equal(log_close(log), -EFBIG);
	assert_in_range(check_chain(dir, NULL), 100, 1000);
}

/* 77: not permitted here. */
static int full_disk(const struct run_dir *dir)
{
	struct run_dir full = {.fd = -1};
	struct log *log;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir->path, "tmpfs", 0, "size=64k") < 0)
		return 77;
	full.fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (full.fd < 0 || log_open(full.fd, OFFSET, &log) || fill_up(log) != -ENOSPC ||
	    log_close(log) != -ENOSPC)
		return 1;
	return check_chain(&full, NULL) > 50 ? 0 : 2;
}

static void full_disk_leaves_whole_lines(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(full_disk(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

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

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, run_dir_setup, run_dir_teardown)
	const struct CMUnitTest tests[] = {
		IN_DIR(writes_the_documented_line),
		IN_DIR(sorts),
		IN_DIR(holds_back),
		IN_DIR(marks_what_is_late),
		IN_DIR(offset_counts_from_its_change_on),
		IN_DIR(tells_in_the_order_of_the_file),
		IN_DIR(many_events),
		IN_DIR(file_limit_leaves_whole_lines),
		IN_DIR(full_disk_leaves_whole_lines),
		IN_DIR(reader_finds_a_cut),
		IN_DIR(reader_finds_a_missing_line),
		IN_DIR(reader_finds_an_alteration),
		IN_DIR(reader_skips_what_is_no_event),
		IN_DIR(reader_survives_a_line_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
