/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs at connect() and getpeername(): who is taken to the responder, what is counted, what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/timeutil.h"
#include "chance.bpf.h"
#include "kernel/answer.h"
#include "packet/scene.h"

#define SERVER4 "127.0.0.2"
#define SERVER6 "fd77::2"
#define MAPPED "::ffff:" SERVER4
#define PORT 4000
#define NEXT_PORT 4001
#define MANY 200
#define HALF (PLAN_ALWAYS / 2)

/* Listeners: the servers, and what stands for the responder. */
enum place { SERVER_V4, SERVER_V6, NEXT_V4, TAKEN_V4, TAKEN_V6, PLACES, NOWHERE = PLACES };

struct fixture {
	struct scene *scene;
	struct answer *answer;
	int listeners[PLACES];
};

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

static struct address address_of(const char *text, uint16_t port)
{
	struct address a = {.len = sizeof(a.v4)};

	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		return a;
	}
	assert_int_equal(inet_pton(AF_INET6, text, &a.v6.sin6_addr), 1);
	a.v6.sin6_family = AF_INET6;
	a.v6.sin6_port = htons(port);
	a.len = sizeof(a.v6);
	return a;
}

static int listen_at(const char *text, uint16_t port)
{
	struct address a = address_of(text, port);
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, &a.any, a.len), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct address a = {.len = sizeof(a.v6)};

	assert_int_equal(getsockname(fd, &a.any, &a.len), 0);
	return ntohs(a.v4.sin_port); /* at the same place in both */
}

/* Who has accepted a connection since the last call. */
static enum place who_accepted(const struct fixture *f)
{
	for (int i = 0; i < PLACES; i++) {
		int fd = accept(f->listeners[i], NULL, NULL);

		if (fd < 0)
			continue;
		close(fd);
		return i;
	}
	return NOWHERE;
}

static int try_connect(const char *to, uint16_t port)
{
	struct address a = address_of(to, port);
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!connect(fd, &a.any, a.len))
		return fd;
	close(fd);
	return -errno;
}

/* Connect; the socket says that it is there, whoever has accepted it. */
static enum place go_to(const struct fixture *f, const char *to, uint16_t port)
{
	struct address a = address_of(to, port), peer = {.len = sizeof(peer.v6)};
	int fd = try_connect(to, port);

	assert_true(fd >= 0);
	assert_int_equal(getpeername(fd, &peer.any, &peer.len), 0);
	assert_int_equal(peer.len, a.len);
	if (a.any.sa_family == AF_INET)
		assert_memory_equal(&peer.v4.sin_addr, &a.v4.sin_addr, sizeof(a.v4.sin_addr));
	else
		assert_memory_equal(&peer.v6.sin6_addr, &a.v6.sin6_addr, sizeof(a.v6.sin6_addr));
	assert_int_equal(peer.v4.sin_port, a.v4.sin_port);
	close(fd);
	return who_accepted(f);
}

static void expect_counts(const struct fixture *f, uint32_t slot, uint64_t altered, uint64_t passed,
			  uint64_t failed)
{
	struct sp_counters c;

	assert_int_equal(engine_counters(f->scene->engine, slot, &c), 0);
	assert_int_equal(c.matched, altered + passed);
	assert_int_equal(c.verdict[SP_ALTER], altered);
	assert_int_equal(c.verdict[SP_PASS], passed);
	assert_int_equal(c.flows, altered);
	assert_int_equal(c.failed, failed);
	assert_int_equal(c.bytes, 0);
}

static struct plan_target target_at_port(uint16_t port)
{
	static struct prefix remotes[] = {{.family = AF_INET, .len = 32, .addr = {127, 0, 0, 2}},
					  {.family = AF_INET6, .len = 128, .addr = {0xfd, 0x77, [15] = 2}}};
	static struct port_range ports[2];
	struct port_range *range = &ports[port == NEXT_PORT];

	*range = (struct port_range){port, port};
	return (struct plan_target){.name = (char *)"server",
				    .proto = IPPROTO_TCP,
				    .remotes = remotes,
				    .n_remotes = 2,
				    .remote_ports = range,
				    .n_remote_ports = 1};
}

