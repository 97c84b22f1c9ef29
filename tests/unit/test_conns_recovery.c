/* SPDX-License-Identifier: BSD-2-Clause */
/* When the drill says that the paths are back that a fault hit. */
#include "unit/conns_scene.h"

static void payload(struct scene *s, uint16_t port, unsigned dir, uint64_t first_ns, uint64_t ns)
{
	struct sp_conn_event e = record(SP_EVENT_CONN_DATA, port, first_ns, ns);

	e.dir = dir;
	conns_event(s->conns, &e);
}

static void both_ways(struct scene *s, uint16_t port, uint64_t first_ns, uint64_t ns)
{
	payload(s, port, SP_DIR_OUT, first_ns, ns);
	payload(s, port, SP_DIR_IN, first_ns, ns + MS);
}

#define CLOSED (ZERO + S) /* the first window */

static bool tried_recovered(struct scene *s)
{
	return conns_recovered(s->conns, ZERO + 9 * S, true);
}

static bool recovered(struct scene *s)
{
	return conns_recovered(s->conns, ZERO + 9 * S, false);
}

/* A connection that survives, after payload both ways at or after the closing; ports of the other end tell paths apart. */
static void test_survivor(void **state)
{
	struct scene *s = *state;

	assert_true(recovered(s));
	both_ways(s, 5001, 10, S);
	assert_true(recovered(s));
	hit(s, 5001, 40001, 0);
	assert_false(recovered(s));
	both_ways(s, 5001, 10, CLOSED - 10 * MS); /* before the closing */
	payload(s, 5001, SP_DIR_OUT, 10, CLOSED);
	assert_false(recovered(s));
	payload(s, 5001, SP_DIR_IN, 10, CLOSED);
	assert_true(recovered(s));
	hit(s, 5001, 40001, 1); /* by the second window */
	assert_false(recovered(s));
	both_ways(s, 5001, 10, ZERO + 3 * S);
	assert_false(recovered(s));
	both_ways(s, 5001, 10, ZERO + 4 * S);
	assert_true(recovered(s));
}

/* Another connection of the path, on a port of its own; the two ways on one connection, not on two. */
static void test_reconnect(void **state)
{
	struct scene *s = *state;

	both_ways(s, 5001, 10, S);
	hit(s, 5001, 40001, 0);
	tell(s, SP_EVENT_CONN_RESET, 5001, 10, ZERO);
	assert_false(recovered(s));
	assert_true(tried_recovered(s)); /* nobody tries to restore it */
	tell(s, SP_EVENT_CONN_ATTEMPT, 5002, CLOSED, CLOSED);
	assert_false(tried_recovered(s));
	payload(s, 5002, SP_DIR_OUT, CLOSED, CLOSED + 10 * MS);
	payload(s, 5003, SP_DIR_IN, CLOSED, CLOSED + 10 * MS);
	assert_false(recovered(s));
	hit(s, 5009, 40002, 0); /* another path, whose connection the observer says nothing of */
	payload(s, 5002, SP_DIR_IN, CLOSED, CLOSED + 10 * MS);
	assert_false(recovered(s));
}

/* Whose SYN the hit packet was is told after the hit. */
static void test_hit_syn(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_ATTEMPT, 50001, ZERO, ZERO);

	e.conn.opener = SP_DIR_IN; /* although the local port is the higher one */
	hit(s, 50001, 40001, 0);
	conns_event(s->conns, &e);
	assert_false(recovered(s));
	/* Of another remote port: of the same path, since the local port was called. */
	e = record(SP_EVENT_CONN_FIRST_DATA, 50001, CLOSED, CLOSED);
	e.conn.opener = SP_DIR_IN;
	e.flow.remote_port = 40002;
	conns_event(s->conns, &e);
	assert_false(conns_recovered(s->conns, CLOSED, false));
	e.dir = SP_DIR_IN;
	conns_event(s->conns, &e);
	assert_true(conns_recovered(s->conns, CLOSED, false));
}

