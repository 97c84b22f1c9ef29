/* SPDX-License-Identifier: BSD-2-Clause */
/* What the observer makes of packets: connections, their events, and what they carry. */
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

#include <bpf/bpf.h>

#include "base/timeutil.h"
#include "kernel/engine.h"
#include "packet/frame.h"
#include "packet/scene.h"
#include "shearpin.skel.h"

#define MOST 64

struct watch {
	struct scene *scene;
	struct sp_conn_event events[MOST];
	size_t n;
};

static struct plan_target target = {
	.name = (char *)"far", .proto = 0, .direction = PLAN_OUT, .share = PLAN_ALWAYS};

/* Packets of a test are sent by the observer's own process, as far as it can tell. */
static int observe(struct watch *w)
{
	int err = engine_observe(w->scene->engine);

	w->scene->skel->bss->own_pid = 0;
	return err;
}

static int set_up_at(void **state, struct plan_target *of, const struct plan_fault *fault, uint8_t hooks)
{
	struct watch *w = calloc(1, sizeof(*w));
	int err = w ? scene_new("lo", &w->scene) : -1;

	if (err)
		return err;
	scene_rule(w->scene, of, fault, hooks);
	err = scene_load(w->scene);
	*state = w;
	return err;
}

static int set_up(void **state, const struct plan_fault *fault)
{
	return set_up_at(state, &target, fault, PLAN_HOOK_TC_OUT);
}

static int observed(void **state)
{
	static const struct plan_fault none = {.text = (char *)"{}"};
	int err = set_up(state, &none);

	return err ? err : observe(*state);
}

static int dropped(void **state)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS, .text = (char *)"{}"};

	return set_up(state, &drop);
}

static int deaf(void **state)
{
	static const struct plan_fault drop = {.drop_below = PLAN_ALWAYS, .text = (char *)"{}"};
	static struct plan_target near = {.name = (char *)"near", .direction = PLAN_IN, .share = PLAN_ALWAYS};

	return set_up_at(state, &near, &drop, PLAN_HOOK_TC_IN);
}

static int resetting(void **state)
{
	static const struct plan_fault reset = {.reset_ends = PLAN_END_LOCAL | PLAN_END_REMOTE,
						.flow_below = PLAN_ALWAYS,
						.text = (char *)"{}"};

	return set_up(state, &reset);
}

static int tear_down(void **state)
{
	struct watch *w = *state;

	scene_free(w->scene);
	free(w);
	return 0;
}

static void keep(void *arg, const void *record, size_t size)
{
	const struct sp_conn_event *event = record;
	struct watch *w = arg;

	if (event->type < SP_EVENT_CONN)
		return;
	assert_int_equal(size, sizeof(*event));
	assert_true(w->n < MOST);
	w->events[w->n++] = *event;
}

static void drain(struct watch *w)
{
	w->n = 0;
	assert_true(engine_drain(w->scene->engine, keep, w) >= 0);
}

/* The events since the last call are these, in this order. */
#define expect(w, ...)                                                                                       \
	do {                                                                                                 \
		const __u32 types_[] = {__VA_ARGS__};                                                        \
                                                                                                             \
		expect_types(w, types_, sizeof(types_) / sizeof(*types_));                                   \
	} while (0)

static void expect_types(struct watch *w, const __u32 *types, size_t n)
{
	drain(w);
	for (size_t i = 0; i < n && i < w->n; i++)
		assert_int_equal(w->events[i].type, types[i]);
	assert_int_equal(w->n, n);
}

static void expect_none(struct watch *w)
{
	expect_types(w, NULL, 0);
}

static void send_spec(struct watch *w, const struct spec *s)
{
	struct frame f;
	struct ran ran;
	bool out = !memcmp(&s->from, &near_end, sizeof(near_end));

	frame_build(s, &f);
	assert_int_equal(run_at(w->scene, out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN, f.data, f.len, &ran), 0);
}

static void tcp(struct watch *w, int family, bool out, uint8_t flags, uint32_t seq, unsigned payload)
{
	struct spec s = packet(family, IPPROTO_TCP, out);

	s.flags = flags;
	s.seq = seq;
	s.payload = payload;
	send_spec(w, &s);
}

