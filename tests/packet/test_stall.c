/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stall: the window of every segment is 0, its checksum agrees, and nothing else has changed; what the newest segment would have
 * said is kept, and said byte by byte when the stall ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "packet/capture.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/single.h"
#include "packet/wrapped.h"

static int load(void **state)
{
	static const struct plan_fault fault = {.meaning = PLAN_MEANS_STALL, .meaning_below = PLAN_ALWAYS};

	(void)state;
	open_scene(&fault, 1);
	return 0;
}

/* As if its sender had no room. */
static void expect_shut(const struct spec *s, const void *data, size_t len)
{
	struct spec shut = *s;

	shut.window = 0;
	expect_frame(&shut, data, len);
}

static void shuts_every_window(void **state)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, ACK | URG};
	bool complete = can_complete(scene_program(scene, SP_HOOK_TC_IN), scene->interface.ifindex);
	unsigned n = 0;

	(void)state;
	for (unsigned variant = 0; variant < 2 * 2 * 6 * 3 * 5; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out);
		struct frame f;

		s.flags = flags[variant / 4 % 6];
		s.vlans = variant / 24 % 3;
		s.payload = s.flags & SYN ? 0 : variant / 72 * 333;
		s.window = 1 + variant * 181;
		s.tcp_options = variant % 11 * 4;
		s.ip_options = s.family == 4 ? variant % 5 * 4 : 0;
		s.n_extensions = s.family == 6 && variant % 5 == 1;
		s.extensions[0] = IPPROTO_DSTOPTS;
		s.padding = variant % 7 ? 0 : 5;
		frame_build(&s, &f);
		pass_frame(&f, out, 0);
		expect_shut(&s, ran.frame, ran.len);
		n++;
		if (out || !complete)
			continue;
		/* The kernel itself finds the device's sum over the packet true, or the run fails. */
		pass_frame(&f, out, TEST_CHECKSUM_COMPLETE);
		expect_shut(&s, ran.frame, ran.len);
		n++;
	}
	expect_counted(n, 0, 0);
}

static void leaves_the_rest_alone(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 8; variant++) {
		struct spec s =
			packet(variant & 2 ? 6 : 4, variant & 4 ? IPPROTO_UDP : IPPROTO_TCP, variant & 1);
		struct frame f;

		s.flags = RST | ACK;
		s.payload = variant & 4 ? 100 : 0;
		frame_build(&s, &f);
		pass_frame(&f, variant & 1, 0);
		expect_untouched(&f);
	}
	expect_counted(0, 8, 0);
}

/* What a header vouches for, and a fragment, whose checksum lies partly elsewhere. */
static void what_is_bound_passes_and_is_counted(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 4; variant++) {
		struct spec s = packet(variant & 1 ? 6 : 4, IPPROTO_TCP, variant & 2);
		struct frame f;

		s.flags = ACK;
		s.payload = 64;
		s.more_fragments = s.family == 4;
		s.n_extensions = s.family == 6;
		s.extensions[0] = IPPROTO_AH;
		frame_build(&s, &f);
		pass_frame(&f, variant & 2, 0);
		expect_untouched(&f);
	}
	expect_counted(0, 4, 4);
}

static void expect_shut_on_wire(const struct spec *s, const struct frame *f)
{
	for (size_t done = 0, len; done < s->payload; done += len) {
		len = wrapped_next(s, f, done);
		assert_int_equal(captured.data[f->l4 + 14] | captured.data[f->l4 + 15], 0);
		assert_memory_equal(captured.data + f->payload, f->data + f->payload + done, len);
	}
}

static void shuts_what_devices_complete(void **state)
{
	unsigned segments = 0;

	(void)state;
	attach_scene();
	for (unsigned variant = 0; variant < 2 * 2 * 2 * WRAPPINGS; variant++) {
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, true);
		enum wrapping wrapping = variant / 8;
		struct frame f;

		s.vlans = variant & 4 ? 1 : 0;
		s.flags = ACK;
		s.tcp_options = 12;
		s.payload = wrapping == GSO ? 20001 : 1001;
		frame_build(&s, &f);
		wrapped_offload(variant & 1);
		wrapped_send(&s, &f, true, wrapping);
		expect_shut_on_wire(&s, &f);
		segments += wrapping == GSO ? (20001 + SEGMENT - 1) / SEGMENT : 1;
	}
	assert_true(capture_is_silent(far_fd, near_fd));
	expect_counted(segments, 0, 0);
}