/* Opened before the observer: the lower port was called. */
static void test_unknown_opener(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_DATA, 80, 10, S);

	e.conn.opener = SP_DIRS;
	conns_event(s->conns, &e);
	hit(s, 80, 40001, 0);
	tell(s, SP_EVENT_CONN_RESET, 80, 10, ZERO);
	e = record(SP_EVENT_CONN_FIRST_DATA, 80, CLOSED, CLOSED);
	e.conn.opener = SP_DIR_IN;
	e.flow.remote_port = 40007;
	conns_event(s->conns, &e);
	e.dir = SP_DIR_IN;
	conns_event(s->conns, &e);
	assert_true(recovered(s));
}

/* A feed has payload one way by nature: that is believed after a second, unless it had some the other way before. */
static void test_one_way(void **state)
{
	struct scene *s = *state;

	payload(s, 5001, SP_DIR_IN, 10, S);
	hit(s, 5001, 40001, 0);
	payload(s, 5001, SP_DIR_IN, 10, CLOSED + MS);
	assert_false(conns_recovered(s->conns, CLOSED + S, false));
	assert_true(conns_recovered(s->conns, CLOSED + S + MS, false));
	payload(s, 5001, SP_DIR_OUT, 10, CLOSED + 2 * S);
	hit(s, 5001, 40001, 1);
	payload(s, 5001, SP_DIR_IN, 10, ZERO + 5 * S);
	assert_false(recovered(s));
}

/* A hit of what the observer doesn't follow is not waited for. */
static void test_icmp(void **state)
{
	struct scene *s = *state;
	struct sp_event e = {.type = SP_EVENT_FLOW_HIT, .flow = flow_of(0, 0)};

	e.flow.proto = IPPROTO_ICMP;
	conns_hit(s->conns, &e);
	assert_true(recovered(s));
}

/* The port of a look-up of this run is another program's, whose hit comes before its record. */
static void test_port_passed_on(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event own = record(SP_EVENT_CONN_ATTEMPT, 50001, ZERO - S, ZERO - S),
			     other = record(SP_EVENT_CONN_FIRST_DATA, 50001, ZERO, ZERO);
	struct sp_event e = {.ns = ZERO - MS, .type = SP_EVENT_FLOW_HIT, .flow = flow_of(50001, 40001)};

	own.flow.proto = other.flow.proto = e.flow.proto = IPPROTO_UDP;
	own.conn.flags = SP_CONN_OWN | SP_CONN_ENDED;
	conns_event(s->conns, &own);
	conns_hit(s->conns, &e); /* the answer to the look-up */
	conns_event(s->conns, &other);
	assert_true(recovered(s));
	own.conn.first_ns = own.ns = ZERO + MS;
	conns_event(s->conns, &own);
	e.ns = ZERO + 2 * MS;
	conns_hit(s->conns, &e); /* the answer again */
	e.ns = other.ns = other.conn.first_ns = ZERO + 3 * MS;
	conns_hit(s->conns, &e);
	conns_event(s->conns, &other);
	assert_false(recovered(s));
}

/* More paths than are kept, and none of them back: nobody may say that they are. */
static void test_many_paths(void **state)
{
	struct scene *s = *state;
	struct sp_event e = {.type = SP_EVENT_FLOW_HIT, .flow = flow_of(5001, 40001)};

	for (unsigned i = 0; i < 16384 + 1; i++) {
		e.flow.remote_port = 20000 + i;
		conns_hit(s->conns, &e);
	}
	assert_false(recovered(s));
	for (unsigned i = 0; i < 16384 + 1; i++) {
		struct sp_conn_event data = record(SP_EVENT_CONN_DATA, 5001, CLOSED, CLOSED);

		data.flow.remote_port = 20000 + i;
		conns_event(s->conns, &data);
		data.dir = SP_DIR_IN;
		conns_event(s->conns, &data);
	}
	assert_false(recovered(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_survivor),       IN_SCENE(test_reconnect),      IN_SCENE(test_hit_syn),
		IN_SCENE(test_unknown_opener), IN_SCENE(test_one_way),        IN_SCENE(test_icmp),
		IN_SCENE(test_many_paths),     IN_SCENE(test_port_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