static void add_rule(struct fixture *f, uint16_t port, uint64_t below)
{
	const struct plan_fault fault = {.meaning = PLAN_MEANS_ANSWER, .flow_below = below};
	struct plan_target target = target_at_port(port);

	scene_rule(f->scene, &target, &fault, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
}

static void load(struct fixture *f)
{
	assert_int_equal(scene_load(f->scene), 0);
	assert_int_equal(answer_open(f->scene->skel, &f->answer), 0);
	for (size_t r = 0; r < f->scene->plan.n_rules; r++) {
		answer_set_port(f->scene->engine, r, AF_INET, port_of(f->listeners[TAKEN_V4]));
		answer_set_port(f->scene->engine, r, AF_INET6, port_of(f->listeners[TAKEN_V6]));
	}
	answer_beat(f->scene->engine, UINT64_MAX);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f || scene_new("lo", &f->scene))
		return -1;
	f->listeners[SERVER_V4] = listen_at(SERVER4, PORT);
	f->listeners[SERVER_V6] = listen_at(SERVER6, PORT);
	f->listeners[NEXT_V4] = listen_at(SERVER4, NEXT_PORT);
	f->listeners[TAKEN_V4] = listen_at("127.0.0.1", 0);
	f->listeners[TAKEN_V6] = listen_at("::1", 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	answer_close(f->answer);
	scene_free(f->scene);
	for (int i = 0; i < PLACES; i++)
		close(f->listeners[i]);
	free(f);
	return 0;
}

static void takes_what_matches(void **state)
{
	struct fixture *f = *state;

	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	assert_int_equal(go_to(f, SERVER4, PORT), SERVER_V4); /* nothing is armed */
	scene_arm(f->scene);
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
	assert_int_equal(go_to(f, SERVER6, PORT), TAKEN_V6);
	assert_int_equal(go_to(f, MAPPED, PORT), TAKEN_V4);
	assert_int_equal(go_to(f, SERVER4, NEXT_PORT), NEXT_V4);
	assert_int_equal(go_to(f, "127.0.0.1", port_of(f->listeners[TAKEN_V4])), TAKEN_V4);
	expect_counts(f, 0, 3, 0, 0);
	engine_disarm(f->scene->engine);
	assert_int_equal(go_to(f, SERVER4, PORT), SERVER_V4);
	expect_counts(f, 0, 3, 0, 0);
	scene_arm(f->scene);
	answer_close(f->answer);
	f->answer = NULL;
	assert_int_equal(go_to(f, SERVER4, PORT), SERVER_V4);
}

static void leaves_udp_alone(void **state)
{
	struct address a = address_of(SERVER4, PORT), peer = {.len = sizeof(peer.v6)};
	struct fixture *f = *state;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	scene_arm(f->scene);
	assert_int_equal(connect(fd, &a.any, a.len), 0);
	assert_int_equal(getsockname(fd, &peer.any, &peer.len), 0);
	assert_int_not_equal(peer.v4.sin_addr.s_addr, htonl(INADDR_ANY));
	peer.len = sizeof(peer.v6);
	assert_int_equal(getpeername(fd, &peer.any, &peer.len), 0);
	assert_int_equal(peer.v4.sin_addr.s_addr, a.v4.sin_addr.s_addr);
	close(fd);
	expect_counts(f, 0, 0, 0, 0);
}

/* It takes a process that says so: own_pid. */
static void leaves_the_loader_alone(void **state)
{
	struct fixture *f = *state;

	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	assert_int_equal(engine_observe(f->scene->engine), 0);
	scene_arm(f->scene);
	assert_int_equal(go_to(f, SERVER4, PORT), SERVER_V4);
	expect_counts(f, 0, 0, 0, 0);
}

/* There is no server, and nobody to be taken to, in another network namespace. */
static void leaves_other_namespaces_alone(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	scene_arm(f->scene);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWNET) || world_command("ip link set lo up"))
			_exit(2);
		_exit(try_connect(SERVER4, PORT) == -ECONNREFUSED ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(who_accepted(f), NOWHERE);
	expect_counts(f, 0, 0, 0, 0);
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
}