static int states_fd(void)
{
	return bpf_map__fd(scene->skel->maps.states);
}

static unsigned count_states(void)
{
	struct sp_flow_key key, *before = NULL;
	unsigned n = 0;

	while (!bpf_map_get_next_key(states_fd(), before, &key)) {
		before = &key;
		n++;
	}
	return n;
}

/* Of the one flow that there is. */
static struct sp_state kept(void)
{
	struct sp_flow_key key;
	struct sp_state found;

	assert_int_equal(count_states(), 1);
	assert_int_equal(bpf_map_get_next_key(states_fd(), NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(states_fd(), &key, &found), 0);
	return found;
}

struct step {
	int32_t seq, ack; /* of the first step's */
	unsigned payload;
	uint16_t window;
	uint8_t flags;
	struct {
		int32_t next_seq, ack;
		uint16_t window;
	} kept;
};

static void keeps_the_newest(void **state)
{
	/* All sequence numbers wrap on the way. */
	static const struct step steps[] = {
		{0, 0, 0, 500, ACK, {0, 0, 500}},
		{0, 0, 100, 400, ACK, {100, 0, 400}},   /* payload, and less room */
		{100, 50, 0, 300, ACK, {100, 50, 300}}, /* a newer acknowledgement */
		{0, 0, 100, 450, ACK, {100, 50, 300}},  /* sent again, or late */
		{100, 0, 70, 460, ACK, {170, 50, 300}}, /* ... with something new in it */
		{169, 50, 0, 310, ACK, {170, 50, 300}}, /* a keep-alive is not newer */
		{170, 50, 0, 320, ACK, {170, 50, 320}}, /* a window update */
		{170, 50, 10, 330, FIN | ACK, {181, 50, 330}},
		{181, 60, 0, 0, ACK, {181, 60, 0}}, /* really no room */
	};

	(void)state;
	for (unsigned variant = 0; variant < 4; variant++) {
		bool out = variant & 1;
		uint32_t seq = 0xffffffc0, ack = 0xffffffe0;

		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
			struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out);
			struct sp_state k;
			int dir = out ? SP_DIR_OUT : SP_DIR_IN;

			s.seq = seq + steps[i].seq;
			s.ack = ack + steps[i].ack;
			s.payload = steps[i].payload;
			s.window = steps[i].window;
			s.flags = steps[i].flags;
			pass_spec(&s, out);
			k = kept();
			assert_int_equal(k.next_seq[dir], (uint32_t)(seq + steps[i].kept.next_seq));
			assert_int_equal(k.ack[dir], (uint32_t)(ack + steps[i].kept.ack));
			assert_int_equal(k.window[dir], steps[i].kept.window);
			assert_int_equal(k.flags[dir] & SP_STATE_SEEN, SP_STATE_SEEN);
			assert_int_equal(!!(k.flags[dir] & SP_STATE_ENDED), i >= 7);
			assert_int_equal(k.flags[!dir], 0);
			assert_int_equal(k.ifindex, scene->interface.ifindex);
		}
		/* An RST ends it: nobody is told anything. */
		{
			struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_TCP, !out);

			s.flags = RST;
			pass_spec(&s, !out);
			assert_int_equal(count_states(), 0);
		}
	}
}

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = value >> (24 - 8 * i);
}

