/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The attached programs on a real interface: packets as sockets and devices leave them, with checksums that are still to be
 * completed (CHECKSUM_PARTIAL) and as GSO packets, with the pair's checksum offload on and off. What comes out at both
 * ends is compared with frames built from scratch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet/capture.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/single.h"
#include "packet/wrapped.h"

#define ETHERNET 14

static void attach(const struct plan_fault *fault)
{
	open_scene(fault, 1);
	attach_scene();
}

static struct sp_counters counted(void)
{
	struct sp_counters c = counters();

	assert_int_equal(c.failed, 0);
	return c;
}

static void each_packet(uint8_t proto, void (*call)(struct spec *s, bool out, enum wrapping wrapping))
{
	for (int tx = 0; tx <= 1; tx++) {
		wrapped_offload(tx);
		for (int variant = 0; variant < 8 * WRAPPINGS; variant++) {
			bool out = variant & 1;
			struct spec s = packet(variant & 2 ? 6 : 4, proto, out);

			/* Without offload the far end sends segments. */
			if (variant / 8 == GSO && !out && !tx)
				continue;
			s.vlans = variant & 4 ? 1 : 0;
			call(&s, out, variant / 8);
		}
	}
	expect_silence();
}

static void reset(struct spec *s, bool out, enum wrapping wrapping)
{
	struct spec to_sender, to_receiver;
	uint64_t before = counted().verdict[SP_RESET], own = scene_stat(SP_STAT_OWN);

	s->flags = PSH | ACK;
	s->payload = wrapping == GSO ? 20000 : 100;
	s->tcp_options = 12;
	to_sender = rst_for(s, true);
	to_receiver = rst_for(s, false);
	wrapped_send_spec(s, out, wrapping);
	expect_captured(out ? near_fd : far_fd, &to_sender);
	if (out)
		expect_captured(far_fd, &to_receiver);
	assert_int_equal(counted().verdict[SP_RESET] - before,
			 wrapping == GSO ? (20000 + SEGMENT - 1) / SEGMENT : 1);
	assert_int_equal(scene_stat(SP_STAT_OWN) - own, 1);
}

static void resets_both_ends(void **state)
{
	(void)state;
	attach(&(struct plan_fault){.reset_ends = PLAN_END_LOCAL | PLAN_END_REMOTE});
	each_packet(IPPROTO_TCP, reset);
}

/* What a segment that came in has become, where the stack would deliver it. */
static void hands_the_stack_a_valid_rst(void **state)
{
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	struct pollfd wait = {.fd = raw, .events = POLLIN};

	(void)state;
	assert_true(raw >= 0);
	attach(&(struct plan_fault){.reset_ends = PLAN_END_LOCAL});
	for (int variant = 0; variant < 2 * WRAPPINGS; variant++) {
		struct spec s = packet(4, IPPROTO_TCP, false), expected;
		uint8_t datagram[256];
		struct frame f;

		if (variant / 2 == GSO && !(variant & 1))
			continue;
		wrapped_offload(variant & 1);
		s.flags = PSH | ACK;
		s.payload = variant / 2 == GSO ? 20000 : 100;
		expected = rst_for(&s, false);
		frame_build(&expected, &f);
		wrapped_send_spec(&s, false, variant / 2);
		assert_int_equal(poll(&wait, 1, CAPTURE_TIMEOUT_MS), 1);
		assert_int_equal(recv(raw, datagram, sizeof(datagram), 0), f.len - f.l3);
		/* With offload on both ends a partial checksum stays so all the way. */
		if (variant & 1 && variant / 2 != FULL) {
			uint16_t sum = sum_fold(sum_pseudo(&expected, IPPROTO_TCP, 20));
			size_t at = f.l4 + checksum_at(IPPROTO_TCP);

			f.data[at] = sum >> 8;
			f.data[at + 1] = sum;
		}
		assert_memory_equal(datagram, f.data + f.l3, f.len - f.l3);
	}
	close(raw);
	expect_silence();
}

static void refuse_syn(struct spec *s, bool out, enum wrapping wrapping)
{
	struct spec answer;

	if (wrapping == GSO)
		return; /* no SYN is that long */
	s->flags = SYN;
	s->tcp_options = 20;
	answer = rst_for(s, true);
	answer.seq = 0;
	wrapped_send_spec(s, out, wrapping);
	expect_captured(out ? near_fd : far_fd, &answer);
}

static void refuses_new_connections(void **state)
{
	(void)state;
	attach(&(struct plan_fault){.refuse = PLAN_REFUSE_TCP_RESET});
	each_packet(IPPROTO_TCP, refuse_syn);
}