static void passes_what_it_cannot_take(void **state)
{
	struct fixture *f = *state;
	struct address a = address_of(SERVER4, PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	scene_arm(f->scene);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, NEAR_END, sizeof(NEAR_END)), 0);
	(void)connect(fd, &a.any, a.len);
	close(fd);
	expect_counts(f, 0, 0, 1, 1);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")), 0);
	assert_int_equal(connect(fd, &a.any, a.len), 0);
	close(fd);
	assert_int_equal(who_accepted(f), TAKEN_V4);
	answer_set_port(f->scene->engine, 0, AF_INET6, 0);
	assert_int_equal(go_to(f, SERVER6, PORT), SERVER_V6);
	expect_counts(f, 0, 1, 2, 2);
	answer_beat(f->scene->engine, clock_mono_ns() - SP_ANSWER_LOST_NS);
	assert_int_equal(go_to(f, SERVER4, PORT), SERVER_V4);
	expect_counts(f, 0, 1, 3, 3);
	answer_beat(f->scene->engine, UINT64_MAX);
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
	expect_counts(f, 0, 2, 3, 3);
}

/* A socket of a connection that was taken, and that connects elsewhere, says where it is. */
static void forgets_earlier_connections(void **state)
{
	struct address first = address_of(SERVER4, PORT), next = address_of(SERVER4, NEXT_PORT);
	struct address peer = {.len = sizeof(peer.v6)}, none = {.any.sa_family = AF_UNSPEC};
	struct fixture *f = *state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	scene_arm(f->scene);
	assert_int_equal(connect(fd, &first.any, first.len), 0);
	assert_int_equal(connect(fd, &none.any, sizeof(none.v4)), 0);
	assert_int_equal(connect(fd, &next.any, next.len), 0);
	assert_int_equal(getpeername(fd, &peer.any, &peer.len), 0);
	assert_int_equal(ntohs(peer.v4.sin_port), NEXT_PORT);
	close(fd);
	expect_counts(f, 0, 1, 0, 0);
}

/* Of two rules the first takes; the second one takes what the first one's lots leave. */
static void asks_rules_in_turn(void **state)
{
	struct sp_flow_key key = {.remote_port = PORT, .proto = IPPROTO_TCP};
	struct fixture *f = *state;
	unsigned taken[2] = {0};

	add_rule(f, PORT, HALF);
	add_rule(f, PORT, HALF);
	load(f);
	scene_arm(f->scene);
	key.remote[2] = htonl(0xffff);
	inet_pton(AF_INET, SERVER4, &key.remote[3]);
	for (uint32_t i = 0; i < MANY; i++) {
		uint64_t hash = flow_hash(key.local, key.remote, 0, PORT, IPPROTO_TCP);
		bool first = draw(0x5eed, DRAW_TAKEN, hash, 0, i) < HALF;
		bool second = draw(0x5eed + 1, DRAW_TAKEN, hash, 0, i) < HALF;

		assert_int_equal(go_to(f, SERVER4, PORT), first || second ? TAKEN_V4 : SERVER_V4);
		taken[0] += first;
		taken[1] += !first && second;
	}
	for (int r = 0; r < 2; r++) {
		assert_in_range(taken[r], MANY / 8, MANY * 3 / 4);
		expect_counts(f, r, taken[r], MANY - taken[r], 0);
	}
}

/* Another process has no part in it; the cgroup that the target names has no such socket. */
static void asks_whose_call_it_is(void **state)
{
	const struct plan_fault fault = {.meaning = PLAN_MEANS_ANSWER};
	struct plan_target target = target_at_port(PORT);
	struct fixture *f = *state;
	__u32 pid = getpid();
	struct sp_bits first = {.w = {1}};
	int status;
	pid_t child;

	target.pid = pid;
	scene_rule(f->scene, &target, &fault, PLAN_HOOK_TC_OUT);
	target.pid = 0;
	target.cgroup = (char *)"/nobody";
	scene_rule(f->scene, &target, &fault, PLAN_HOOK_TC_OUT);
	load(f);
	f->scene->skel->bss->control.cgroup_levels = 3;
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(f->scene->skel->maps.owner_processes), &pid, &first, BPF_ANY),
		0);
	scene_arm(f->scene);
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(go_to(f, SERVER4, PORT));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SERVER_V4);
	expect_counts(f, 0, 1, 0, 0);
	expect_counts(f, 1, 0, 0, 0);
}

