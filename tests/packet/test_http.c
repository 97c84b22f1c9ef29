/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http: in each response exactly the status differs, and with retry_after its Date; the checksum agrees, every other byte is as
 * it was, whatever device completes it. What is no response is left alone, and what can't be altered is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "chance.bpf.h"
#include "packet/deciding.h"
#include "packet/exchange.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/pipe.h"
#include "packet/wrapped.h"

#define LENGTH(list) (sizeof(list) / sizeof(*(list)))
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT"

static void alters_only_the_status(void **state)
{
	static const char text[] =
		"HTTP/1.1 200 OK\r\nServer: s\r\n" DATE "\r\nContent-Length: 10\r\n\r\n0123456789";
	static const char after[] =
		"HTTP/1.1 503 OK\r\nServer: s\r\n" DATE "\r\nContent-Length: 10\r\n\r\n0123456789";
	struct plan_fault fault = http_fault();
	unsigned n = 0;
	bool complete;

	(void)state;
	exchange_open(&fault);
	complete = can_complete(scene_program(scene, SP_HOOK_TC_IN), scene->interface.ifindex);
	for (unsigned variant = 0; variant < 2 * 2 * 3 * 11 * 3; variant++) {
		bool out = variant & 1;
		struct spec s;

		talk.family = variant & 2 ? 6 : 4;
		talk.port = 1000 + variant;
		s = segment(out, text);
		vary_headers(&s, variant);
		s.tcp_options = variant / 12 % 11 * 4;
		expect_becomes(s, out, 0, after);
		n++;
		if (out || !complete)
			continue;
		/* The kernel itself finds the device's sum over the packet true, or the run fails. */
		expect_becomes(s, out, TEST_CHECKSUM_COMPLETE, after);
		n++;
	}
	expect_responses(n, 0);
}

static void takes_what_begins_like_a_response(void **state)
{
	static const struct {
		const char *text, *after;
	} list[] = {
		{"HTTP/1.0 404 Not Found\r\n\r\n", "HTTP/1.0 503 Not Found\r\n\r\n"},
		{"HTTP/1.1 200\r\n\r\n", "HTTP/1.1 503\r\n\r\n"},
		{"HTTP/1.1 200 ", "HTTP/1.1 503 "},
		{"HTTP/1.9 999 ?\r\n\r\n", "HTTP/1.9 503 ?\r\n\r\n"},
		{"HTTP/1.1 200 \n\n", "HTTP/1.1 503 \n\n"},
		{"HTTP/1.1 301 Moved\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		 "HTTP/1.1 503 Moved\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
	};
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	for (unsigned i = 0; i < LENGTH(list); i++) {
		ask(REQUEST);
		say(false, list[i].text, list[i].after);
	}
	expect_responses(LENGTH(list), 0);
}

static void leaves_all_else_alone(void **state)
{
	static const char *const list[] = {
		"HTTP/1.1 200", /* its line goes on in the next segment */
		" OK\r\n\r\n",  /* which is this one */
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 -20 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1\t200 OK\r\n\r\n",
		"HTTP/1.x 200 OK\r\n\r\n",
		"HTTP/2 200 OK and more\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		" HTTP/1.1 200 OK\r\n\r\n",
		"ICY 200 OK and more\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\n",
		"<html>HTTP/1.1 200 OK</html>",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01 200 HTTP/1.1 200 OK",
		"H",
	};
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	for (unsigned i = 0; i < LENGTH(list); i++) {
		say(false, list[i], list[i]);
		say(true, list[i], list[i]);
	}
	expect_responses(0, 0);
}

static void draws_each_response_once(void **state)
{
	struct plan_fault fault = http_fault();
	unsigned altered = 0;

	(void)state;
	fault.meaning_below = PERCENT(40);
	exchange_open(&fault);
	for (unsigned i = 0; i < 300; i++) {
		struct spec s = segment(false, OK);
		bool hit = draw(SCENE_SEED, DRAW_RESPONSE, hash_of(&s, false), SP_DIR_IN, i) <
			   fault.meaning_below;

		ask(REQUEST);
		/* Sent again, it is what it was. */
		for (unsigned again = 0; again < 1 + i % 3; again++) {
			s = segment(false, OK);
			expect_becomes(s, false, 0, hit ? OK_NOW : OK);
			altered += hit;
		}
		talk.sent[false] += strlen(OK);
	}
	assert_in_range(altered, 150, 350);
	expect_responses(altered, 0);
}

/* A body is not a response, however it begins. */
static void leaves_bodies_alone(void **state)
{
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	for (unsigned i = 0; i < 5; i++) {
		ask(REQUEST);
		answer(true);
		answer(false);
		answer(false);
	}
	expect_responses(5, 10);
}

/* Of a target with one direction, or of a request in the pause of a burst: the server acknowledges what is not seen. */
static void sees_responses_without_their_requests(void **state)
{
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	for (unsigned i = 0; i < 5; i++) {
		if (i == 3)
			ask(REQUEST);
		else
			talk.sent[true] += strlen(REQUEST);
		answer(true);
		answer(false); /* a body */
	}
	expect_responses(5, 5);
}

/* A request that goes ahead of the response before it, or with another in one segment. */
static void alters_pipelined_responses(void **state)
{
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	ask(REQUEST REQUEST);
	say(false, OK OK, OK_NOW OK);
	expect_responses(1, 0);
	for (unsigned i = 0; i < 3; i++)
		ask(REQUEST);
	for (unsigned i = 0; i < 3; i++)
		answer(true);
	expect_responses(4, 0);
}

static void keeps_waiting_through_interim_responses(void **state)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	ask("POST /x HTTP/1.1\r\nExpect: 100-continue\r\n\r\n");
	say(false, interim, interim);
	ask("HTTP/1.1 in a body is none of a server's responses"); /* and what is sent behind it is no request */
	answer(true);
	answer(false);
	expect_responses(1, 1);
}

