/* SPDX-License-Identifier: BSD-2-Clause */
/* The responder as its clients meet it, in a network namespace of the test's
 * own; and what it reads of certificates. */
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
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "drill/responder.h"

#define PATIENCE_MS 60000
#define BOTH (RESPONDER_V4 | RESPONDER_V6)
#define BODY "slow down\n"
#define LARGE (64 * 1024 * 1024) /* more than fits the sockets' buffers */

static struct plan_header headers[] = {{(char *)"Retry-After", (char *)"30"},
				       {(char *)"X-Why", (char *)"a drill"}};
static const struct plan_answer too_many = {
	.status = 429, .headers = headers, .n_headers = 2, .body = (char *)BODY};

struct fixture {
	struct responder *responder;
	atomic_bool closed;
	atomic_uint answered;
};

static bool gate_is_open(void *arg)
{
	struct fixture *f = arg;

	return !f->closed;
}

static void count(void *arg)
{
	struct fixture *f = arg;

	f->answered++;
}

static void open_with(struct fixture *f, const struct plan_answer *answer)
{
	const struct responder_gate gate = {gate_is_open, count, f};
	char reason[200] = "";

	assert_int_equal(responder_open(answer, BOTH, 0, &gate, &f->responder, reason, sizeof(reason)), 0);
	assert_string_equal(reason, "");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	open_with(f, &too_many);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	responder_close(f->responder);
	free(f);
	return 0;
}

static int connect_to(const struct fixture *f, int family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	uint16_t port = responder_port(f->responder, family);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && port);
	v4.sin_port = v6.sin6_port = htons(port);
	assert_int_equal(family == AF_INET ? connect(fd, (void *)&v4, sizeof(v4))
					   : connect(fd, (void *)&v6, sizeof(v6)),
			 0);
	return fd;
}

static void ask(int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

/* What comes next, up to size - 1 bytes; 0: end of file; -ECONNRESET counts as
 * one. */
static ssize_t next_piece(int fd, char *text, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = recv(fd, text, size - 1, 0);
	assert_true(n >= 0 || errno == ECONNRESET);
	return n > 0 ? n : 0;
}

/* Until `len` bytes have come. */
static char *receive(int fd, size_t len)
{
	char *text = calloc(1, len + 1);
	size_t got = 0;

	assert_non_null(text);
	while (got < len) {
		ssize_t n = next_piece(fd, text + got, len - got + 1);

		assert_true(n > 0);
		got += n;
	}
	return text;
}

static void expect_end(int fd)
{
	char byte[2];

	assert_int_equal(next_piece(fd, byte, sizeof(byte)), 0);
}

/* A response up to its empty line, byte by byte: what is behind it stays. */
static void receive_head(int fd, struct buf *ret)
{
	char byte[2] = "";

	while (!ret->data || !strstr(ret->data, "\r\n\r\n")) {
		assert_int_equal(next_piece(fd, byte, sizeof(byte)), 1);
		buf_add(ret, byte, 1);
	}
}

static void expect_head(int fd, const char *status, const char *length)
{
	struct buf head = {0};

	receive_head(fd, &head);
	assert_int_equal(strncmp(head.data, status, strlen(status)), 0);
	assert_non_null(strstr(head.data, "\r\nRetry-After: 30\r\n"));
	assert_non_null(strstr(head.data, "\r\nX-Why: a drill\r\n"));
	assert_non_null(strstr(head.data, length));
	buf_free(&head);
}

static void expect_answer(int fd)
{
	char *body;

	expect_head(fd, "HTTP/1.1 429 Too Many Requests\r\n", "\r\nContent-Length: 10\r\n");
	body = receive(fd, strlen(BODY));
	assert_string_equal(body, BODY);
	free(body);
}

#define GET "GET /a HTTP/1.1\r\nHost: api.example.com\r\n\r\n"

static void answers_on_one_connection(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		int fd = connect_to(f, families[i]);

		ask(fd, GET);
		expect_answer(fd);
		ask(fd, "DELETE /b?c HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\n\r\n");
		expect_answer(fd);
		close(fd);
		assert_int_equal(f->answered, 2 * (i + 1));
	}
}

static void answers_pipelined_requests(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f, AF_INET);

	ask(fd, GET GET GET);
	for (int i = 0; i < 3; i++)
		expect_answer(fd);
	assert_int_equal(f->answered, 3);
	close(fd);
}

