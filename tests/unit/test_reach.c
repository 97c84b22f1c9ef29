/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses accept a connection, and which of several targets is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/alternatives.h"
#include "drill/reach.h"

#define LONG_NS (120 * NS_PER_S)

/* A socket bound to a free port of the loopback address; listening with room for `backlog`, unless that is negative. */
static int open_port(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static struct reach at(uint16_t port)
{
	struct reach r;

	assert_int_equal(reach_address("127.0.0.1", port, &r), 0);
	return r;
}

static void tells_accepted_from_refused(void **state)
{
	uint16_t ports[2];
	int accepts = open_port(8, &ports[0]), refuses = open_port(-1, &ports[1]);
	struct reach items[] = {at(ports[1]), at(ports[0])};
	char words[64];

	(void)state;
	assert_int_equal(reach_try(items, 2, LONG_NS, false, -1), 0);
	assert_int_equal(items[0].error, ECONNREFUSED);
	assert_int_equal(items[1].error, 0);
	reach_words(&items[0], words, sizeof(words));
	assert_string_equal(words, "connection refused");
	assert_non_null(reach_cause(&items[0]));
	assert_null(reach_cause(&items[1]));
	close(accepts);
	close(refuses);
}

/* A full queue answers no SYN. */
static void tells_silence(void **state)
{
	uint16_t port;
	int fd = open_port(0, &port), full[8];
	struct reach item = at(port);
	char words[64];

	(void)state;
	for (int i = 0; i < 8; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(full[i], (struct sockaddr *)&item.address, item.address_len);
	}
	assert_int_equal(reach_try(&item, 1, 50 * NS_PER_MS, false, -1), 0);
	assert_int_equal(item.error, ETIMEDOUT);
	reach_words(&item, words, sizeof(words));
	assert_string_equal(words, "timed out after 50ms");
	for (int i = 0; i < 8; i++)
		close(full[i]);
	close(fd);
}

/* An answer that is there when the time is over is one, even if nobody has looked before. */
static void looks_before_it_gives_up(void **state)
{
	uint64_t deadline = clock_mono_ns() + LONG_NS;
	uint16_t port;
	int refuses = open_port(-1, &port);
	struct reach item;

	(void)state;
	do {
		item = at(port);
		assert_int_equal(reach_try(&item, 1, 0, false, -1), 0);
	} while (item.error == ETIMEDOUT && clock_mono_ns() < deadline);
	assert_int_equal(item.error, ECONNREFUSED);
	close(refuses);
}

static void is_cancelled(void **state)
{
	uint16_t port;
	int fd = open_port(0, &port), full[8], pipes[2];
	struct reach item = at(port);

	(void)state;
	for (int i = 0; i < 8; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(full[i], (struct sockaddr *)&item.address, item.address_len);
	}
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(reach_try(&item, 1, LONG_NS, false, pipes[0]), -ECANCELED);
	for (int i = 0; i < 8; i++)
		close(full[i]);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

struct group {
	struct prefix remote;
	struct port_range ports[2];
};

static struct plan_target target_of(char *name, struct group *g, uint16_t first, uint16_t second)
{
	g->remote = (struct prefix){.family = AF_INET, .len = 32, .addr = {127, 0, 0, 1}};
	g->ports[0] = (struct port_range){first, first};
	g->ports[1] = (struct port_range){second, second};
	return (struct plan_target){.name = name,
				    .proto = IPPROTO_TCP,
				    .direction = PLAN_OUT,
				    .share = PLAN_ALWAYS,
				    .remotes = &g->remote,
				    .n_remotes = 1,
				    .remote_ports = g->ports,
				    .n_remote_ports = second ? 2 : 1};
}

static void release(struct plan_target *t)
{
	free(t->remotes);
	free(t->remote_ports);
	free(t->local_ports);
	free(t->interfaces);
	free(t->hosts);
}

/* The first one that is reached, with the port that answered in front. */
static void picks_the_first_that_is_reached(void **state)
{
	uint16_t ports[3];
	int refuses = open_port(-1, &ports[0]), other = open_port(-1, &ports[1]),
	    accepts = open_port(8, &ports[2]);
	struct group groups[2];
	size_t members[] = {0, 1};
	struct plan_target targets[] = {
		target_of("one", &groups[0], ports[0], 0),
		target_of("two", &groups[1], ports[1], ports[2]),
		{.name = "front", .any_of = members, .n_any_of = 2, .reach_timeout_ns = LONG_NS}};
	struct plan plan = {.targets = targets, .n_targets = 3};
	struct findings found = {0};

	(void)state;
	assert_int_equal(alternatives_pick(&plan, NULL, -1, &found), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.n_failed, 0);
	assert_string_equal(found.items[0].name, "front");
	assert_non_null(strstr(found.items[0].detail, "two is reached"));
	assert_non_null(strstr(found.items[0].detail, "connection refused"));
	assert_int_equal(targets[2].n_remotes, 1);
	assert_int_equal(targets[2].n_remote_ports, 2);
	assert_int_equal(targets[2].remote_ports[0].first, ports[2]);
	assert_int_equal(targets[2].remote_ports[1].first, ports[1]);
	assert_int_equal(targets[2].proto, IPPROTO_TCP);
	assert_int_equal(targets[2].direction, PLAN_OUT);
	assert_int_equal(targets[1].remote_ports[0].first, ports[1]);
	findings_free(&found);
	release(&targets[2]);
	close(refuses);
	close(other);
	close(accepts);
}

static void finds_none(void **state)
{
	uint16_t port;
	int refuses = open_port(-1, &port);
	struct group group;
	size_t members[] = {0};
	struct plan_target targets[] = {
		target_of("one", &group, port, 0),
		{.name = "front", .any_of = members, .n_any_of = 1, .reach_timeout_ns = LONG_NS}};
	struct plan plan = {.targets = targets, .n_targets = 2};
	struct findings found = {0};

	(void)state;
	assert_int_equal(alternatives_pick(&plan, NULL, -1, &found), 0);
	assert_int_equal(found.n_failed, 1);
	assert_int_equal(found.items[0].result, FINDING_FAIL);
	assert_non_null(strstr(found.items[0].detail, "one: 127.0.0.1:"));
	assert_int_equal(targets[1].n_remotes, 0);
	findings_free(&found);
	close(refuses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_accepted_from_refused),     cmocka_unit_test(tells_silence),
		cmocka_unit_test(looks_before_it_gives_up),        cmocka_unit_test(is_cancelled),
		cmocka_unit_test(picks_the_first_that_is_reached), cmocka_unit_test(finds_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
