/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose a connection is, where its records don't say it. */
#include "unit/conns_scene.h"

static void expect_process(struct scene *s, uint16_t port, uint64_t ns, const char *process)
{
	char line[1024];

	forget_log(s);
	tell(s, SP_EVENT_CONN_FIN, port, port, ns);
	snprintf(line, sizeof(line),
		 "\"type\":\"conn.fin\",\"target\":\"front\",\"flow\":\"10.1.0.1:%u>10.1.0.2:40001/tcp\","
		 "\"data\":{\"by\":\"local\",\"opener\":\"out\"," EMPTY "%s}\n",
		 port, process);
	expect_log(s, line);
}

/* The last look at who holds sockets finds what the records don't say. */
static void test_processes(void **state)
{
	struct scene *s = *state;
	struct sp_owner owners[] = {
		{.flow = flow_of(1, 40001), .pid = 31, .comm = "first"},
		{.flow = flow_of(1, 40001), .pid = 32, .comm = "second"},
		{.flow = flow_of(2, 40001), .pid = 33, .comm = "server", .cgroup = 77},
	};

	s->fake.owners = owners;
	s->fake.n_owners = 2;
	run(s, 10 * S); /* those that were there before */
	run(s, 15 * S);
	assert_int_equal(s->fake.walks, 1);
	expect_process(s, 1, 16 * S, ",\"process\":{\"pid\":31,\"comm\":\"first\"}");
	expect_process(s, 2, 16 * S, "");
	tell(s, SP_EVENT_CONN_ESTABLISHED, 2, 2, 16 * S);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 3, 3, 16 * S); /* nobody's here */
	run(s, 16 * S);
	assert_int_equal(s->fake.walks, 2);
	s->fake.n_owners = 3;
	run(s, 17 * S - 1); /* not twice a second */
	assert_int_equal(s->fake.walks, 2);
	run(s, 19 * S);
	assert_int_equal(s->fake.walks, 3);
	expect_process(s, 2, 19 * S,
		       ",\"process\":{\"pid\":33,\"comm\":\"server\",\"cgroup\":\"/system.slice/"
		       "feeder.service\"}");
	for (unsigned i = 0; i < 10; i++)
		run(s, (30 + 10 * i) * S);
	assert_int_equal(s->fake.walks, 4); /* three times, and no more */
	tell(s, SP_EVENT_CONN_CLOSED, 2, 2, 200 * S);
	tell(s, SP_EVENT_CONN_ATTEMPT, 2, 300 * S, 300 * S);
	expect_process(s, 2, 300 * S, ""); /* another one */
}

/* One whose record says who it is, is not asked for; a kernel that can't say is not asked again. */
static void test_no_walks(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_ESTABLISHED, 5001, 10, 5001);

	e.conn.pid = 4711;
	run(s, 10 * S);
	conns_event(s->conns, &e);
	run(s, 20 * S);
	assert_int_equal(s->fake.walks, 1);
	s->fake.n_owners = -EPERM;
	tell(s, SP_EVENT_CONN_ESTABLISHED, 1, 1, 20 * S);
	run(s, 30 * S);
	assert_int_equal(s->fake.walks, 2);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 2, 2, 30 * S);
	run(s, 40 * S);
	assert_int_equal(s->fake.walks, 2);
}

/* Other work goes first, but for the walk at the start. */
static void test_walks_in_time(void **state)
{
	struct scene *s = *state;

	assert_int_equal(conns_run(s->conns, 10 * S, 10 * S), 0);
	assert_int_equal(s->fake.walks, 1);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 1, 1, 20 * S);
	assert_int_equal(conns_run(s->conns, 20 * S, 20 * S), 0);
	assert_int_equal(conns_run(s->conns, 20 * S, 10 * S), 0);
	assert_int_equal(s->fake.walks, 1);
	run(s, 30 * S);
	assert_int_equal(s->fake.walks, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_processes),
		IN_SCENE(test_no_walks),
		IN_SCENE(test_walks_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