static void gives_head_no_body(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(f, AF_INET);

	ask(fd, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
	expect_head(fd, "HTTP/1.1 429 ", "\r\nContent-Length: 10\r\n");
	ask(fd, GET);
	expect_answer(fd);
	close(fd);
}

static void reads_bodies_away(void **state)
{
	static const char part[1000] = "";
	struct fixture *f = *state;
	int fd = connect_to(f, AF_INET);

	ask(fd, "POST /order HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
	for (int i = 0; i < 300; i++)
		assert_int_equal(send(fd, part, sizeof(part), MSG_NOSIGNAL), sizeof(part));
	expect_answer(fd);
	ask(fd, "PUT /order HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
		"chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" GET);
	expect_answer(fd);
	expect_answer(fd);
	assert_int_equal(f->answered, 3);
	close(fd);
}

static void closes_as_the_client_asks(void **state)
{
	static const char *const last[] = {"GET / HTTP/1.0\r\n\r\n",
					   "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"};
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		int fd = connect_to(f, AF_INET);

		ask(fd, last[i]);
		expect_answer(fd);
		expect_end(fd);
		close(fd);
	}
}

static void gives_no_answer_behind_the_gate(void **state)
{
	struct fixture *f = *state;
	int kept = connect_to(f, AF_INET), half = connect_to(f, AF_INET), late;

	ask(kept, GET);
	expect_answer(kept);
	ask(half, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
	ask(kept, GET);
	expect_answer(kept); /* by then the other's head is read, or it will be behind
                          the gate, too */
	f->closed = true;
	ask(kept, GET);
	expect_end(kept);
	ask(half, "cde");
	expect_end(half);
	late = connect_to(f, AF_INET);
	expect_end(late);
	assert_int_equal(f->answered, 2);
	close(kept);
	close(half);
	close(late);
}

static void drops_connections(void **state)
{
	struct fixture *f = *state;

	for (int at_once = 0; at_once < 2; at_once++) {
		int idle = connect_to(f, AF_INET), idle6 = connect_to(f, AF_INET6);

		ask(idle, GET);
		expect_answer(idle);
		ask(idle6, GET);
		expect_answer(idle6);
		responder_drop(f->responder, at_once);
		expect_end(idle);
		expect_end(idle6);
		close(idle);
		close(idle6);
	}
	assert_int_equal(f->answered, 4);
}

/* Who never reads holds a connection open, but not one that is dropped at once:
 * of the body only what was under way comes. */
static void drops_who_never_reads(void **state)
{
	struct fixture *f = *state;
	struct plan_answer large = {.status = 200, .body = calloc(1, LARGE + 1)};
	char *piece = malloc(65536);
	size_t got = 0;
	ssize_t n;
	int fd;

	assert_true(large.body && piece);
	memset(large.body, 'x', LARGE);
	responder_close(f->responder);
	open_with(f, &large);
	free(large.body);
	fd = connect_to(f, AF_INET);
	ask(fd, GET);
	free(receive(fd, 1000));
	responder_drop(f->responder, true);
	while ((n = next_piece(fd, piece, 65536)))
		got += n;
	assert_true(got < LARGE);
	free(piece);
	close(fd);
}

/* Statuses that have no name, no body, or neither. */
static void gives_any_status(void **state)
{
	static const struct {
		unsigned status;
		const char *line;
	} cases[] = {{200, "HTTP/1.1 200 OK\r\n"},
		     {204, "HTTP/1.1 204 No Content\r\n"},
		     {304, "HTTP/1.1 304 Not Modified\r\n"},
		     {503, "HTTP/1.1 503 Service Unavailable\r\n"},
		     {599, "HTTP/1.1 599 "}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct plan_answer answer = {.status = cases[i].status, .headers = headers, .n_headers = 2};
		int fd;

		responder_close(f->responder);
		open_with(f, &answer);
		fd = connect_to(f, AF_INET);
		ask(fd, GET GET);
		expect_head(fd, cases[i].line, "\r\n");
		expect_head(fd, cases[i].line, "\r\n");
		close(fd);
	}
}

static void refuse_to_open(const struct plan_answer *answer, unsigned may_lack, int expected, const char *why)
{
	struct fixture f = {0};
	const struct responder_gate gate = {gate_is_open, count, &f};
	char reason[400] = "";

	assert_int_equal(responder_open(answer, BOTH, may_lack, &gate, &f.responder, reason, sizeof(reason)),
			 expected);
	assert_string_equal(reason, why);
}

static void refuses_headers_of_its_own(void **state)
{
	static struct plan_header length[] = {{(char *)"Content-Length", (char *)"3"}};
	static struct plan_header split[] = {{(char *)"X-A", (char *)"b\r\nX-C: d"}};
	struct plan_answer answer = {.status = 200, .headers = length, .n_headers = 1};

	(void)state;
	refuse_to_open(&answer, 0, -EINVAL,
		       "an answer can't have the header 'Content-Length: 3'; its "
		       "length, the way that it is sent, "
		       "and what holds a control character are not to be chosen");
	answer.headers = split;
	refuse_to_open(&answer, 0, -EINVAL,
		       "an answer can't have the header 'X-A: b\r\nX-C: d'; its "
		       "length, the way that it is sent, "
		       "and what holds a control character are not to be chosen");
}

/* Last: it takes ::1 away, and then everything. */
static void says_what_the_loopback_lacks(void **state)
{
	struct fixture f = {0};
	const struct responder_gate gate = {gate_is_open, count, &f};
	char reason[200] = "";

	(void)state;
	assert_int_equal(system("ip -6 address del ::1/128 dev lo"), 0);
	refuse_to_open(&too_many, RESPONDER_V4, -EADDRNOTAVAIL,
		       "the responder can't listen on ::1: there is no such address "
		       "here; is the loopback "
		       "interface up?");
	assert_int_equal(
		responder_open(&too_many, BOTH, RESPONDER_V6, &gate, &f.responder, reason, sizeof(reason)),
		0);
	assert_int_equal(responder_port(f.responder, AF_INET6), 0);
	assert_int_not_equal(responder_port(f.responder, AF_INET), 0);
	responder_close(f.responder);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	refuse_to_open(&too_many, RESPONDER_V6, -EADDRNOTAVAIL,
		       "the responder can't listen on 127.0.0.1: there is no such "
		       "address here; is the loopback "
		       "interface up?");
}

static int own_network(void **state)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd, err;

	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return err;
}

#define WITH_RESPONDER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RESPONDER(answers_on_one_connection),
		WITH_RESPONDER(answers_pipelined_requests),
		WITH_RESPONDER(gives_head_no_body),
		WITH_RESPONDER(reads_bodies_away),
		WITH_RESPONDER(closes_as_the_client_asks),
		WITH_RESPONDER(gives_no_answer_behind_the_gate),
		WITH_RESPONDER(drops_connections),
		WITH_RESPONDER(drops_who_never_reads),
		WITH_RESPONDER(gives_any_status),
		cmocka_unit_test(refuses_headers_of_its_own),
		cmocka_unit_test(says_what_the_loopback_lacks),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
