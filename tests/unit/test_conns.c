/* SPDX-License-Identifier: BSD-2-Clause */
/* What the drill makes of the observer's records: the log's bytes, and what is shown meanwhile. */
#include "unit/conns_scene.h"

#define SUMMARY                                                                                              \
	"\"attempt_ns\":11,\"established_ns\":12,\"first_in_ns\":13,\"first_out_ns\":14,\"last_in_ns\":15,"  \
	"\"last_out_ns\":16,\"syns\":3,\"packets_in\":20,\"packets_out\":21,\"bytes_in\":22,\"bytes_out\":"  \
	"23,\"resent_in\":24,\"resent_out\":25,\"gap_in_ns\":26,\"gap_out_ns\":27"
#define PROCESS                                                                                              \
	"\"process\":{\"pid\":4711,\"comm\":\"sixteen-letters!\",\"cgroup\":\"/system.slice/feeder."         \
	"service\"}"

static struct sp_conn_event full_record(uint32_t type, uint64_t ns)
{
	struct sp_conn_event e = record(type, 5001, 10, ns);

	e.from_ns = 30;
	e.conn.attempt_ns = 11;
	e.conn.established_ns = 12;
	e.conn.payload_ns[SP_DIR_IN] = 13;
	e.conn.payload_ns[SP_DIR_OUT] = 14;
	e.conn.last_ns[SP_DIR_IN] = 15;
	e.conn.last_ns[SP_DIR_OUT] = 16;
	e.conn.syns = 3;
	e.conn.packets[SP_DIR_IN] = 20;
	e.conn.packets[SP_DIR_OUT] = 21;
	e.conn.bytes[SP_DIR_IN] = 22;
	e.conn.bytes[SP_DIR_OUT] = 23;
	e.conn.resent[SP_DIR_IN] = 24;
	e.conn.resent[SP_DIR_OUT] = 25;
	e.conn.gap_ns[SP_DIR_IN] = 26;
	e.conn.gap_ns[SP_DIR_OUT] = 27;
	e.conn.gap_from_ns[SP_DIR_OUT] = 28;
	e.conn.pid = 4711;
	e.conn.cgroup = 77;
	memcpy(e.conn.comm, "sixteen-letters!", SP_COMM);
	return e;
}

static void test_words(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e;

	for (uint32_t type = SP_EVENT_CONN; type < SP_EVENT_CONN_END; type++) {
		e = full_record(type, 1000 + type);
		conns_event(s->conns, &e);
	}
	expect_log(s, "\"type\":\"conn.attempt\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"opener\":\"out\"," PROCESS "}\n"
		      "\"type\":\"conn.established\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"opener\":\"out\",\"attempt_ns\":11,\"syns\":3}\n"
		      "\"type\":\"conn.first_data\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"direction\":\"out\",\"opener\":\"out\",\"established_ns\":12}\n"
		      "\"type\":\"conn.data\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"direction\":\"out\",\"opener\":\"out\",\"established_ns\":12,\"from_ns\":"
		      "30,\"gap_ns\":27,\"gap_from_ns\":28}\n"
		      "\"type\":\"conn.retransmit\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"direction\":\"out\",\"opener\":\"out\",\"established_ns\":12}\n"
		      "\"type\":\"conn.stall\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"direction\":\"out\",\"opener\":\"out\",\"established_ns\":12,\"from_ns\":"
		      "30}\n"
		      "\"type\":\"conn.fin\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"by\":\"local\",\"opener\":\"out\"," SUMMARY "," PROCESS "}\n"
		      "\"type\":\"conn.refused\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"by\":\"fault\",\"opener\":\"out\"," SUMMARY "," PROCESS "}\n"
		      "\"type\":\"conn.reset\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"by\":\"fault\",\"opener\":\"out\"," SUMMARY "," PROCESS "}\n"
		      "\"type\":\"conn.closed\",\"target\":\"front\"," FLOW
		      ",\"data\":{\"by\":\"fault\",\"opener\":\"out\"," SUMMARY "," PROCESS "}\n");
}

/* What isn't known is null, or left out; more than one target; the verdict; IPv6; UDP; who sent it. */
static void test_unknown(void **state)
{
	struct scene *s = *state;
	struct sp_conn_event e = record(SP_EVENT_CONN_ATTEMPT, 5001, 10, 10);

	e.targets.w[0] = 0xe;
	e.verdict = SP_DROP;
	e.conn.opener = SP_DIR_IN;
	e.conn.pid = 9;
	e.conn.cgroup = 5;
	strcpy(e.conn.comm, "nc");
	conns_event(s->conns, &e);
	e = record(SP_EVENT_CONN_RESET, 5001, 10, 11);
	e.targets.w[0] = 1ULL << 3;
	e.conn.opener = SP_DIRS;
	e.conn.ended_by = SP_DIR_IN;
	conns_event(s->conns, &e);
	e = record(SP_EVENT_CONN_FIRST_DATA, 0, 20, 20);
	e.targets.w[0] = 0;
	e.targets.w[3] = 1; /* a bit that no target has */
	e.dir = SP_DIR_IN;
	e.flow.proto = IPPROTO_UDP;
	e.flow.slot = 4711; /* of no meaning here */
	e.conn.opener = SP_DIRS;
	inet_pton(AF_INET6, "fd00::1", e.flow.local);
	inet_pton(AF_INET6, "fd00::2", e.flow.remote);
	conns_event(s->conns, &e);
	e.type = SP_EVENT_CONN_END;
	conns_event(s->conns, &e); /* of another version: not told */
	e.type = SP_EVENT_PACKET;
	conns_event(s->conns, &e);
	expect_log(s,
		   "\"type\":\"conn.attempt\",\"target\":\"all\"," FLOW
		   ",\"data\":{\"opener\":\"in\",\"verdict\":\"dropped\",\"process\":{\"pid\":9,\"comm\":"
		   "\"nc\"},\"also\":[\"front\",\"idle\"]}\n"
		   "\"type\":\"conn.reset\",\"target\":\"idle\"," FLOW
		   ",\"data\":{\"by\":\"remote\",\"opener\":null,\"attempt_ns\":null,\"established_ns\":null,"
		   "\"first_in_ns\":null,\"first_out_ns\":null,\"last_in_ns\":null,\"last_out_ns\":null,"
		   "\"syns\":0,\"packets_in\":0,\"packets_out\":0,\"bytes_in\":0,\"bytes_out\":0,\"resent_"
		   "in\":0,\"resent_out\":0,\"gap_in_ns\":0,\"gap_out_ns\":0}\n"
		   "\"type\":\"conn.first_data\",\"flow\":\"[fd00::1]:0>[fd00::2]:40001/udp\","
		   "\"data\":{\"direction\":\"in\",\"opener\":null,\"established_ns\":null}\n");
}