/* The numbers of a new connection begin anywhere. */
static void begins_again_with_a_connection(void **state)
{
	struct plan_fault fault = http_fault();
	struct spec s;

	(void)state;
	exchange_open(&fault);
	ask(REQUEST);
	answer(true);
	talk.sent[true] -= 1000000;
	talk.sent[false] -= 2000000;
	s = segment(true, "");
	s.flags = SYN;
	expect_becomes(s, true, 0, "");
	ask(REQUEST);
	answer(true);
	expect_responses(2, 0);
}

static void writes_retry_after_over_the_date(void **state)
{
	static const struct {
		int64_t seconds;
		const char *line;
	} list[] = {
		{0, "Retry-After: 0                     "},
		{30, "Retry-After: 30                    "},
		{86400, "Retry-After: 86400                 "},
		{4294967294, "Retry-After: 4294967294            "},
	};
	struct plan_fault fault = http_fault();

	(void)state;
	for (unsigned i = 0; i < LENGTH(list); i++) {
		fault.retry_after_s = list[i].seconds;
		exchange_open(&fault);
		for (unsigned variant = 0; variant < 2 * 2 * 4; variant++) {
			static const char *const before[] = {"", "Server: s\r\n", "X: 12345678\r\nY: 9\r\n",
							     "dates: 1\r\n"};
			char text[1000], after[1000];

			talk.family = variant & 1 ? 6 : 4;
			snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%s%s\r\n%s\r\nbody",
				 before[variant / 4],
				 variant & 2 ? "dAtE: Tue, 31 Dec 2999 23:59:59 GMT" : DATE, DATE "\r\n");
			snprintf(after, sizeof(after), "HTTP/1.1 503 OK\r\n%s%s\r\n%s\r\nbody",
				 before[variant / 4], list[i].line, DATE "\r\n");
			ask(REQUEST);
			say(false, text, after);
		}
		expect_responses(16, 0);
		close_scene(NULL);
	}
}

static void says_where_retry_after_has_no_room(void **state)
{
	char far_off[1000];
	const char *list[] = {
		"HTTP/1.1 200 OK\r\n\r\n" DATE "\r\n",
		"HTTP/1.1 200 OK\r\nX-" DATE "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nDate: 1994-11-06\r\n\r\n",
		"HTTP/1.1 200 OK\r\nDate: Sunday, 06-Nov-94 08:49:37 GMT\r\n\r\n",
		"HTTP/1.1 200 OK\r\nDate:Sun, 06 Nov 1994 08:49:37 GMT \r\n\r\n",
		"HTTP/1.1 200 OK\r\n" DATE,
		"HTTP/1.1 200 OK\r\n" DATE "\r",
		"HTTP/1.1 200 OK\r\n",
		"HTTP/1.1 200 ",
		far_off,
	};
	struct plan_fault fault = http_fault();

	(void)state;
	snprintf(far_off, sizeof(far_off), "HTTP/1.1 200 OK\r\nX: %0470d\r\n" DATE "\r\n\r\n", 0);
	assert_true(strstr(far_off, "Date") + strlen(DATE) + 2 - far_off > 512);
	fault.retry_after_s = 30;
	exchange_open(&fault);
	for (unsigned i = 0; i < LENGTH(list); i++) {
		ask(REQUEST);
		say(false, list[i], list[i]);
	}
	expect_responses(0, LENGTH(list));
	/* The last place where it is seen. */
	snprintf(far_off, sizeof(far_off), "HTTP/1.1 200 OK\r\nX: %0453d\r\n" DATE "\r\n\r\n", 0);
	assert_int_equal(strstr(far_off, "Date") + strlen(DATE) + 2 - far_off, 512);
	ask(REQUEST);
	{
		char after[1000];

		memcpy(after, far_off, sizeof(after));
		memcpy(after + 9, "503", 3);
		memcpy(strstr(after, "Date"), "Retry-After: 30                    ", strlen(DATE));
		say(false, far_off, after);
	}
	expect_responses(1, LENGTH(list));
}

