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

/* A feed has payload one way by nature, whatever its client asks of a new connection; one that had both before has not. */
static void test_one_way(void **state)
{
	struct scene *s = *state;

	payload(s, 5001, SP_DIR_IN, 10, S);
	hit(s, 5001, 40001, 0);
	both_ways(s, 5002, ZERO, ZERO + 100 * MS);
	assert_false(recovered(s));
	payload(s, 5003, SP_DIR_OUT, CLOSED, CLOSED); /* not the way that it had */
	assert_false(recovered(s));
	payload(s, 5002, SP_DIR_IN, ZERO, CLOSED + MS);
	assert_true(recovered(s));
	hit(s, 5002, 40001, 1);
	payload(s, 5002, SP_DIR_IN, ZERO, ZERO + 4 * S);
	assert_false(recovered(s));
	payload(s, 5002, SP_DIR_OUT, ZERO, ZERO + 4 * S);
	assert_true(recovered(s));
}

/* It had none before: a request that waits for its answer is not all that there is to come. */
static void test_first_request(void **state)
{
	struct scene *s = *state;

	tell(s, SP_EVENT_CONN_ATTEMPT, 5001, ZERO, ZERO);
	hit(s, 5001, 40001, 0);
	payload(s, 5002, SP_DIR_OUT, CLOSED, CLOSED);
	assert_false(recovered(s));
	payload(s, 5002, SP_DIR_IN, CLOSED, CLOSED + 2 * S);
	assert_true(recovered(s));
}

/* What was lost in the window is sent again, and answered. */
static void test_sent_again(void **state)
{
	struct scene *s = *state;

	both_ways(s, 5001, 10, S);
	hit(s, 5001, 40001, 0);
	payload(s, 5001, SP_DIR_OUT, 10, ZERO + 500 * MS);
	tell(s, SP_EVENT_CONN_RETRANSMIT, 5001, 10, CLOSED);
	assert_false(recovered(s));
	payload(s, 5001, SP_DIR_IN, 10, CLOSED + 10 * MS);
	assert_true(recovered(s));
}

/* A segment behind the end of a connection is hit: whose it was is settled when the path has come back long since. */
static void test_told_late(void **state)
{
	struct scene *s = *state;

	both_ways(s, 5001, 10, S);
	tell(s, SP_EVENT_CONN_CLOSED, 5001, 10, ZERO - MS);
	hit(s, 5001, 40001, 0);
	both_ways(s, 5002, CLOSED, CLOSED);
	assert_true(recovered(s));
	tell(s, SP_EVENT_CONN_CLOSED, 5002, CLOSED, ZERO + 3 * S);
	hit(s, 5002, 40001, 1);
	both_ways(s, 5003, ZERO + 3 * S, ZERO + 3 * S + MS); /* before the closing */
	assert_false(recovered(s));
	both_ways(s, 5003, ZERO + 3 * S, ZERO + 4 * S);
	assert_true(recovered(s));
}

/* A feed whose end is hit, likewise. */
static void test_feed_told_late(void **state)
{
	struct scene *s = *state;

	payload(s, 5001, SP_DIR_IN, 10, S);
	tell(s, SP_EVENT_CONN_RESET, 5001, 10, ZERO - MS);
	hit(s, 5001, 40001, 0);
	payload(s, 5002, SP_DIR_IN, ZERO, CLOSED);
	assert_true(recovered(s));
}

/* A check that connects and hangs up is back with a handshake, if no payload follows. */
static void test_handshakes(void **state)
{
	struct scene *s = *state;

	tell(s, SP_EVENT_CONN_ESTABLISHED, 5001, ZERO - S, ZERO - S);
	tell(s, SP_EVENT_CONN_ATTEMPT, 5002, ZERO, ZERO);
	hit(s, 5002, 40001, 0);
	assert_false(recovered(s));
	tell(s, SP_EVENT_CONN_ESTABLISHED, 5003, CLOSED, CLOSED);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 5004, CLOSED, CLOSED + 600 * MS);
	assert_false(conns_recovered(s->conns, CLOSED + S - 1, false));
	assert_true(conns_recovered(s->conns, CLOSED + S, false));
	hit(s, 5004, 40001, 1);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 5005, ZERO + 4 * S, ZERO + 4 * S);
	payload(s, 5005, SP_DIR_OUT, ZERO + 4 * S, ZERO + 4 * S + MS);
	assert_false(recovered(s));
}