/* The answer's checksum covers the quoted one, which the device may complete on the way. */
static void refuse_by_icmp(struct spec *s, bool out, enum wrapping wrapping)
{
	size_t ip = s->family == 4 ? 20 : 40, icmp = ETHERNET + 4 * s->vlans + ip;
	size_t quoted = ip + (s->proto == IPPROTO_TCP ? 20 : 8);
	struct spec back = {.family = s->family, .from = s->to, .to = s->from};
	uint32_t pseudo = s->family == 4 ? 0 : sum_pseudo(&back, IPPROTO_ICMPV6, 8 + quoted);

	if (wrapping == GSO)
		return;
	s->flags = SYN;
	s->payload = s->proto == IPPROTO_UDP ? 333 : 0;
	wrapped_send_spec(s, out, wrapping);
	assert_int_equal(capture_next(out ? near_fd : far_fd, &captured), 0);
	assert_int_equal(captured.len, icmp + 8 + quoted);
	assert_int_equal(captured.data[icmp], s->family == 4 ? 3 : 1);
	assert_int_equal(captured.data[icmp + 1], s->family == 4 ? 13 : 1);
	assert_int_equal(sum_fold(sum_bytes(captured.data + icmp, 8 + quoted, pseudo)), 0xffff);
}

static void refuses_by_icmp(void **state)
{
	(void)state;
	attach(&(struct plan_fault){.refuse = PLAN_REFUSE_ICMP_ADMIN});
	each_packet(IPPROTO_TCP, refuse_by_icmp);
	each_packet(IPPROTO_UDP, refuse_by_icmp);
}

static void drop(struct spec *s, bool out, enum wrapping wrapping)
{
	struct sp_counters before = counted(), after;
	unsigned segments = wrapping == GSO ? (20000 + SEGMENT - 1) / SEGMENT : 1;

	s->flags = ACK;
	s->payload = wrapping == GSO ? 20000 : 1000;
	wrapped_send_spec(s, out, wrapping);
	expect_silence();
	after = counted();
	assert_int_equal(after.matched - before.matched, segments);
	assert_int_equal(after.verdict[SP_DROP] - before.verdict[SP_DROP], segments);
}

static void drops_silently(void **state)
{
	(void)state;
	attach(&(struct plan_fault){.drop_below = PLAN_ALWAYS});
	each_packet(IPPROTO_TCP, drop);
}

/* A sender on this host is told of a loss only if the scenario asks for that. */
static void tells_the_sender_of_a_local_loss_only(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	memcpy(&to.sin_addr, far_end.addr4, 4);
	for (int local = 0; local <= 1; local++) {
		attach(&(struct plan_fault){.drop_below = PLAN_ALWAYS, .loss_local = local});
		assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), local ? -1 : 1);
		if (local)
			assert_int_equal(errno, ENOBUFS);
		assert_int_equal(counted().verdict[SP_DROP], 1);
		close_scene(NULL);
	}
	close(fd);
	expect_silence();
}

/* Too short to be read, up to the last byte: goes through as it is. */
static void lets_truncated_frames_through(void **state)
{
	(void)state;
	attach(&(struct plan_fault){.drop_below = PLAN_ALWAYS});
	for (int variant = 0; variant < 8; variant++) {
		struct spec s = packet(variant & 1 ? 6 : 4, variant & 2 ? IPPROTO_UDP : IPPROTO_TCP, true);
		struct frame f;

		s.vlans = variant & 4 ? 1 : 0;
		frame_build(&s, &f);
		/* The stack drops a tagged frame that ends within two bytes of its tag. */
		for (size_t len = ETHERNET + (s.vlans ? 6 : 1); len < f.len; len++) {
			uint64_t bad = scene_stat(SP_STAT_UNPARSABLE);

			assert_int_equal(capture_send(near_fd, f.data, len, NULL), 0);
			assert_int_equal(capture_next(far_fd, &captured), 0);
			assert_int_equal(captured.len, len);
			assert_memory_equal(captured.data, f.data, len);
			assert_int_equal(scene_stat(SP_STAT_UNPARSABLE) - bad, 1);
		}
	}
	assert_int_equal(counted().matched, 0);
}

/* Armed, but for others: packets of all kinds come out as they went in. */
static void pass(struct spec *s, bool out, enum wrapping wrapping)
{
	s->flags = PSH | ACK;
	s->payload = wrapping == GSO ? SEGMENT : 1000;
	wrapped_send_spec(s, out, wrapping == GSO ? PARTIAL : wrapping);
	if (out)
		expect_captured(far_fd, s);
}

static void leaves_other_traffic_alone(void **state)
{
	static struct port_range port = {1, 1};
	static const struct plan_fault all = {.drop_below = PLAN_ALWAYS};
	struct plan_target other = {.remote_ports = &port, .n_remote_ports = 1};

	(void)state;
	/* Or the stack would answer. */
	assert_int_equal(world_command("ip addr flush dev " NEAR_END), 0);
	assert_int_equal(scene_of(&other, &all, 1, &scene), 0);
	attach_scene();
	each_packet(IPPROTO_TCP, pass);
	each_packet(IPPROTO_UDP, pass);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(resets_both_ends),
		TEST(hands_the_stack_a_valid_rst),
		TEST(refuses_new_connections),
		TEST(refuses_by_icmp),
		TEST(drops_silently),
		TEST(tells_the_sender_of_a_local_loss_only),
		TEST(lets_truncated_frames_through),
		TEST(leaves_other_traffic_alone),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