/* With another status the client would wait for a body. */
static void counts_responses_that_have_none(void **state)
{
	static const char *const list[] = {
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 300\r\n\r\n",
	};
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	for (unsigned i = 0; i < LENGTH(list); i++) {
		ask(REQUEST);
		say(false, list[i], list[i]);
		ask(REQUEST);
		answer(true);
	}
	expect_responses(2, 2);
}

/* Of fragments the rest is not there; AH vouches for what is. */
static void leaves_bound_segments_alone(void **state)
{
	struct plan_fault fault = http_fault();

	(void)state;
	exchange_open(&fault);
	for (unsigned i = 0; i < 3; i++) {
		struct spec s;

		talk.family = i ? 6 : 4;
		ask(REQUEST);
		s = segment(false, OK);
		s.more_fragments = i < 2;
		s.n_extensions = i > 0;
		s.extensions[0] = i == 1 ? IPPROTO_FRAGMENT : IPPROTO_AH;
		talk.sent[false] += s.payload;
		expect_becomes(s, false, 0, OK);
	}
	expect_responses(0, 3);
}

/* On the wire: `after` at the start, and the rest as sent. */
static void expect_on_wire(const struct spec *s, const struct frame *f, const char *after)
{
	uint8_t expected[sizeof(f->data)];

	memcpy(expected, f->data, f->len);
	memcpy(expected + f->payload, after, strlen(after));
	for (size_t done = 0, len; done < s->payload; done += len) {
		len = wrapped_next(s, f, done);
		assert_memory_equal(captured.data + f->payload, expected + f->payload + done, len);
	}
}

static void alters_what_devices_complete(void **state)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nS: 1\r\n" DATE "\r\nContent-Length: 29900\r\n\r\n";
	static const char after[] = "HTTP/1.1 503 OK\r\nS: 1\r\nRetry-After: 7                     "
				    "\r\nContent-Length: 29900\r\n\r\n";
	struct plan_fault fault = http_fault();
	uint8_t text[30000];
	unsigned altered = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i * 13;
	memcpy(text, head, strlen(head));
	fault.retry_after_s = 7;
	exchange_open(&fault);
	attach_scene();
	for (unsigned variant = 0; variant < 2 * 2 * 2 * WRAPPINGS; variant++) {
		enum wrapping wrapping = variant / 8;
		struct spec s;
		struct frame f;

		talk.family = variant & 2 ? 6 : 4;
		talk.port = 1000 + variant;
		s = segment(true, "");
		s.vlans = variant & 4 ? 1 : 0;
		s.tcp_options = 12;
		s.data = text;
		s.payload = wrapping == GSO ? sizeof(text) : 1001;
		frame_build(&s, &f);
		wrapped_offload(variant & 1);
		wrapped_send(&s, &f, true, wrapping);
		expect_on_wire(&s, &f, after);
		altered += wrapping == GSO ? (sizeof(text) + SEGMENT - 1) / SEGMENT : 1;
	}
	assert_true(capture_is_silent(far_fd, near_fd));
	expect_responses(altered, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(alters_only_the_status),
		TEST(takes_what_begins_like_a_response),
		TEST(leaves_all_else_alone),
		TEST(draws_each_response_once),
		TEST(leaves_bodies_alone),
		TEST(sees_responses_without_their_requests),
		TEST(alters_pipelined_responses),
		TEST(keeps_waiting_through_interim_responses),
		TEST(begins_again_with_a_connection),
		TEST(writes_retry_after_over_the_date),
		TEST(says_where_retry_after_has_no_room),
		TEST(counts_responses_that_have_none),
		TEST(leaves_bound_segments_alone),
		TEST(alters_what_devices_complete),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