static struct sp_conn conn_of(struct watch *w, const struct sp_flow_key *key)
{
	struct sp_conn c;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(w->scene->skel->maps.conns), key, &c), 0);
	return c;
}

/* Near to far; the handshake leaves 1001 and 5001 as the next numbers. */
static void shake_hands(struct watch *w, int family)
{
	tcp(w, family, true, SYN, 1000, 0);
	tcp(w, family, false, SYN | ACK, 5000, 0);
	tcp(w, family, true, ACK, 1001, 0);
}

static void follows_a_connection(void **state)
{
	struct watch *w = *state;
	const struct sp_conn *c = &w->events[0].conn;

	for (int family = 4; family <= 6; family += 2) {
		shake_hands(w, family);
		expect(w, SP_EVENT_CONN_ATTEMPT, SP_EVENT_CONN_ESTABLISHED);
		assert_int_equal(c->opener, SP_DIR_OUT);
		assert_int_equal(c->attempt_ns, w->events[0].ns);
		assert_int_equal(w->events[1].conn.established_ns, w->events[1].ns);
		assert_int_equal(w->events[0].targets.w[0], 1);
		assert_int_equal(w->events[0].flow.local_port, near_end.port);
		assert_int_equal(w->events[0].flow.remote_port, far_end.port);
		tcp(w, family, true, PSH | ACK, 1001, 100);
		tcp(w, family, false, PSH | ACK, 5001, 300);
		tcp(w, family, true, PSH | ACK, 1101, 100);
		expect(w, SP_EVENT_CONN_FIRST_DATA, SP_EVENT_CONN_FIRST_DATA);
		assert_int_equal(w->events[0].dir, SP_DIR_OUT);
		assert_int_equal(w->events[1].dir, SP_DIR_IN);
		tcp(w, family, true, FIN | ACK, 1201, 0);
		tcp(w, family, true, FIN | ACK, 1201, 0);
		tcp(w, family, false, FIN | ACK, 5301, 0);
		tcp(w, family, true, ACK, 1202, 0);
		expect(w, SP_EVENT_CONN_FIN, SP_EVENT_CONN_CLOSED);
		assert_int_equal(w->events[1].conn.ended_by, SP_DIR_OUT);
		assert_int_equal(w->events[1].conn.bytes[SP_DIR_OUT], 200);
		assert_int_equal(w->events[1].conn.bytes[SP_DIR_IN], 300);
		assert_int_equal(w->events[1].conn.packets[SP_DIR_OUT], 6);
		assert_int_equal(w->events[1].conn.packets[SP_DIR_IN], 3);
		assert_int_equal(w->events[1].conn.resent[SP_DIR_OUT], 0);
		assert_int_equal(w->events[1].conn.end_ns, w->events[1].ns);
	}
}

static void tells_refused_from_reset(void **state)
{
	struct watch *w = *state;

	tcp(w, 4, true, SYN, 1000, 0);
	tcp(w, 4, false, RST | ACK, 0, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT, SP_EVENT_CONN_REFUSED);
	assert_int_equal(w->events[1].conn.ended_by, SP_DIR_IN);
	tcp(w, 4, true, SYN, 2000, 0);
	tcp(w, 4, false, SYN | ACK, 5000, 0);
	tcp(w, 4, true, ACK, 2001, 0);
	tcp(w, 4, false, RST, 5001, 0);
	tcp(w, 4, false, RST, 5001, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT, SP_EVENT_CONN_ESTABLISHED, SP_EVENT_CONN_RESET);
	assert_int_equal(w->events[2].conn.ended_by, SP_DIR_IN);
}