struct told {
	struct sp_answer_event events[8];
	size_t n;
};

static void note_event(void *arg, const void *record, size_t size)
{
	struct told *t = arg;

	assert_int_equal(size, sizeof(*t->events));
	assert_true(t->n < 8);
	memcpy(&t->events[t->n++], record, size);
}

static void tells_of_each(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	uint64_t before;

	add_rule(f, NEXT_PORT, PLAN_ALWAYS);
	add_rule(f, PORT, PLAN_ALWAYS);
	load(f);
	scene_arm(f->scene);
	before = clock_mono_ns();
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
	assert_int_equal(go_to(f, SERVER6, PORT), TAKEN_V6);
	assert_int_equal(go_to(f, SERVER4, NEXT_PORT), TAKEN_V4);
	assert_int_equal(engine_drain(f->scene->engine, note_event, &told), 4);
	for (size_t i = 0; i < 4; i++) {
		static const uint32_t indexes[] = {0, 1, 0, 0};
		const struct sp_answer_event *e = &told.events[i];

		assert_int_equal(e->type, SP_EVENT_ANSWER);
		assert_in_range(e->ns, before, clock_mono_ns());
		assert_int_equal(e->rule, i < 3);
		assert_int_equal(e->flow.slot, i < 3);
		assert_int_equal(e->index, indexes[i]);
		assert_int_equal(e->flow.remote_port, i < 3 ? PORT : NEXT_PORT);
		assert_int_equal(e->flow.proto, IPPROTO_TCP);
		assert_int_equal(e->flow.remote[0], i == 2 ? htonl(0xfd770000) : 0);
		assert_int_equal(e->flow.remote[3], htonl(i == 2 ? 2 : 0x7f000002));
		assert_int_equal(e->flow.local_port | e->flow.local[0] | e->flow.local[3], 0);
		assert_int_equal(strncmp(e->comm, "test_answer", sizeof(e->comm)), 0);
		assert_int_not_equal(e->cgroup, 0);
	}
}

/* Beyond the budget connections pass, counted as suppressed. */
static void keeps_to_the_budget(void **state)
{
	struct fixture *f = *state;
	struct sp_counters c;

	add_rule(f, PORT, PLAN_ALWAYS);
	f->scene->plan.max_flows = 2;
	load(f);
	scene_arm(f->scene);
	assert_int_equal(go_to(f, SERVER4, PORT), TAKEN_V4);
	assert_int_equal(go_to(f, SERVER6, PORT), TAKEN_V6);
	assert_int_equal(go_to(f, SERVER4, PORT), SERVER_V4);
	assert_int_equal(engine_spent(f->scene->engine), SP_BUDGET_FLOWS);
	assert_int_equal(engine_counters(f->scene->engine, 0, &c), 0);
	assert_int_equal(c.matched, 3);
	assert_int_equal(c.verdict[SP_ALTER], 2);
	assert_int_equal(c.verdict[SP_SUPPRESS], 1);
}

static int make_world(void **state)
{
	(void)state;
	return world_make() || world_command("ip address add " SERVER6 "/128 dev lo nodad");
}

#define WITH_SERVERS(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVERS(takes_what_matches),
		WITH_SERVERS(leaves_udp_alone),
		WITH_SERVERS(leaves_the_loader_alone),
		WITH_SERVERS(leaves_other_namespaces_alone),
		WITH_SERVERS(passes_what_it_cannot_take),
		WITH_SERVERS(forgets_earlier_connections),
		WITH_SERVERS(asks_rules_in_turn),
		WITH_SERVERS(asks_whose_call_it_is),
		WITH_SERVERS(tells_of_each),
		WITH_SERVERS(keeps_to_the_budget),
	};

	return cmocka_run_group_tests(tests, make_world, NULL);
}
