/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes whose caller comes late: what has been answered by then is no timeout. The answer is there before anybody looks, and the
 * clock that they are told is hours ahead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "unit/one_probe.h"

#define HOUR_NS (3600 * NS_PER_S)
#define SOON_MS 60000 /* what a machine under load may take */

static struct sockaddr_in here;
static int listener;

/* A port of the loopback address. It accepts connections once it listens. */
static int enter(void **state)
{
	socklen_t len = sizeof(here);

	(void)state;
	here = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return bind(listener, (struct sockaddr *)&here, len) ||
	       getsockname(listener, (struct sockaddr *)&here, &len);
}

static int leave(void **state)
{
	(void)state;
	one_probe_stop();
	return close(listener);
}

static void wait_for(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&one, 1, SOON_MS), 1);
}

static int accept_one(void)
{
	int fd;

	wait_for(listener);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Returns when the other end has it, read or not. */
static void answer(int fd, const char *text)
{
	int left = 1;

	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	while (left) {
		assert_int_equal(ioctl(fd, SIOCOUTQ, &left), 0);
		poll(NULL, 0, left ? 1 : 0);
	}
}

/* The time is that of the look. */
static void expect_late(uint64_t after_ns, const char *error)
{
	uint64_t now = clock_mono_ns();

	assert_int_equal(one_probe_at(after_ns), 1);
	assert_string_equal(one_probe_last()->error, error);
	assert_int_equal(one_probe_last()->good, !*error);
	assert_true(one_probe_last()->mono_ns >= now);
}

static void start_to_here(enum plan_probe_kind kind, uint64_t timeout_ns)
{
	struct plan_probe probe = {.kind = kind,
				   .host = (char *)"127.0.0.1",
				   .port = ntohs(here.sin_port),
				   .timeout_ns = timeout_ns};

	one_probe_start(&probe);
	assert_int_equal(one_probe_step(), 0);
}

/* ---- connections ---- */

static void test_accepted(void **state)
{
	(void)state;
	assert_int_equal(listen(listener, 8), 0);
	start_to_here(PROBE_TCP, HOUR_NS);
	one_probe_await();
	expect_late(2 * HOUR_NS, "");
}

static void test_refused(void **state)
{
	(void)state;
	start_to_here(PROBE_TCP, HOUR_NS);
	one_probe_await();
	expect_late(2 * HOUR_NS, "refused");
}

/* A full queue answers no SYN. */
static void test_silence(void **state)
{
	int first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(connect(first, (struct sockaddr *)&here, sizeof(here)), 0);
	wait_for(listener);
	start_to_here(PROBE_TCP, HOUR_NS);
	expect_late(2 * HOUR_NS, "timeout");
	close(first);
}

/* ---- streams ---- */

static void check_stream(uint64_t timeout_ns)
{
	int fd;

	assert_int_equal(listen(listener, 8), 0);
	start_to_here(PROBE_STREAM, timeout_ns);
	fd = accept_one();
	one_probe_await();
	answer(fd, "1\n");
	expect_late(2 * HOUR_NS, "");
	assert_string_equal(one_probe_last()->detail, "1 received");
	close(fd);
}

static void test_stream(void **state)
{
	(void)state;
	check_stream(HOUR_NS);
}

/* It may go on connecting, and is connected already: what has come is part of the sample. */
static void test_stream_between(void **state)
{
	(void)state;
	check_stream(3 * HOUR_NS);
}

/* ---- requests ---- */

/* Rounds of the caller's loop until there is something to read. */
static void turn_until(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};
	uint64_t deadline = clock_mono_ns() + SOON_MS * NS_PER_MS;

	while (!poll(&one, 1, 0)) {
		assert_true(clock_mono_ns() < deadline);
		one_probe_turn();
	}
}

static void test_http(void **state)
{
	struct plan_probe probe = {.kind = PROBE_HTTP, .timeout_ns = HOUR_NS};
	static char url[64];
	int fd;

	(void)state;
	assert_int_equal(listen(listener, 8), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(here.sin_port));
	probe.url = url;
	one_probe_start(&probe);
	turn_until(listener);
	fd = accept_one();
	turn_until(fd);
	answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	expect_late(2 * HOUR_NS, "");
	assert_true(one_probe_last()->value == 200);
	close(fd);
}

/* ---- programs ---- */

static void test_exec(void **state)
{
	static char *argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 3", NULL};
	struct plan_probe probe = {.kind = PROBE_EXEC,
				   .timeout_ns = HOUR_NS,
				   .command = {.argv = argv, .n = 3},
				   .expect_status = 3};
	siginfo_t info;

	(void)state;
	one_probe_start(&probe);
	assert_int_equal(one_probe_step(), 0);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	expect_late(2 * HOUR_NS, "");
	assert_true(one_probe_last()->value == 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_accepted, enter, leave),
		cmocka_unit_test_setup_teardown(test_refused, enter, leave),
		cmocka_unit_test_setup_teardown(test_silence, enter, leave),
		cmocka_unit_test_setup_teardown(test_stream, enter, leave),
		cmocka_unit_test_setup_teardown(test_stream_between, enter, leave),
		cmocka_unit_test_setup_teardown(test_http, enter, leave),
		cmocka_unit_test_setup_teardown(test_exec, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