/* The same ports and the same number: the SYN again. Another number: another connection. */
static void counts_syns(void **state)
{
	struct watch *w = *state;
	struct sp_conn c;

	tcp(w, 6, true, SYN, 1000, 0);
	tcp(w, 6, true, SYN, 1000, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(c.syns, 2);
	assert_int_equal(c.state, SP_CONN_NEW);
	tcp(w, 6, true, SYN, 2000, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT);
	assert_int_equal(conn_of(w, &w->events[0].flow).syns, 1);
	tcp(w, 6, false, SYN | ACK, 7000, 0);
	tcp(w, 6, false, RST, 7001, 0);
	expect(w, SP_EVENT_CONN_REFUSED);
}

/* Sent again: no payload. A keep-alive and the probe of a zero window: neither. */
static void tells_what_is_sent_again(void **state)
{
	struct watch *w = *state;
	struct sp_conn c;

	shake_hands(w, 4);
	tcp(w, 4, true, PSH | ACK, 1001, 100);
	drain(w);
	tcp(w, 4, true, PSH | ACK, 1001, 100);
	tcp(w, 4, true, PSH | ACK, 1051, 50);
	tcp(w, 4, true, ACK, 1100, 1);
	tcp(w, 4, true, ACK, 1100, 0);
	expect(w, SP_EVENT_CONN_RETRANSMIT);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(c.resent[SP_DIR_OUT], 2);
	assert_int_equal(c.bytes[SP_DIR_OUT], 100);
	assert_int_equal(c.next_seq[SP_DIR_OUT], 1101);
	tcp(w, 4, true, PSH | ACK, 1051, 100); /* half of it is new */
	expect_none(w);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(c.next_seq[SP_DIR_OUT], 1151);
}

/* Sequence numbers wrap. */
static void follows_numbers_over_their_end(void **state)
{
	struct watch *w = *state;
	struct sp_conn c;

	tcp(w, 4, true, SYN, 0xfffffff0, 0);
	tcp(w, 4, false, SYN | ACK, 0xffffffff, 0);
	tcp(w, 4, true, PSH | ACK, 0xfffffff1, 100);
	tcp(w, 4, true, PSH | ACK, 0xfffffff1, 100);
	tcp(w, 4, false, PSH | ACK, 0, 10);
	drain(w);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(c.bytes[SP_DIR_OUT], 100);
	assert_int_equal(c.bytes[SP_DIR_IN], 10);
	assert_int_equal(c.resent[SP_DIR_OUT], 1);
	assert_int_equal(c.next_seq[SP_DIR_OUT], 0x55);
}

/* Nothing but payload takes up a connection that was there before. */
static void takes_up_what_was_there_before(void **state)
{
	struct watch *w = *state;
	struct sp_conn c;

	tcp(w, 4, true, ACK, 1001, 0);
	tcp(w, 4, false, FIN | ACK, 5001, 0);
	tcp(w, 4, false, RST, 5001, 0);
	expect_none(w);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	tcp(w, 4, true, PSH | ACK, 1001, 10);
	expect(w, SP_EVENT_CONN_FIRST_DATA, SP_EVENT_CONN_FIRST_DATA);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(c.opener, SP_DIRS);
	assert_int_equal(c.attempt_ns, 0);
	assert_int_equal(c.established_ns, 0);
	tcp(w, 4, true, RST, 1011, 0);
	expect(w, SP_EVENT_CONN_RESET);
	assert_int_equal(w->events[0].conn.ended_by, SP_DIR_OUT);
}

static void follows_udp(void **state)
{
	struct watch *w = *state;
	struct spec s = packet(6, IPPROTO_UDP, false);

	s.payload = 70;
	send_spec(w, &s);
	send_spec(w, &s);
	expect(w, SP_EVENT_CONN_FIRST_DATA);
	assert_int_equal(w->events[0].dir, SP_DIR_IN);
	assert_int_equal(conn_of(w, &w->events[0].flow).bytes[SP_DIR_IN], 140);
	s = packet(6, IPPROTO_ICMPV6, false);
	send_spec(w, &s);
	expect_none(w);
}

/* The first payload behind a mark is told of, in each direction, with the longest pause before it. */
static void tells_of_payload_behind_a_mark(void **state)
{
	struct watch *w = *state;
	__u64 before;

	shake_hands(w, 4);
	tcp(w, 4, true, PSH | ACK, 1001, 10);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	tcp(w, 4, true, PSH | ACK, 1011, 10);
	drain(w);
	before = w->events[w->n - 1].ns;
	w->scene->skel->bss->marks[0] = clock_mono_ns();
	tcp(w, 4, true, PSH | ACK, 1021, 10);
	tcp(w, 4, true, PSH | ACK, 1031, 10);
	tcp(w, 4, false, PSH | ACK, 5011, 10);
	tcp(w, 4, false, PSH | ACK, 5021, 10);
	expect(w, SP_EVENT_CONN_DATA, SP_EVENT_CONN_DATA);
	assert_int_equal(w->events[0].dir, SP_DIR_OUT);
	assert_int_equal(w->events[1].dir, SP_DIR_IN);
	assert_int_equal(w->events[1].from_ns, before);
	assert_true(w->events[0].from_ns > before);
	assert_int_equal(w->events[0].conn.gap_from_ns[SP_DIR_OUT] + w->events[0].conn.gap_ns[SP_DIR_OUT],
			 w->events[0].from_ns);
	assert_int_equal(w->events[0].conn.last_ns[SP_DIR_OUT], w->events[0].ns);
	assert_int_equal(w->scene->skel->bss->epoch, 1);
	tcp(w, 4, true, PSH | ACK, 1031, 10); /* again */
	w->scene->skel->bss->marks[1] = clock_mono_ns();
	tcp(w, 4, true, PSH | ACK, 1031, 10);
	tcp(w, 4, true, PSH | ACK, 1031, 10);
	expect(w, SP_EVENT_CONN_RETRANSMIT, SP_EVENT_CONN_RETRANSMIT);
}

/* A pause in which something was sent again is a stall; one without is not. */
static void tells_of_a_stall(void **state)
{
	struct watch *w = *state;

	shake_hands(w, 4);
	tcp(w, 4, true, PSH | ACK, 1001, 10);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	drain(w);
	usleep(SP_STALL_NS / 1000 + 1000);
	tcp(w, 4, false, PSH | ACK, 5011, 10);
	expect_none(w);
	tcp(w, 4, true, PSH | ACK, 1001, 10);
	usleep(SP_STALL_NS / 1000 + 1000);
	tcp(w, 4, true, PSH | ACK, 1011, 10);
	tcp(w, 4, false, PSH | ACK, 5021, 10);
	expect(w, SP_EVENT_CONN_RETRANSMIT, SP_EVENT_CONN_STALL, SP_EVENT_CONN_STALL);
	assert_true(w->events[1].ns - w->events[1].from_ns >= SP_STALL_NS);
}

/* Out: it was sent, whatever became of it. */
static void counts_what_was_sent(void **state)
{
	struct watch *w = *state;

	assert_int_equal(observe(w), 0);
	scene_arm(w->scene);
	tcp(w, 4, true, SYN, 1000, 0);
	tcp(w, 4, true, SYN, 1000, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT);
	assert_int_equal(w->events[0].verdict, SP_DROP);
	assert_int_equal(conn_of(w, &w->events[0].flow).packets[SP_DIR_OUT], 2);
}

static void tells_what_the_fault_ended(void **state)
{
	struct watch *w = *state;

	assert_int_equal(observe(w), 0);
	shake_hands(w, 4);
	drain(w);
	scene_arm(w->scene);
	tcp(w, 4, true, PSH | ACK, 1001, 10);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	expect(w, SP_EVENT_CONN_FIRST_DATA, SP_EVENT_CONN_RESET);
	assert_int_equal(w->events[1].conn.ended_by, SP_DIRS);
	tcp(w, 4, true, SYN, 3000, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT, SP_EVENT_CONN_REFUSED);
	assert_int_equal(w->events[1].verdict, SP_REFUSE);
	assert_int_equal(w->events[1].conn.ended_by, SP_DIRS);
	engine_disarm(w->scene->engine);
	assert_int_equal(observe(w), 0);
	tcp(w, 4, true, SYN, 3000, 0); /* the same one: it goes on */
	tcp(w, 4, false, SYN | ACK, 9000, 0);
	tcp(w, 4, true, ACK, 3001, 0);
	expect(w, SP_EVENT_CONN_ESTABLISHED);
}

/* Its own connections it leaves alone. */
static void leaves_its_own_alone(void **state)
{
	struct watch *w = *state;
	struct sp_conn c;

	assert_int_equal(engine_observe(w->scene->engine), 0);
	assert_int_not_equal(w->scene->skel->bss->own_pid, 0);
	shake_hands(w, 4);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	tcp(w, 4, true, FIN | ACK, 1001, 0);
	tcp(w, 4, false, RST, 5011, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT);
	assert_true(w->events[0].conn.flags & SP_CONN_OWN);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(engine_conn_delete(w->scene->engine, &w->events[0].flow, &c), 1);
	assert_int_equal(engine_conn_delete(w->scene->engine, &w->events[0].flow, &c), 0);
}

/*
 * The far end still has an earlier connection between the same ports: what it sends of it, and the RST that this draws, are no
 * part of the new one.
 */
static void sets_apart_what_is_stale(void **state)
{
	struct watch *w = *state;

	tcp(w, 4, true, SYN, 1000, 0);
	tcp(w, 4, false, PSH | ACK, 70000, 300);
	tcp(w, 4, true, RST, 900, 0);
	tcp(w, 4, false, FIN | ACK, 70300, 0);
	tcp(w, 4, true, RST, 900, 0);
	expect(w, SP_EVENT_CONN_ATTEMPT);
	tcp(w, 4, true, SYN, 1000, 0);
	tcp(w, 4, false, SYN | ACK, 5000, 0);
	tcp(w, 4, true, ACK, 1001, 0);
	tcp(w, 4, false, PSH | ACK, 5001, 20);
	expect(w, SP_EVENT_CONN_ESTABLISHED, SP_EVENT_CONN_FIRST_DATA);
	assert_int_equal(w->events[1].conn.bytes[SP_DIR_IN], 20);
}

/* One of two CPUs that send at once may come second with the earlier time. */
static void takes_times_out_of_order(void **state)
{
	struct watch *w = *state;
	struct sp_flow_key key;
	struct sp_conn c;
	struct spec s = packet(4, IPPROTO_UDP, true);
	uint64_t later;

	s.payload = 10;
	send_spec(w, &s);
	expect(w, SP_EVENT_CONN_FIRST_DATA);
	key = w->events[0].flow;
	c = conn_of(w, &key);
	later = c.last_ns[SP_DIR_OUT] += 100 * NS_PER_S;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(w->scene->skel->maps.conns), &key, &c, BPF_EXIST),
			 0);
	send_spec(w, &s);
	expect_none(w);
	c = conn_of(w, &key);
	assert_int_equal(c.gap_ns[SP_DIR_OUT], 0);
	assert_int_equal(c.last_ns[SP_DIR_OUT], later);
	assert_int_equal(c.bytes[SP_DIR_OUT], 20);
}

