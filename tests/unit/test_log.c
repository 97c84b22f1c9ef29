/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer of the event log, against an independent reading; test_read.c has the reader. */
#include "unit/made_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
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

static void end_text(const uint32_t *words, uint16_t port, char *text)
{
	char address[INET6_ADDRSTRLEN];

	if (!words[0] && !words[1] && words[2] == htonl(0xffff)) {
		inet_ntop(AF_INET, &words[3], address, sizeof(address));
		sprintf(text, "%s:%u", address, port);
	} else {
		inet_ntop(AF_INET6, words, address, sizeof(address));
		sprintf(text, "[%s]:%u", address, port);
	}
}

/* The same event by way of printf and log_append(). */
static void append_slowly(struct log *log, const struct log_packet *p)
{
	char local[64], remote[64], proto[4], flow[160], data[320];
	const struct log_event event = {.mono_ns = p->mono_ns,
					.type = "packet",
					.step = p->step,
					.instance = p->instance,
					.target = p->target,
					.flow = flow,
					.data = data};

	end_text(p->local, p->local_port, local);
	end_text(p->remote, p->remote_port, remote);
	sprintf(proto, "%u", p->proto);
	sprintf(flow, "%s>%s/%s", local, remote, p->proto == 6 ? "tcp" : p->proto == 17 ? "udp" : proto);
	sprintf(data,
		"{\"rule\":%u,\"verdict\":\"%s\",\"hook\":\"%s\",\"direction\":\"%s\",\"index\":%u,"
		"\"segments\":%u,"
		"\"bytes\":%u,\"delay_ns\":%" PRIu64 "}",
		p->rule, p->verdict, p->hook, p->direction, p->index, p->segments, p->bytes, p->delay_ns);
	assert_int_equal(log_append(log, &event), 0);
}

/* The file that a log of these packets is, some of them late, and of events between them. */
static char *log_of(const struct run_dir *dir, const struct log_packet *packets, size_t n,
		    void (*append_packet)(struct log *log, const struct log_packet *p))
{
	struct log *log;
	char *text;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	for (size_t i = 0; i < n; i++) {
		append_packet(log, &packets[i]);
		if (i % 7 == 0)
			append(log, packets[i].mono_ns, "probe.up");
		if (i % 1000 == 999)
			assert_int_equal(log_flush(log, NS_PER_S + NS_PER_S * i / n), 0);
		if (i == n / 2)
			log_set_offset(log, OFFSET + 12345);
	}
	assert_int_equal(log_close(log), 0);
	text = get_file(dir->fd, "events.jsonl", NULL);
	assert_int_equal(unlinkat(dir->fd, "events.jsonl", 0), 0);
	return text;
}

static void append_fast(struct log *log, const struct log_packet *p)
{
	assert_int_equal(log_append_packet(log, p), 0);
}

static void packets_are_written_as_any_event(void **state)
{
	const struct run_dir *dir = *state;
	const size_t n = 50000;
	struct log_packet *packets = calloc(n, sizeof(*packets));
	char *fast, *slow;

	assert_non_null(packets);
	for (size_t i = 0; i < n; i++) {
		packets[i] = any_packet();
		/* Flows and windows that come again, as they do in a run. */
		if (i && any_number(2)) {
			packets[i] = packets[any_number(i)];
			packets[i].index++;
		}
	}
	fast = log_of(dir, packets, n, append_fast);
	slow = log_of(dir, packets, n, append_slowly);
	assert_non_null(strstr(fast, "\"late\":true,\"type\":\"packet\""));
	assert_true(strcmp(fast, slow) == 0);
	put_file(dir->fd, "events.jsonl", fast, strlen(fast));
	assert_int_equal(check_chain(dir, NULL), n + (n + 6) / 7);
	free(packets);
	free(fast);
	free(slow);
}

static void writes_the_documented_packet(void **state)
{
	const struct run_dir *dir = *state;
	const struct log_packet packet = one_packet();
	struct log *log;
	char *text;

	assert_int_equal(log_open(dir->fd, OFFSET, &log), 0);
	assert_int_equal(log_append_packet(log, &packet), 0);
	assert_int_equal(log_close(log), 0);
	text = get_file(dir->fd, "events.jsonl", NULL);
	assert_string_equal(
		text, "{\"seq\":1,\"ts_ns\":1795308656230144551,\"mono_ns\":81230144551,\"type\":\"packet\","
		      "\"step\":\"thin\",\"instance\":2,\"target\":\"front\","
		      "\"flow\":\"10.1.0.1:53122>[fd00:2::5]:40001/"
		      "tcp\",\"data\":{\"rule\":3,\"verdict\":\"dropped\","
		      "\"hook\":\"tc-egress\",\"direction\":\"out\",\"index\":17,\"segments\":1,\"bytes\":60,"
		      "\"delay_ns\":0},"
		      "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n");
	free(text);
}

/* The last comes first: more than putting each into its place is made for. */
static void sorts_what_comes_backwards(void **state)
{
	const struct run_dir *dir = *state;
	const int n = 100000;
	struct reader *reader;
	struct event event;
	struct log *log;
	int i = 0;

	assert_int_equal(log_open(dir->fd, 0, &log), 0);
	for (i = 0; i < n; i++) {
		append(log, (n - i) / 2 * 2, "even");
		append(log, (n - i) / 2 * 2, "odd");
	}
	assert_int_equal(log_close(log), 0);
	assert_int_equal(reader_open(dir->fd, &reader), 0);
	for (i = 0; reader_next(reader, &event) > 0; i++) {
		assert_int_equal(event.mono_ns, (i + 2) / 4 * 2);
		assert_string_equal(event.type, i % 2 ? "odd" : "even");
	}
	assert_int_equal(i, 2 * n);
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
		IN_DIR(packets_are_written_as_any_event),
		IN_DIR(writes_the_documented_packet),
		IN_DIR(sorts_what_comes_backwards),
		IN_DIR(file_limit_leaves_whole_lines),
		IN_DIR(full_disk_leaves_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
