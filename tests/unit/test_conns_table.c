/* SPDX-License-Identifier: BSD-2-Clause */
/* What the drill takes out of the kernel's table of connections, and its count of them all. */
#include "unit/conns_scene.h"

/* Five seconds after its end, once, in the order of the ends. */
static void test_delete(void **state)
{
	struct scene *s = *state;

	for (uint16_t port = 1; port <= 3; port++)
		tell(s, SP_EVENT_CONN_CLOSED, port, port, port * S);
	run(s, 6 * S - 1);
	assert_int_equal(s->fake.deletes, 0);
	run(s, 7 * S);
	assert_int_equal(s->fake.deletes, 2);
	assert_int_equal(s->fake.deleted[0].local_port, 1);
	assert_int_equal(s->fake.deleted[1].local_port, 2);
	run(s, 8 * S);
	run(s, 100 * S);
	assert_int_equal(s->fake.deletes, 3);
	s->fake.delete_result = -EIO;
	tell(s, SP_EVENT_CONN_CLOSED, 4, 4, 100 * S);
	assert_int_equal(conns_run(s->conns, 105 * S, UINT64_MAX), -EIO);
}

/* Another one between the same ends, and one that was refused and got through after all, stay. */
static void test_not_deleted(void **state)
{
	struct scene *s = *state;

	tell(s, SP_EVENT_CONN_RESET, 1, 10, S);
	tell(s, SP_EVENT_CONN_ATTEMPT, 1, 2 * S, 2 * S);
	tell(s, SP_EVENT_CONN_ATTEMPT, 2, 10, 10);
	tell(s, SP_EVENT_CONN_REFUSED, 2, 10, S);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 2, 10, 2 * S);
	tell(s, SP_EVENT_CONN_REFUSED, 3, 10, S);
	tell(s, SP_EVENT_CONN_REFUSED, 3, 10, 2 * S);
	/* A record of another CPU that comes late is no new life. */
	tell(s, SP_EVENT_CONN_RESET, 4, 10, 2 * S);
	tell(s, SP_EVENT_CONN_DATA, 4, 10, S);
	tell(s, SP_EVENT_CONN_DATA, 1, 10, S - 1);
	run(s, 6 * S);
	assert_int_equal(s->fake.deletes, 0);
	run(s, 7 * S);
	assert_int_equal(s->fake.deletes, 2);
	assert_int_equal(s->fake.deleted[0].local_port, 3);
	assert_int_equal(s->fake.deleted[1].local_port, 4);
}

/* The queue grows while its first is not at its front: the order stays. */
static void test_order_of_ends(void **state)
{
	struct scene *s = *state;

	for (uint16_t i = 0; i < 200; i++)
		tell(s, SP_EVENT_CONN_CLOSED, 1 + i, 10, S + i);
	run(s, 6 * S + 99);
	assert_int_equal(s->fake.deletes, 100);
	for (uint16_t i = 200; i < 700; i++)
		tell(s, SP_EVENT_CONN_CLOSED, 1 + i, 10, S + i);
	for (uint16_t i = 100; i < 700; i++) {
		run(s, 6 * S + i);
		assert_int_equal(s->fake.deletes, i + 1);
		assert_int_equal(s->fake.deleted[i % 8].local_port, 1 + i);
	}
}

/* More ends than are kept: the oldest is taken out at once. */
static void test_many_ends(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_CLOSED, 1, 10, 10);

	for (unsigned i = 0; i < SP_MAX_CONNS + 3; i++) {
		e.flow.local_port = i;
		e.flow.remote_port = 1 + i / 65536;
		e.ns = e.conn.end_ns = 10 + i;
		conns_event(s->conns, &e);
	}
	assert_int_equal(s->journal.error, 0);
	assert_int_equal(s->fake.deletes, 3);
	assert_int_equal(s->fake.deleted[2].local_port, 2);
	for (unsigned i = 0; i < 100; i++)
		run(s, 20 * S);
	assert_int_equal(s->fake.deletes, SP_MAX_CONNS + 3);
}

/* Of ten, one was taken out, one replaced, three are there: five went to make room. */
static void test_census(void **state)
{
	struct scene *s = *state;
	uint64_t stats[SP_STATS] = {[SP_STAT_CONNS] = 10, [SP_STAT_CONNS_LOST] = 2};
	struct sp_conn_event present[3] = {record(SP_EVENT_CONN_FIRST_DATA, 5001, 10, 10),
					   record(SP_EVENT_CONN_RESET, 5002, 10, 10 * S),
					   record(SP_EVENT_CONN_ATTEMPT, 5003, 10, 10)};

	present[1].conn.flags = SP_CONN_ENDED;
	present[0].targets.w[0] = 3;
	present[2].conn.state = SP_CONN_NEW;
	s->fake.present = present;
	s->fake.n_present = 3;
	tell(s, SP_EVENT_CONN_CLOSED, 1, 10, 10);
	run(s, 6 * S);
	tell(s, SP_EVENT_CONN_ATTEMPT, 1, 7 * S, 7 * S); /* in the place of none */
	tell(s, SP_EVENT_CONN_ATTEMPT, 2, 8 * S, 8 * S);
	tell(s, SP_EVENT_CONN_ATTEMPT, 2, 9 * S, 9 * S); /* in the place of another */
	conns_event(s->conns, &present[0]);
	forget_log(s);
	assert_int_equal(conns_tell(s->conns, stats, 20 * S), 0);
	expect_log(s, "\"type\":\"conn.open\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"opener\":\"out\"," EMPTY ",\"also\":[\"all\"]}\n"
		      "\"type\":\"conn.open\",\"flow\":\"10.1.0.1:5003>10.1.0.2:40001/tcp\","
		      "\"data\":{\"opener\":\"out\"," EMPTY "}\n"
		      "\"type\":\"conns\",\"data\":{\"seen\":10,\"evicted\":5,\"untracked\":2}\n");
}