static void expect_window(struct scene *s, size_t target, uint64_t ns, const char *step, int instance)
{
	struct journal_where where = {0};

	assert_int_equal(windows_at(s->windows, target, ns, &where), !!step);
	assert_int_equal(where.instance, instance);
	if (step)
		assert_string_equal(where.step, step);
	else
		assert_null(where.step);
}

static void test_windows(void **state)
{
	struct scene *s = *state;
	struct slot_window window;
	struct windows *unset;

	expect_window(s, 0, ZERO - 1, NULL, 0);
	expect_window(s, 0, ZERO, "cut", 1);
	expect_window(s, 0, ZERO + S - 1, "cut", 1);
	expect_window(s, 0, ZERO + S, NULL, 0);
	expect_window(s, 1, ZERO + 3 * S, "cut", 2);
	expect_window(s, 1, ZERO + 4 * S, NULL, 0);
	expect_window(s, 0, ZERO + 6 * S, NULL, 0);
	expect_window(s, 0, ZERO + 10 * S, "slow", 1);
	expect_window(s, 1, ZERO + 10 * S, NULL, 0);
	expect_window(s, 2, ZERO, NULL, 0);
	assert_true(windows_of_slot(s->windows, 3, &window));
	assert_int_equal(window.rule, 1);
	assert_int_equal(window.opens_ns, ZERO + 3 * S);
	assert_int_equal(window.closes_ns, ZERO + 4 * S);
	assert_false(windows_of_slot(s->windows, 5, &window));
	assert_true(windows_closes_later(s->windows, 3, 0) && !windows_closes_later(s->windows, 0, 3));
	assert_false(windows_closes_later(s->windows, 3, 5) || windows_closes_later(s->windows, 5, 3));
	tell(s, SP_EVENT_CONN_RETRANSMIT, 5001, 10, ZERO + 3 * S);
	expect_log(s,
		   "\"type\":\"conn.retransmit\",\"step\":\"cut\",\"instance\":2,\"target\":\"front\"," FLOW
		   ",\"data\":{\"direction\":\"out\",\"opener\":\"out\",\"established_ns\":null}\n");
	assert_int_equal(windows_open(&s->plan, NULL, &s->journal, NULL, &unset), 0);
	assert_false(windows_at(unset, 0, ZERO, &(struct journal_where){0}));
	assert_true(windows_of_slot(unset, 0, &window));
	assert_true(window.opens_ns == UINT64_MAX && window.closes_ns == UINT64_MAX);
	windows_close(unset);
}

static void expect_view(struct scene *s, uint64_t now, uint64_t open, uint64_t attempts)
{
	size_t n;
	const struct drill_target *view = conns_view(s->conns, now, &n);

	assert_int_equal(n, 3);
	assert_string_equal(view[0].name, "front");
	assert_int_equal(view[0].open, open);
	assert_int_equal(view[0].attempts, attempts);
	assert_int_equal(view[1].open, 0);
	assert_int_equal(view[1].attempts, 0);
}

static void test_view(void **state)
{
	struct scene *s = *state;

	expect_view(s, S, 0, 0);
	for (uint16_t port = 1; port <= 5; port++)
		tell(s, SP_EVENT_CONN_ATTEMPT, port, port, 10 * S + port * 200 * MS);
	expect_view(s, 11 * S, 0, 5);
	expect_view(s, 11 * S + 500 * MS, 0, 3);
	expect_view(s, 20 * S, 0, 0);
	tell(s, SP_EVENT_CONN_ESTABLISHED, 1, 1, 12 * S);
	tell(s, SP_EVENT_CONN_FIRST_DATA, 1, 1, 12 * S);
	tell(s, SP_EVENT_CONN_FIRST_DATA, 9, 9, 12 * S);
	expect_view(s, 20 * S, 2, 0);
	tell(s, SP_EVENT_CONN_RESET, 1, 1, 13 * S);
	tell(s, SP_EVENT_CONN_RESET, 1, 1, 13 * S);
	expect_view(s, 20 * S, 1, 0);
	tell(s, SP_EVENT_CONN_ATTEMPT, 9, 14 * S, 14 * S);
	expect_view(s, 20 * S, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_words),
		IN_SCENE(test_unknown),
		IN_SCENE(test_windows),
		IN_SCENE(test_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
