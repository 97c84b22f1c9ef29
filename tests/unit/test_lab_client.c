/* SPDX-License-Identifier: BSD-2-Clause */
/* The lab's client against a server that misbehaves on purpose, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/client.h"

#define PATIENCE_MS 10000

struct fixture {
	struct client_options options;
	struct client_record *record;
	int listener, connection;
	int events[2]; /* a pipe from the client's process */
	pid_t client;
};

static void forward(const struct client_event *event, void *arg)
{
	struct fixture *f = arg;

	if (write(f->events[1], event, sizeof(*event)) != sizeof(*event))
		_exit(1);
}

static void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static struct client_event next_event(struct fixture *f)
{
	struct client_event event;

	wait_readable(f->events[0]);
	assert_int_equal(read(f->events[0], &event, sizeof(event)), sizeof(event));
	return event;
}

static void server_accept(struct fixture *f)
{
	wait_readable(f->listener);
	f->connection = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(f->connection >= 0);
}

static void server_close(struct fixture *f)
{
	close(f->connection);
	f->connection = -1;
}

/* The next request; the client never has more than one on its way. */
static void server_read(struct fixture *f, char ret_request[256])
{
	ssize_t n;

	wait_readable(f->connection);
	n = recv(f->connection, ret_request, 255, 0);
	assert_true(n > 0);
	ret_request[n] = '\0';
}