/* A connection of a probe is not told of, counted or waited for; it leaves the kernel's table when its timeout is over. */
static void test_own(void **state)
{
	struct scene *s = *state;
	uint64_t stats[SP_STATS] = {[SP_STAT_CONNS] = 3};
	struct sp_conn_event e = record(SP_EVENT_CONN_ATTEMPT, 1, ZERO, ZERO);
	struct sp_event own_hit = {.type = SP_EVENT_FLOW_HIT, .is_own = 1, .flow = flow_of(2, 40001)};

	e.conn.flags = SP_CONN_OWN | SP_CONN_ENDED;
	e.conn.state = SP_CONN_NEW;
	s->fake.present = &e;
	s->fake.n_present = 1;
	conns_hit(s->conns, &own_hit);
	conns_event(s->conns, &e);
	hit(s, 1, 40001, 0); /* its answer */
	assert_true(conns_recovered(s->conns, ZERO + 9 * S, false));
	e.flow.local_port = 3;
	hit(s, 3, 40001, 0); /* whose it is comes behind */
	conns_event(s->conns, &e);
	assert_true(conns_recovered(s->conns, ZERO + 9 * S, false));
	run(s, ZERO + 5 * S);
	assert_int_equal(s->fake.deletes, 0);
	run(s, ZERO + 7 * S);
	assert_int_equal(s->fake.deletes, 2);
	assert_int_equal(conns_tell(s->conns, stats, 20 * S), 0);
	expect_log(s, "\"type\":\"conns\",\"data\":{\"seen\":1,\"evicted\":0,\"untracked\":0}\n");
}

static bool holds_port_1(void *arg, uint8_t proto, uint16_t local_port)
{
	return *(bool *)arg && proto == IPPROTO_TCP && local_port == 1;
}

/* A connection that a probe keeps stays its own, however long: what comes on it later is nobody else's. */
static void test_held(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_ATTEMPT, 1, ZERO, ZERO);
	struct sp_flow_key other = flow_of(3, 40001);
	bool held = true;

	e.conn.flags = SP_CONN_OWN | SP_CONN_ENDED;
	e.conn.state = SP_CONN_NEW;
	s->fake.present = &e;
	s->fake.n_present = 1;
	conns_ask(s->conns, holds_port_1, &held);
	conns_event(s->conns, &e);
	e.flow.slot = 4; /* as a hit tells it */
	assert_true(conns_is_own(s->conns, &e.flow));
	assert_false(conns_is_own(s->conns, &other));
	e.flow.slot = 0;
	run(s, ZERO + 8 * S);
	run(s, ZERO + 16 * S);
	assert_int_equal(s->fake.deletes, 0);
	held = false;
	run(s, ZERO + 22 * S);
	assert_int_equal(s->fake.deletes, 0);
	run(s, ZERO + 24 * S);
	assert_int_equal(s->fake.deletes, 1);
}

/* A name server's answer that is late is no flow either: the look-up stays in the kernel's table for as long. */
static void test_late_answer(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event own = record(SP_EVENT_CONN_ATTEMPT, 1, ZERO, ZERO);

	s->targets[0].n_hosts = 1;
	conns_close(s->conns);
	assert_int_equal(conns_open(&s->plan, s->windows, &s->kernel, &s->journal, &s->conns), 0);
	s->targets[0].n_hosts = 0;
	own.flow.proto = IPPROTO_UDP;
	own.conn.flags = SP_CONN_OWN | SP_CONN_ENDED;
	s->fake.present = &own;
	s->fake.n_present = 1;
	conns_event(s->conns, &own);
	run(s, ZERO + 59 * S);
	assert_int_equal(s->fake.deletes, 0);
	run(s, ZERO + 66 * S);
	assert_int_equal(s->fake.deletes, 1);
}

/* The port of a look-up of a name is another program's soon behind it: a flow in the place of the run's own. */
static void test_port_passed_on(void **state)
{
	struct scene *s = *state;
	uint64_t stats[SP_STATS] = {[SP_STAT_CONNS] = 2};
	struct sp_conn_event own = record(SP_EVENT_CONN_ATTEMPT, 1, ZERO, ZERO),
			     other = record(SP_EVENT_CONN_FIRST_DATA, 1, ZERO + 1, ZERO + S);

	own.flow.proto = other.flow.proto = IPPROTO_UDP;
	own.conn.flags = SP_CONN_OWN | SP_CONN_ENDED;
	s->fake.present = &other;
	s->fake.n_present = 1;
	conns_event(s->conns, &own);
	conns_event(s->conns, &other);
	run(s, ZERO + 20 * S);
	assert_int_equal(s->fake.deletes, 0);
	expect_log(s, "\"type\":\"conn.first_data\",\"target\":\"front\","
		      "\"flow\":\"10.1.0.1:1>10.1.0.2:40001/udp\",\"data\":{\"direction\":\"out\","
		      "\"opener\":\"out\",\"established_ns\":null}\n");
	forget_log(s);
	other.conn.flags = SP_CONN_ENDED;
	assert_int_equal(conns_tell(s->conns, stats, ZERO + 20 * S), 0);
	expect_log(s, "\"type\":\"conns\",\"data\":{\"seen\":1,\"evicted\":0,\"untracked\":0}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_delete),    IN_SCENE(test_not_deleted), IN_SCENE(test_order_of_ends),
		IN_SCENE(test_many_ends), IN_SCENE(test_census),      IN_SCENE(test_own),
		IN_SCENE(test_held),      IN_SCENE(test_late_answer), IN_SCENE(test_port_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