/* Opened before the observer, and the port that the target names is the higher one; so for a hit that it says nothing of. */
static void test_port_of_target(void **state)
{
	static struct port_range front = {40001, 40001};
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_DATA, 33001, 10, S);

	s->targets[0].remote_ports = &front;
	s->targets[0].n_remote_ports = 1;
	e.conn.opener = SP_DIRS;
	conns_event(s->conns, &e);
	e.dir = SP_DIR_IN;
	conns_event(s->conns, &e);
	hit(s, 33001, 40001, 0);
	tell(s, SP_EVENT_CONN_RESET, 33001, 10, ZERO);
	assert_false(recovered(s));
	both_ways(s, 33002, CLOSED, CLOSED);
	assert_true(recovered(s));
	hit(s, 33003, 40001, 1);
	assert_false(recovered(s));
	both_ways(s, 33002, CLOSED, ZERO + 4 * S);
	assert_true(recovered(s));
}

/* A path to the target `all` alone: its local port and way. */
static void payload_of_all(struct scene *s, unsigned dir, uint64_t ns)
{
	struct sp_conn_event e = record(SP_EVENT_CONN_DATA, 6001, 10, ns);

	e.dir = dir;
	e.flow.remote_port = 40002;
	e.targets.w[0] = 2;
	conns_event(s->conns, &e);
}

static bool back(struct scene *s, size_t step, int target, uint64_t closes_ns)
{
	return conns_back(s->conns, ZERO + 12 * S, &(struct conn_paths_of){step, closes_ns, target});
}

/* What a step's window has hit, and of which target. */
static void test_back_of(void **state)
{
	struct scene *s = *state;

	both_ways(s, 5001, 10, S);
	payload_of_all(s, SP_DIR_OUT, S);
	payload_of_all(s, SP_DIR_IN, S);
	hit(s, 5001, 40001, 0);
	hit(s, 6001, 40002, 2);
	assert_true(back(s, 0, -1, CLOSED)); /* nobody tries */
	payload(s, 5001, SP_DIR_OUT, 10, CLOSED);
	payload_of_all(s, SP_DIR_OUT, CLOSED);
	assert_true(!back(s, 0, 0, CLOSED) && !back(s, 0, 1, CLOSED) && back(s, 0, 2, CLOSED));
	payload(s, 5001, SP_DIR_IN, 10, CLOSED);
	assert_true(back(s, 0, 0, CLOSED) && !back(s, 0, 1, CLOSED) && !back(s, 0, -1, CLOSED));
	assert_true(back(s, 1, -1, CLOSED));
	payload_of_all(s, SP_DIR_IN, CLOSED);
	assert_true(back(s, 0, -1, CLOSED));
}

/* While another step's window hits what came back: the first one's has been recovered from. */
static void test_back_since(void **state)
{
	struct scene *s = *state;

	both_ways(s, 5001, 10, S);
	hit(s, 5001, 40001, 0);
	hit(s, 5001, 40001, 4);
	both_ways(s, 5001, 10, CLOSED - 10 * MS);
	assert_true(!back(s, 0, -1, CLOSED) && !back(s, 1, -1, ZERO + 11 * S));
	both_ways(s, 5001, 10, CLOSED);
	assert_true(back(s, 0, -1, CLOSED) && !back(s, 1, -1, ZERO + 11 * S));
	assert_false(tried_recovered(s));
	both_ways(s, 5001, 10, ZERO + 11 * S);
	assert_true(back(s, 1, -1, ZERO + 11 * S) && tried_recovered(s));
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
		IN_SCENE(test_many_paths),     IN_SCENE(test_port_passed_on), IN_SCENE(test_first_request),
		IN_SCENE(test_sent_again),     IN_SCENE(test_told_late),      IN_SCENE(test_feed_told_late),
		IN_SCENE(test_handshakes),     IN_SCENE(test_port_of_target), IN_SCENE(test_back_of),
		IN_SCENE(test_back_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