static void server_write(struct fixture *f, const char *text)
{
	assert_int_equal(send(f->connection, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect_get(struct fixture *f, const char *answer)
{
	char request[256];

	server_read(f, request);
	assert_string_equal(request, "*2\r\n$3\r\nGET\r\n$12\r\nshearpin:lab\r\n");
	server_write(f, answer);
}

static void expect_set(struct fixture *f, unsigned value, const char *answer)
{
	char request[256], expected[256];

	snprintf(expected, sizeof(expected), "*3\r\n$3\r\nSET\r\n$12\r\nshearpin:lab\r\n$1\r\n%u\r\n", value);
	server_read(f, request);
	assert_string_equal(request, expected);
	server_write(f, answer);
}

static int setup(void **state)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct fixture *f = test_calloc(1, sizeof(*f));

	*state = f;
	f->connection = -1;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	f->options = (struct client_options){.server_len = sizeof(any), .on_event = forward, .arg = f};
	f->record = mmap(NULL, sizeof(*f->record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->record == MAP_FAILED || pipe(f->events) ||
	    bind(f->listener, (struct sockaddr *)&any, sizeof(any)) || listen(f->listener, 8) ||
	    getsockname(f->listener, (struct sockaddr *)&f->options.server, &f->options.server_len))
		return -1;
	f->client = fork();
	if (!f->client) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		client_run(&f->options, f->record);
	}
	return f->client < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kill(f->client, SIGKILL);
	waitpid(f->client, NULL, 0);
	munmap(f->record, sizeof(*f->record));
	close(f->listener);
	close(f->events[0]);
	close(f->events[1]);
	if (f->connection >= 0)
		close(f->connection);
	test_free(f);
	return 0;
}

/* The client's process is at rest or gone when its record is read. */
static const struct client_record *stop(struct fixture *f)
{
	siginfo_t info;

	kill(f->client, SIGKILL);
	assert_int_equal(waitid(P_PID, f->client, &info, WEXITED | WNOWAIT), 0);
	return f->record;
}

static void connects_and_counts(void **state)
{
	struct fixture *f = *state;
	const struct client_record *record;

	server_accept(f);
	expect_get(f, "$-1\r\n");
	assert_int_equal(next_event(f).attempt, 1);
	expect_set(f, 1, "+OK\r\n");
	expect_get(f, "$1\r\n1\r\n");
	expect_set(f, 2, "+OK\r\n");
	record = stop(f);
	assert_int_equal(record->connected, 1);
	assert_int_equal(record->outages, 0);
	assert_int_equal(record->wrong, 0);
	assert_in_range(record->answers, 3, 4);
}

static void takes_answers_in_pieces(void **state)
{
	struct fixture *f = *state;

	server_accept(f);
	expect_get(f, "$-");
	server_write(f, "1\r");
	server_write(f, "\n");
	assert_int_equal(next_event(f).attempt, 1);
	expect_set(f, 1, "+O");
	server_write(f, "K\r\n");
	expect_get(f, "$1\r\n1");
	server_write(f, "\r\n");
	expect_set(f, 2, "+OK\r\n");
	assert_int_equal(stop(f)->wrong, 0);
}

static void reconnects_after_close(void **state)
{
	struct fixture *f = *state;
	const struct client_record *record;
	struct client_event lost, back;

	server_accept(f);
	expect_get(f, "$-1\r\n");
	next_event(f);
	server_close(f);
	lost = next_event(f);
	assert_int_equal(lost.attempt, 0);
	assert_true(lost.error == CLIENT_CLOSED || lost.error == ECONNRESET || lost.error == EPIPE);
	server_accept(f);
	server_close(f); /* one attempt fails */
	server_accept(f);
	expect_get(f, "$-1\r\n");
	back = next_event(f);
	assert_int_equal(back.attempt, 2);
	assert_true(back.at.mono_ns - lost.at.mono_ns >= 270 * NS_PER_MS);
	record = stop(f);
	assert_int_equal(record->outages, 1);
	assert_int_equal(record->outage[0].attempts, 2);
	assert_int_equal(record->outage[0].error, lost.error);
	assert_true(record->outage[0].back.mono_ns == back.at.mono_ns);
}

static void reports_reset(void **state)
{
	struct linger abortive = {.l_onoff = 1};
	struct fixture *f = *state;
	char request[256];

	server_accept(f);
	expect_get(f, "$-1\r\n");
	next_event(f);
	server_read(f, request);
	setsockopt(f->connection, SOL_SOCKET, SO_LINGER, &abortive, sizeof(abortive));
	server_close(f);
	assert_int_equal(next_event(f).error, ECONNRESET);
}

static void times_out(void **state)
{
	struct fixture *f = *state;
	char request[256];

	server_accept(f);
	expect_get(f, "$-1\r\n");
	next_event(f);
	server_read(f, request); /* and never answer */
	assert_int_equal(next_event(f).error, ETIMEDOUT);
}

static void refuses_nonsense(void **state)
{
	static const char *const nonsense[] = {
		"-ERR no\r\n", "\r\n", "+OKAY\r\n",
		"+00000000000000000000000000000000000000000000000000000000000000000000000000000000"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		server_accept(f);
		expect_get(f, "$-1\r\n");
		next_event(f);
		expect_set(f, i + 1, nonsense[i]);
		assert_int_equal(next_event(f).error, CLIENT_WRONG);
		server_close(f);
	}
}

static void counts_wrong_value(void **state)
{
	struct fixture *f = *state;

	server_accept(f);
	expect_get(f, "$-1\r\n");
	expect_set(f, 1, "+OK\r\n");
	expect_get(f, "$1\r\n7\r\n");
	expect_set(f, 2, "+OK\r\n");
	assert_int_equal(stop(f)->wrong, 1);
}

/* Confirmed and gone is missing; on its way when the connection ended is not, whether it arrived or not. */
static void counts_missing_write(void **state)
{
	struct fixture *f = *state;
	char request[256];

	server_accept(f);
	expect_get(f, "$-1\r\n");
	expect_set(f, 1, "+OK\r\n");
	expect_get(f, "$1\r\n1\r\n");
	server_read(f, request); /* SET 2, not confirmed */
	server_close(f);
	server_accept(f);
	expect_get(f, "$1\r\n2\r\n"); /* arrived */
	expect_set(f, 3, "+OK\r\n");
	server_close(f);
	server_accept(f);
	expect_get(f, "$1\r\n3\r\n");
	server_read(f, request); /* SET 4, not confirmed */
	server_close(f);
	server_accept(f);
	expect_get(f, "$1\r\n3\r\n"); /* did not arrive */
	expect_set(f, 5, "+OK\r\n");
	assert_int_equal(f->record->missing, 0);
	server_close(f);
	server_accept(f);
	expect_get(f, "$-1\r\n");
	expect_set(f, 6, "+OK\r\n");
	assert_int_equal(stop(f)->missing, 1);
}

static void backs_off(void **state)
{
	(void)state;
	assert_int_equal(client_backoff_ns(1, 0), 90 * NS_PER_MS);
	assert_int_equal(client_backoff_ns(1, UINT32_MAX), 110 * NS_PER_MS);
	assert_int_equal(client_backoff_ns(2, 0), 180 * NS_PER_MS);
	assert_int_equal(client_backoff_ns(5, 0), 1440 * NS_PER_MS);
	assert_int_equal(client_backoff_ns(6, 0), 1800 * NS_PER_MS);
	assert_int_equal(client_backoff_ns(6, UINT32_MAX), 2200 * NS_PER_MS);
	assert_int_equal(client_backoff_ns(UINT32_MAX, UINT32_MAX), 2200 * NS_PER_MS);
}

static int own_network(void **state)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd, r;

	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return r;
}

#define WITH_CLIENT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CLIENT(connects_and_counts),
		WITH_CLIENT(takes_answers_in_pieces),
		WITH_CLIENT(reconnects_after_close),
		WITH_CLIENT(reports_reset),
		WITH_CLIENT(times_out),
		WITH_CLIENT(refuses_nonsense),
		WITH_CLIENT(counts_wrong_value),
		WITH_CLIENT(counts_missing_write),
		cmocka_unit_test(backs_off),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