/* What never arrives is no sign of a connection. */
static void takes_up_nothing_that_is_dropped(void **state)
{
	struct watch *w = *state;
	struct sp_flow_key key;
	struct sp_conn c;

	assert_int_equal(observe(w), 0);
	scene_arm(w->scene);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	expect_none(w);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(w->scene->skel->maps.conns), NULL, &key), -ENOENT);
	tcp(w, 4, true, PSH | ACK, 1001, 10);
	expect(w, SP_EVENT_CONN_FIRST_DATA);
	tcp(w, 4, false, PSH | ACK, 5001, 10);
	expect_none(w);
	c = conn_of(w, &w->events[0].flow);
	assert_int_equal(c.packets[SP_DIR_IN], 0);
	assert_int_equal(c.bytes[SP_DIR_OUT], 10);
}

static void sees_nothing_when_off(void **state)
{
	struct watch *w = *state;

	shake_hands(w, 4);
	expect_none(w);
	scene_arm(w->scene); /* faults alone */
	tcp(w, 4, false, SYN | ACK, 5000, 0);
	expect_none(w);
}

#define with(test, setup) cmocka_unit_test_setup_teardown(test, setup, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with(follows_a_connection, observed),
		with(tells_refused_from_reset, observed),
		with(counts_syns, observed),
		with(tells_what_is_sent_again, observed),
		with(follows_numbers_over_their_end, observed),
		with(takes_up_what_was_there_before, observed),
		with(follows_udp, observed),
		with(tells_of_payload_behind_a_mark, observed),
		with(tells_of_a_stall, observed),
		with(counts_what_was_sent, dropped),
		with(tells_what_the_fault_ended, resetting),
		with(leaves_its_own_alone, observed),
		with(sets_apart_what_is_stale, observed),
		with(takes_times_out_of_order, observed),
		with(takes_up_nothing_that_is_dropped, deaf),
		with(sees_nothing_when_off, dropped),
	};

	if (world_make())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
