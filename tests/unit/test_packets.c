/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of packets on their way into the log. */
#include "unit/run_dir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/types.h>
#include <malloc.h>
#include <netinet/in.h>

#include "drill/packets.h"

#define OFFSET 1795308575000000000LL
#define MS 1000000ULL

static struct plan_step steps[] = {{.name = "disconnect", .window = {.times = 2}},
				   {.name = "slow", .window = {.times = 1}}};
static struct plan_target targets[] = {{.name = "front"}, {.name = "db"}};
static struct plan_rule rules[] = {{.step = 0, .target = 0, .first_slot = 0},
				   {.step = 1, .target = 1, .first_slot = 2}};
static const struct plan plan = {.steps = steps,
				 .n_steps = 2,
				 .targets = targets,
				 .n_targets = 2,
				 .rules = rules,
				 .n_rules = 2,
				 .n_slots = 3};

struct records {
	struct run_dir *dir;
	struct journal journal;
	struct packets *packets;
};

static void begin(struct records *r, void **state)
{
	*r = (struct records){.dir = *state, .journal = {.offset_ns = OFFSET}};
	assert_int_equal(log_open(r->dir->fd, OFFSET, &r->journal.log), 0);
	assert_int_equal(packets_open(&plan, &r->packets), 0);
}

/* The log. */
static char *end(struct records *r)
{
	assert_int_equal(r->journal.error, 0);
	assert_int_equal(log_close(r->journal.log), 0);
	packets_close(r->packets);
	return get_file(r->dir->fd, "events.jsonl", NULL);
}

static struct sp_packet_event record(uint32_t slot, int family, const char *local, const char *remote)
{
	struct sp_packet_event e = {
		.ns = 5 * MS,
		.type = SP_EVENT_PACKET,
		.rule = slot == 2,
		.flow = {.slot = slot, .local_port = 53122, .remote_port = 40001, .proto = IPPROTO_TCP},
		.verdict = SP_DROP,
		.hook = SP_HOOK_TC_OUT,
		.dir = SP_DIR_OUT,
		.index = 7,
		.segments = 2,
		.bytes = 3000,
	};

	if (family == AF_INET)
		e.flow.local[2] = e.flow.remote[2] = htonl(0xffff);
	inet_pton(family, local, e.flow.local + (family == AF_INET ? 3 : 0));
	inet_pton(family, remote, e.flow.remote + (family == AF_INET ? 3 : 0));
	return e;
}

static void become_the_documented_events(void **state)
{
	static const char first[] = "{\"seq\":1,\"ts_ns\":1795308575005000000,\"mono_ns\":5000000,\"type\":"
				    "\"packet\",\"step\":\"disconnect\","
				    "\"instance\":2,\"target\":\"front\",\"flow\":\"10.1.0.1:53122>10.1.0.2:"
				    "40001/tcp\",\"data\":{\"rule\":0,"
				    "\"verdict\":\"dropped\",\"hook\":\"tc-egress\",\"direction\":\"out\","
				    "\"index\":7,\"segments\":2,"
				    "\"bytes\":3000,\"delay_ns\":0},\"prev\":";
	static const char second[] = "\"step\":\"slow\",\"instance\":1,\"target\":\"db\",\"flow\":\"[fd00::1]"
				     ":53122>[fd00::2]:40001/udp\","
				     "\"data\":{\"rule\":1,\"verdict\":\"delayed\",\"hook\":\"tc-ingress\","
				     "\"direction\":\"in\",\"index\":7,"
				     "\"segments\":2,\"bytes\":3000,\"delay_ns\":250013000},\"prev\":";
	struct sp_packet_event out = record(1, AF_INET, "10.1.0.1", "10.1.0.2");
	struct sp_packet_event in = record(2, AF_INET6, "fd00::1", "fd00::2");
	struct sp_packet_event stray = record(3, AF_INET, "10.1.0.1", "10.1.0.2");
	struct records r;
	char *text;

	in.verdict = SP_DELAY;
	in.hook = SP_HOOK_TC_IN;
	in.dir = SP_DIR_IN;
	in.delay_ns = 250013000;
	in.flow.proto = IPPROTO_UDP;
	begin(&r, state);
	packets_event(r.packets, &out, &r.journal);
	packets_event(r.packets, &in, &r.journal);
	packets_event(r.packets, &stray, &r.journal); /* of no window */
	text = end(&r);
	assert_memory_equal(text, first, sizeof(first) - 1);
	assert_non_null(strstr(text, second));
	assert_null(strstr(text, "\"seq\":3"));
	free(text);
}

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* What the log takes for a batch it has given back, or has for the next. */
static void keep_no_memory(void **state)
{
	struct sp_packet_event e = record(0, AF_INET, "10.1.0.1", "10.1.0.2");
	size_t before = 0;
	struct records r;

	begin(&r, state);
	for (int batch = 0; batch < 4; batch++) {
		for (int i = 0; i < 10000; i++) {
			e.ns += 1000;
			e.index++;
			packets_event(r.packets, &e, &r.journal);
		}
		assert_int_equal(log_flush(r.journal.log, e.ns + 1000 * MS), 0);
		if (batch == 1)
			before = in_use();
	}
	assert_int_equal(in_use(), before);
	free(end(&r));
}

/* The descriptor of the log's file. */
static int find_log(const struct run_dir *dir)
{
	struct stat file, st;

	assert_int_equal(fstatat(dir->fd, "events.jsonl", &file, 0), 0);
	for (int fd = 0; fd < 1024; fd++)
		if (!fstat(fd, &st) && st.st_dev == file.st_dev && st.st_ino == file.st_ino)
			return fd;
	return -1;
}

static void keep_the_errors_of_the_log(void **state)
{
	struct sp_packet_event e = record(0, AF_INET, "10.1.0.1", "10.1.0.2");
	struct records r;
	int fd;

	begin(&r, state);
	packets_event(r.packets, &e, &r.journal);
	fd = find_log(r.dir);
	assert_true(fd >= 0);
	assert_int_equal(dup3(r.dir->fd, fd, O_CLOEXEC), fd); /* a directory can't be written */
	assert_int_equal(log_flush(r.journal.log, UINT64_MAX), -EBADF);
	packets_event(r.packets, &e, &r.journal);
	assert_int_equal(r.journal.error, -EBADF);
	assert_int_equal(log_close(r.journal.log), -EBADF);
	packets_close(r.packets);
	packets_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(become_the_documented_events, run_dir_setup,
						run_dir_teardown),
		cmocka_unit_test_setup_teardown(keep_no_memory, run_dir_setup, run_dir_teardown),
		cmocka_unit_test_setup_teardown(keep_the_errors_of_the_log, run_dir_setup, run_dir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
