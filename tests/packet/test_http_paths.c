/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http with paths: of which request a response is the one. Where that can't be told, it passes and is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "packet/exchange.h"
#include "packet/pair.h"

#define LENGTH(list) (sizeof(list) / sizeof(*(list)))

struct asked {
	const char *line;
	bool meant;
};

static void expect_meant(const struct asked *list, size_t n)
{
	unsigned altered = 0;

	for (size_t i = 0; i < n; i++) {
		char request[2000];

		snprintf(request, sizeof(request), "%s\r\nHost: a\r\n\r\n", list[i].line);
		ask(request);
		answer(list[i].meant);
		altered += list[i].meant;
	}
	expect_responses(altered, 0);
}

static void ties_responses_to_paths(void **state)
{
	static const char *const paths[] = {"/api/*", "/health"};
	static const struct asked list[] = {
		{"GET /api/ HTTP/1.1", true},
		{"GET /api/orders HTTP/1.1", true},
		{"GET /api/orders?open=1 HTTP/1.1", true},
		{"DELETE /api/orders/7 HTTP/1.0", true},
		{"M-SEARCH /api/x HTTP/1.1", true},
		{"GET /api HTTP/1.1", false},
		{"GET /apis/x HTTP/1.1", false},
		{"GET /API/x HTTP/1.1", false},
		{"GET //api/x HTTP/1.1", false},
		{"GET /health HTTP/1.1", true},
		{"GET /health?deep HTTP/1.1", true},
		{"GET /health/ HTTP/1.1", false},
		{"GET /healthy HTTP/1.1", false},
		{"GET /heal HTTP/1.1", false},
		{"GET / HTTP/1.1", false},
		{"GET /?p=/api/x HTTP/1.1", false},
		{"GET http://host/api/x HTTP/1.1", true},
		{"GET http://user@host:8080/health HTTP/1.1", true},
		{"GET http://host/other HTTP/1.1", false},
		{"GET http://host HTTP/1.1", false},
	};
	struct plan_fault fault = http_fault();

	(void)state;
	fault.patterns = (char **)paths;
	fault.n_patterns = LENGTH(paths);
	exchange_open(&fault);
	expect_meant(list, LENGTH(list));
}

static void knows_long_paths(void **state)
{
	char whole[256], query[1800], other[300], lines[5][2000];
	char *paths[] = {whole, (char *)"/begin*"};
	struct asked list[] = {
		{lines[0], true}, {lines[1], false}, {lines[2], true}, {lines[3], true}, {lines[4], false}};
	struct plan_fault fault = http_fault();

	(void)state;
	memset(whole, 'w', 255);
	memset(query, 'q', sizeof(query));
	memset(other, 'o', sizeof(other));
	whole[0] = '/';
	whole[255] = query[1799] = other[299] = '\0';
	snprintf(lines[0], sizeof(*lines), "GET %s HTTP/1.1", whole);
	snprintf(lines[1], sizeof(*lines), "GET %sw HTTP/1.1", whole);
	snprintf(lines[2], sizeof(*lines), "GET /begin%s HTTP/1.1", other);
	snprintf(lines[3], sizeof(*lines), "GET %s?%s HTTP/1.1", whole, query);
	snprintf(lines[4], sizeof(*lines), "GET /%s HTTP/1.1", other);
	fault.patterns = paths;
	fault.n_patterns = LENGTH(paths);
	exchange_open(&fault);
	expect_meant(list, LENGTH(list));
}

/* Whose path is not known is not altered, and counted. */
static void counts_what_no_path_is_known_of(void **state)
{
	static const char *const paths[] = {"/index"};
	struct plan_fault fault = http_fault();

	(void)state;
	fault.patterns = (char **)paths;
	fault.n_patterns = 1;
	exchange_open(&fault);
	answer(false); /* its request was before the window */
	expect_responses(0, 1);
	ask(REQUEST);
	answer(true);
	expect_responses(1, 1);
	ask(REQUEST);
	ask(REQUEST); /* ahead of the first one's response: from here on they can't be told apart */
	answer(false);
	answer(false);
	ask(REQUEST);
	answer(false);
	expect_responses(1, 4);
	talk.port++;
	ask("index HTTP/1.1\r\nthe second half of what was a request before the window");
	answer(false);
	expect_responses(1, 5);
	talk.port++;
	ask("OPTIONS /ind");
	ask("ex HTTP/1.1\r\n\r\n");
	answer(false);
	expect_responses(1, 6);
}

/* A request that is sent again is the same one. */
static void knows_requests_again(void **state)
{
	static const char *const paths[] = {"/index"};
	struct plan_fault fault = http_fault();
	struct spec s;

	(void)state;
	fault.patterns = (char **)paths;
	fault.n_patterns = 1;
	exchange_open(&fault);
	s = segment(true, REQUEST);
	for (unsigned i = 0; i < 3; i++)
		expect_becomes(s, true, 0, REQUEST);
	talk.sent[true] += s.payload;
	answer(true);
	expect_becomes(s, true, 0, REQUEST); /* late */
	answer(false);
	expect_responses(1, 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ties_responses_to_paths),
		TEST(knows_long_paths),
		TEST(counts_what_no_path_is_known_of),
		TEST(knows_requests_again),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