/* The window of a SYN-ACK is not scaled, that of what is sent in its place is. */
static void scales_the_window_of_a_handshake(void **state)
{
	static const struct {
		uint8_t options[20];
		unsigned len;
		uint16_t window, kept;
		bool stamped;
	} cases[] = {
		{{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7},
		 20,
		 65160,
		 65160 >> 7,
		 true},
		{{3, 3, 14, 0}, 4, 65535, 3, false},
		{{3, 3, 200, 0}, 4, 65535, 3, false}, /* RFC 7323, 2.3: taken as 14 */
		{{3, 3, 14, 0}, 4, 100, 1, false},    /* less than a step: some room */
		{{1, 1, 1, 3, 3, 2, 1, 1}, 8, 4000, 1000, false},
		{{2, 4, 5, 0xb4}, 4, 5840, 5840, false},           /* not scaled at all */
		{{3, 4, 7, 0}, 4, 5840, 5840, false},              /* not its length */
		{{8, 0, 3, 3, 7, 0, 0, 0}, 8, 5840, 5840, false},  /* none */
		{{8, 40, 3, 3, 7, 0, 0, 0}, 8, 5840, 5840, false}, /* more than there is */
		{{1, 1, 1, 3}, 4, 5840, 5840, false},              /* the last byte */
		{{0, 3, 3, 7}, 4, 5840, 5840, false},              /* behind the end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct spec s = packet(4, IPPROTO_TCP, false);
		struct sp_state k;
		struct frame f;

		s.flags = SYN;
		pass_spec(&s, false);
		s.flags = SYN | ACK;
		s.tcp_options = cases[i].len;
		s.window = cases[i].window;
		frame_build(&s, &f);
		memcpy(f.data + f.l4 + 20, cases[i].options, cases[i].len);
		if (cases[i].stamped) {
			put32(f.data + f.l4 + 28, 0x01020304);
			put32(f.data + f.l4 + 32, 0xfffefdfc);
		}
		pass_frame(&f, false, 0);
		k = kept();
		assert_int_equal(k.window[SP_DIR_IN], cases[i].kept);
		assert_int_equal(k.next_seq[SP_DIR_IN], s.seq + 1);
		assert_int_equal(!!(k.flags[SP_DIR_IN] & SP_STATE_STAMPED), cases[i].stamped);
		if (cases[i].stamped) {
			assert_int_equal(k.tsval[SP_DIR_IN], 0x01020304);
			assert_int_equal(k.tsecr[SP_DIR_IN], 0xfffefdfc);
		}
	}
}

/* A SYN is shut like all else, but nobody could be told anything before it is answered. */
static void keeps_nothing_of_a_syn(void **state)
{
	struct spec s = packet(6, IPPROTO_TCP, true);

	(void)state;
	s.flags = SYN;
	pass_spec(&s, true);
	expect_shut(&s, ran.frame, ran.len);
	assert_int_equal(count_states(), 0);
}

static void end_stall(unsigned sent)
{
	struct stalls_told told = {0};

	engine_disarm(scene->engine);
	assert_int_equal(engine_end_states(scene->engine, 0, 0, &told), 0);
	assert_int_equal(told.sent, sent);
	assert_int_equal(told.failed, 0);
	assert_int_equal(count_states(), 0);
}

/* From the network header on: what the test's own packets are like but for that a raw socket's header is plain. */
static void expect_told(int fd, const struct spec *s, bool stamped)
{
	struct spec plain = *s;
	struct frame f;
	uint8_t *ip;

	plain.vlans = plain.payload = plain.padding = plain.tos = 0;
	plain.ttl = 64;
	plain.flags = ACK;
	plain.seq += s->payload;
	plain.tcp_options = stamped ? 12 : 0;
	frame_build(&plain, &f);
	if (stamped) {
		memcpy(f.data + f.l4 + 20, (uint8_t[]){1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, 12);
		frame_checksum(&plain, &f);
	}
	do /* there is no such connection, which the near end's stack may say meanwhile */
		assert_int_equal(capture_next(fd, &captured), 0);
	while (captured.data[f.l4 + 13] & RST);
	assert_int_equal(captured.len, f.len);
	ip = captured.data + f.l3;
	if (s->family == 4) { /* the kernel chooses the id */
		memcpy(f.data + f.l3 + 4, ip + 4, 2);
		f.data[f.l3 + 10] = f.data[f.l3 + 11] = ip[10] = ip[11] = 0;
	} else { /* and the flow label */
		memcpy(f.data + f.l3, ip, 4);
	}
	assert_memory_equal(ip, f.data + f.l3, f.len - f.l3);
}

/* To the far end along the route, to the near one through lo. */
static void tells_both_ends(void **state)
{
	int lo_fd = capture_open("lo");

	(void)state;
	assert_true(lo_fd >= 0);
	attach_scene();
	for (unsigned variant = 0; variant < 4; variant++) {
		bool stamped = variant & 1;
		struct spec ends[] = {packet(variant & 2 ? 6 : 4, IPPROTO_TCP, false),
				      packet(variant & 2 ? 6 : 4, IPPROTO_TCP, true)};

		scene_arm(scene);
		for (int out = 0; out < 2; out++) {
			struct frame f;

			ends[out].flags = ACK;
			ends[out].window += out;
			ends[out].payload = 33 * out;
			ends[out].tcp_options = stamped ? 12 : 4;
			frame_build(&ends[out], &f);
			if (stamped)
				memcpy(f.data + f.l4 + 20, (uint8_t[]){1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
				       12);
			pass_frame(&f, out, 0);
		}
		end_stall(2);
		expect_told(lo_fd, &ends[0], stamped);
		expect_told(far_fd, &ends[1], stamped);
	}
	close(lo_fd);
}

/* What the observer knows to be over, what has seen a FIN and is unknown to it, and who really has no room. */
static void tells_nobody_of_what_has_ended(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, false);

	(void)state;
	attach_scene();
	s.flags = FIN | ACK;
	pass_spec(&s, false);
	end_stall(0);

	scene_arm(scene);
	s.flags = ACK;
	s.window = 0;
	pass_spec(&s, false);
	end_stall(0);

	scene_arm(scene);
	assert_int_equal(engine_observe(scene->engine), 0);
	s.window = 502;
	s.payload = 10;
	pass_spec(&s, false);
	s.seq += 10;
	s.payload = 0;
	s.flags = FIN | ACK;
	pass_spec(&s, false);
	assert_int_equal(count_states(), 1);
	{
		struct spec last = packet(4, IPPROTO_TCP, true);

		last.seq = s.ack;
		last.ack = s.seq + 1;
		last.flags = FIN | ACK;
		pass_spec(&last, true);
	}
	end_stall(0);
}

/* Half of it is still open: the other end may have something to send. */
static void tells_who_may_still_send(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, false);
	int lo_fd = capture_open("lo");

	(void)state;
	assert_true(lo_fd >= 0);
	attach_scene();
	assert_int_equal(engine_observe(scene->engine), 0);
	s.payload = 10;
	s.flags = FIN | ACK;
	pass_spec(&s, false);
	end_stall(1);
	s.seq++;
	expect_told(lo_fd, &s, false);
	close(lo_fd);
}

static void does_not_end_while_it_is_open(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, false);
	struct stalls_told told = {0};

	(void)state;
	attach_scene();
	s.flags = ACK;
	pass_spec(&s, false);
	assert_int_equal(engine_end_states(scene->engine, 0, 0, &told), -EAGAIN);
	assert_int_equal(told.sent + told.failed, 0);
	assert_int_equal(count_states(), 1);
	/* Of another window: not this one's. */
	engine_disarm(scene->engine);
	assert_int_equal(engine_end_states(scene->engine, 0, 1, &told), 0);
	assert_int_equal(count_states(), 1);
	end_stall(1);
}

static int open_routed_pair(void **state)
{
	return pair_open(state) || world_command("ip addr add 2001:db8::1/32 dev " NEAR_END " nodad");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, load, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shuts_every_window),
		TEST(leaves_the_rest_alone),
		TEST(what_is_bound_passes_and_is_counted),
		TEST(shuts_what_devices_complete),
		TEST(keeps_the_newest),
		TEST(scales_the_window_of_a_handshake),
		TEST(keeps_nothing_of_a_syn),
		TEST(tells_both_ends),
		TEST(tells_nobody_of_what_has_ended),
		TEST(tells_who_may_still_send),
		TEST(does_not_end_while_it_is_open),
	};

	return cmocka_run_group_tests(tests, open_routed_pair, pair_close);
}
