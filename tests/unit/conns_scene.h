/* SPDX-License-Identifier: BSD-2-Clause */
/* An observer's records, made up, on their way through the drill: the plan, the kernel's side, and the log that comes of it. */
#ifndef TESTS_CONNS_SCENE_H
#define TESTS_CONNS_SCENE_H

#include "unit/run_dir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/timeutil.h"
#include "drill/conns.h"

#define ZERO (100 * NS_PER_S)
#define S NS_PER_S
#define MS NS_PER_MS

#define FLOW "\"flow\":\"10.1.0.1:5001>10.1.0.2:40001/tcp\""
#define EMPTY                                                                                                \
	"\"attempt_ns\":null,\"established_ns\":null,\"first_in_ns\":null,\"first_out_ns\":null,\"last_in_"  \
	"ns\":null,\"last_out_ns\":null,\"syns\":0,\"packets_in\":0,\"packets_out\":0,\"bytes_in\":0,"       \
	"\"bytes_out\":0,\"resent_in\":0,\"resent_out\":0,\"gap_in_ns\":0,\"gap_out_ns\":0"

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
static inline int fake_target(void *arg, unsigned bit)
{
	static const int targets[] = {0, 1, 0, 2};

	(void)arg;
	return bit < 4 ? targets[bit] : -1;
}

static inline int fake_delete(void *arg, const struct sp_flow_key *key, const struct sp_conn *ended)
{
	struct fake *fake = arg;

	assert_int_not_equal(ended->first_ns, 0);
	fake->deleted[fake->deletes++ % 8] = *key;
	return fake->delete_result;
}

static inline int fake_each(void *arg, conns_entry *call, void *call_arg)
{
	const struct fake *fake = arg;

	for (size_t i = 0; i < fake->n_present; i++)
		call(call_arg, &fake->present[i].flow, &fake->present[i].conn);
	return 0;
}

static inline int fake_walk(void *arg, void (*call)(void *arg, const struct sp_owner *owner), void *call_arg)
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
static inline void fill_plan(struct scene *s)
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

static inline int setup(void **state)
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
	windows_set_zero(s->windows, ZERO, (struct plan_span){0, UINT64_MAX});
	*state = s;
	return conns_open(&s->plan, s->windows, &s->kernel, &s->journal, &s->conns);
}

static inline int teardown(void **state)
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

static inline void set_v4(__u32 *addr, const char *text)
{
	addr[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, text, &addr[3]), 1);
}

static inline struct sp_flow_key flow_of(uint16_t local_port, uint16_t remote_port)
{
	struct sp_flow_key key = {.local_port = local_port, .remote_port = remote_port, .proto = IPPROTO_TCP};

	set_v4(key.local, "10.1.0.1");
	set_v4(key.remote, "10.1.0.2");
	return key;
}

/* A record of a connection that was first seen at first_ns. */
static inline struct sp_conn_event record(uint32_t type, uint16_t port, uint64_t first_ns, uint64_t ns)
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

static inline void tell(struct scene *s, uint32_t type, uint16_t port, uint64_t first_ns, uint64_t ns)
{
	struct sp_conn_event e = record(type, port, first_ns, ns);

	conns_event(s->conns, &e);
}

static inline void run(struct scene *s, uint64_t now)
{
	assert_int_equal(conns_run(s->conns, now, UINT64_MAX), 0);
}

/* The lines of the log so far, from `type` to the data, one behind the other. */
static inline void expect_log(struct scene *s, const char *expected)
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
static inline void forget_log(struct scene *s)
{
	int fd = openat(s->dir->fd, "events.jsonl", O_WRONLY | O_CLOEXEC);

	assert_int_equal(log_flush(s->journal.log, UINT64_MAX), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
}

/* A packet of the connection is hit in a window, as the kernel says before it says whose SYN it was. */
static inline void hit(struct scene *s, uint16_t local_port, uint16_t remote_port, uint32_t slot)
{
	struct sp_event e = {.ns = ZERO, .type = SP_EVENT_FLOW_HIT, .flow = flow_of(local_port, remote_port)};

	e.flow.slot = slot;
	conns_hit(s->conns, &e);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
