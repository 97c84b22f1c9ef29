/* SPDX-License-Identifier: BSD-2-Clause */
/* What the drill makes of the observer's records: the log's bytes, what it takes out of the kernel's table, and recovery. */
#include "unit/run_dir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/timeutil.h"
#include "drill/conns.h"

#define ZERO (100 * NS_PER_S)
#define S NS_PER_S
#define MS NS_PER_MS

/* The kernel's side, made up. */
struct fake {
	struct sp_flow_key deleted[8];
	uint64_t deletes, delete_result;
	const struct sp_conn_event *present; /* in its table */
	size_t n_present;
	const struct sp_owner *owners;
	int n_owners; /* or a negative errno */
	unsigned walks;
};

struct scene {
	struct run_dir *dir;
	struct plan_target targets[3];
	size_t both[2], one[1];
	struct plan_step steps[2];
	struct plan_rule rules[3];
	struct plan_probe probes[1];
	struct plan plan;
	struct journal journal;
	struct windows *windows;
	struct fake fake;
	struct conns_kernel kernel;
	struct conns *conns;
};

/* Bit 0 and 2 stand for front, 1 for all, 3 for idle, which no step names. */
static int fake_target(void *arg, unsigned bit)
{
	static const int targets[] = {0, 1, 0, 2};

	(void)arg;
	return bit < 4 ? targets[bit] : -1;
}

static int fake_delete(void *arg, const struct sp_flow_key *key, const struct sp_conn *ended)
{
	struct fake *fake = arg;

	assert_int_not_equal(ended->first_ns, 0);
	fake->deleted[fake->deletes++ % 8] = *key;
	return fake->delete_result;
}

static int fake_each(void *arg, conns_entry *call, void *call_arg)
{
	const struct fake *fake = arg;

	for (size_t i = 0; i < fake->n_present; i++)
		call(call_arg, &fake->present[i].flow, &fake->present[i].conn);
	return 0;
}

static int fake_walk(void *arg, void (*call)(void *arg, const struct sp_owner *owner), void *call_arg)
{
	struct fake *fake = arg;
	uint64_t started = clock_mono_ns();

	while (clock_mono_ns() == started)
		; /* it takes some time */
	fake->walks++;
	for (int i = 0; i < fake->n_owners; i++)
		call(call_arg, &fake->owners[i]);
	return fake->n_owners;
}

static const char *fake_cgroup(void *arg, uint64_t id, uint32_t pid)
{
	(void)arg;
	(void)pid;
	return id == 77 ? "/system.slice/feeder.service" : NULL;
}

/* Two windows of a second each for front and all, three seconds apart, and one later for front only. */
static void fill_plan(struct scene *s)
{
	s->targets[0].name = "front";
	s->targets[1].name = "all";
	s->targets[2].name = "idle";
	s->both[1] = 1;
	s->steps[0] = (struct plan_step){.name = "cut",
					 .window = {.for_ns = S, .every_ns = 3 * S, .times = 2},
					 .targets = s->both,
					 .n_targets = 2};
	s->steps[1] = (struct plan_step){.name = "slow",
					 .window = {.at_ns = 10 * S, .for_ns = S, .every_ns = S, .times = 1},
					 .targets = s->one,
					 .n_targets = 1};
	s->rules[0] = (struct plan_rule){.step = 0, .target = 0, .first_slot = 0};
	s->rules[1] = (struct plan_rule){.step = 0, .target = 1, .first_slot = 2};
	s->rules[2] = (struct plan_rule){.step = 1, .target = 0, .first_slot = 4};
	s->probes[0].timeout_ns = 2 * S;
	s->plan = (struct plan){.targets = s->targets,
				.n_targets = 3,
				.steps = s->steps,
				.n_steps = 2,
				.rules = s->rules,
				.n_rules = 3,
				.probes = s->probes,
				.n_probes = 1,
				.n_slots = 5};
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	void *dir;

	if (!s || run_dir_setup(&dir))
		return -1;
	s->dir = dir;
	fill_plan(s);
	s->fake.delete_result = 1;
	s->kernel = (struct conns_kernel){.arg = &s->fake,
					  .observed_target = fake_target,
					  .conn_delete = fake_delete,
					  .conns_each = fake_each,
					  .owners_walk = fake_walk,
					  .cgroup_path = fake_cgroup};
	if (log_open(s->dir->fd, 0, &s->journal.log) ||
	    windows_open(&s->plan, NULL, &s->journal, NULL, &s->windows))
		return -1;
	windows_set_zero(s->windows, ZERO);
	*state = s;
	return conns_open(&s->plan, s->windows, &s->kernel, &s->journal, &s->conns);
}

static int teardown(void **state)
{
	struct scene *s = *state;
	void *dir = s->dir;

	conns_close(s->conns);
	conns_close(NULL);
	windows_close(s->windows);
	log_close(s->journal.log);
	buf_free(&s->journal.data);
	run_dir_teardown(&dir);
	free(s);
	return 0;
}

static void set_v4(__u32 *addr, const char *text)
{
	addr[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, text, &addr[3]), 1);
}

static struct sp_flow_key flow_of(uint16_t local_port, uint16_t remote_port)
{
	struct sp_flow_key key = {.local_port = local_port, .remote_port = remote_port, .proto = IPPROTO_TCP};

	set_v4(key.local, "10.1.0.1");
	set_v4(key.remote, "10.1.0.2");
	return key;
}

/* A record of a connection that was first seen at first_ns. */
static struct sp_conn_event record(uint32_t type, uint16_t port, uint64_t first_ns, uint64_t ns)
{
	return (struct sp_conn_event){
		.ns = ns,
		.type = type,
		.dir = SP_DIR_OUT,
		.flow = flow_of(port, 40001),
		.targets.w = {1},
		.conn = {.first_ns = first_ns,
			 .opener = SP_DIR_OUT,
			 .ended_by = SP_DIRS,
			 .end_ns = type >= SP_EVENT_CONN_REFUSED ? ns : 0,
			 .state = type >= SP_EVENT_CONN_REFUSED ? SP_CONN_RESET : SP_CONN_OPEN},
	};
}

static void tell(struct scene *s, uint32_t type, uint16_t port, uint64_t first_ns, uint64_t ns)
{
	struct sp_conn_event e = record(type, port, first_ns, ns);

	conns_event(s->conns, &e);
}

/* The lines of the log so far, from `type` to the data, one behind the other. */
static void expect_log(struct scene *s, const char *expected)
{
	char *log, *line, *rest, text[16384] = "";
	size_t len = 0;

	assert_int_equal(s->journal.error, 0);
	assert_int_equal(log_flush(s->journal.log, UINT64_MAX), 0);
	log = get_file(s->dir->fd, "events.jsonl", NULL);
	for (line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *from = strstr(line, "\"type\""), *to = strstr(line, ",\"prev\"");

		assert_true(from && to);
		len += snprintf(text + len, sizeof(text) - len, "%.*s\n", (int)(to - from), from);
		assert_true(len < sizeof(text));
	}
	free(log);
	assert_string_equal(text, expected);
}

/* What comes from here on is all that expect_log() sees. */
static void forget_log(struct scene *s)
{
	int fd = openat(s->dir->fd, "events.jsonl", O_WRONLY | O_CLOEXEC);

	assert_int_equal(log_flush(s->journal.log, UINT64_MAX), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
}

#define FLOW "\"flow\":\"10.1.0.1:5001>10.1.0.2:40001/tcp\""
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
	assert_int_equal(windows_closes(s->windows, 3), ZERO + 4 * S);
	assert_true(windows_closes(s->windows, 5) == UINT64_MAX);
	tell(s, SP_EVENT_CONN_RETRANSMIT, 5001, 10, ZERO + 3 * S);
	expect_log(s,
		   "\"type\":\"conn.retransmit\",\"step\":\"cut\",\"instance\":2,\"target\":\"front\"," FLOW
		   ",\"data\":{\"direction\":\"out\",\"opener\":\"out\",\"established_ns\":null}\n");
	assert_int_equal(windows_open(&s->plan, NULL, &s->journal, NULL, &unset), 0);
	assert_false(windows_at(unset, 0, ZERO, &(struct journal_where){0}));
	assert_true(windows_closes(unset, 0) == UINT64_MAX);
	windows_close(unset);
}

static void run(struct scene *s, uint64_t now)
{
	assert_int_equal(conns_run(s->conns, now, UINT64_MAX), 0);
}

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

#define EMPTY                                                                                                \
	"\"attempt_ns\":null,\"established_ns\":null,\"first_in_ns\":null,\"first_out_ns\":null,\"last_in_"  \
	"ns\":null,\"last_out_ns\":null,\"syns\":0,\"packets_in\":0,\"packets_out\":0,\"bytes_in\":0,"       \
	"\"bytes_out\":0,\"resent_in\":0,\"resent_out\":0,\"gap_in_ns\":0,\"gap_out_ns\":0"

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

/* A packet of the connection is hit in a window, as the kernel says before it says whose SYN it was. */
static void hit(struct scene *s, uint16_t local_port, uint16_t remote_port, uint32_t slot)
{
	struct sp_event e = {.ns = ZERO, .type = SP_EVENT_FLOW_HIT, .flow = flow_of(local_port, remote_port)};

	e.flow.slot = slot;
	conns_hit(s->conns, &e);
}

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

/* The last look at who holds sockets finds what the records don't say. */
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
	struct sp_conn_event e = full_record(SP_EVENT_CONN_ESTABLISHED, 5001);

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
	assert_true(recovered(s));
	e.flow.local_port = 3;
	hit(s, 3, 40001, 0); /* whose it is comes behind */
	conns_event(s->conns, &e);
	assert_true(recovered(s));
	run(s, ZERO + 5 * S);
	assert_int_equal(s->fake.deletes, 0);
	run(s, ZERO + 7 * S);
	assert_int_equal(s->fake.deletes, 2);
	assert_int_equal(conns_tell(s->conns, stats, 20 * S), 0);
	expect_log(s, "\"type\":\"conns\",\"data\":{\"seen\":1,\"evicted\":0,\"untracked\":0}\n");
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

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(test_words),         IN_SCENE(test_unknown),     IN_SCENE(test_windows),
		IN_SCENE(test_delete),        IN_SCENE(test_not_deleted), IN_SCENE(test_many_ends),
		IN_SCENE(test_order_of_ends), IN_SCENE(test_census),      IN_SCENE(test_survivor),
		IN_SCENE(test_reconnect),     IN_SCENE(test_hit_syn),     IN_SCENE(test_unknown_opener),
		IN_SCENE(test_one_way),       IN_SCENE(test_icmp),        IN_SCENE(test_many_paths),
		IN_SCENE(test_processes),     IN_SCENE(test_no_walks),    IN_SCENE(test_walks_in_time),
		IN_SCENE(test_own),           IN_SCENE(test_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
