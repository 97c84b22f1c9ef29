/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * corrupt with a checksum that is valid: of each segment's payload exactly one bit differs, the transport checksum agrees with
 * it, and nothing else has changed; in the programs, over the wire, and for the application that reads it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chance.bpf.h"
#include "packet/capture.h"
#include "packet/deciding.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/single.h"
#include "packet/wrapped.h"

static int load(void **state)
{
	static const struct plan_fault fault = {.corrupt_below = PLAN_ALWAYS, .corrupt_valid = true};

	(void)state;
	open_scene(&fault, 1);
	return 0;
}

/* Each that passed had no payload to draw a bit of. */
static void expect_drawn(uint64_t altered, uint64_t passed, uint64_t drawn)
{
	struct sp_receipt receipt;

	expect_counted(altered, passed, 0);
	assert_int_equal(engine_receipt(scene->engine, 0, &receipt), 0);
	assert_int_equal(receipt.chance[SP_CHANCE_CORRUPT].drawn, drawn);
	assert_int_equal(receipt.chance[SP_CHANCE_CORRUPT].hit, drawn);
}

static unsigned differing_bits(const uint8_t *a, const uint8_t *b, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += __builtin_popcount(a[i] ^ b[i]);
	return n;
}

/* One bit of the payload and the checksum; every other byte is as it was. */
static void expect_altered(const struct spec *s, const struct frame *f, const uint8_t *data, size_t len)
{
	size_t check = checksum_at(s->proto), at = f->l4 + check, payload = f->payload;
	uint8_t rest[sizeof(f->data)];

	assert_int_equal(len, f->len);
	assert_int_equal(differing_bits(data + payload, f->data + payload, s->payload), 1);
	memcpy(rest, data, len);
	memcpy(rest + payload, f->data + payload, s->payload);
	if (check)
		memcpy(rest + at, f->data + at, 2);
	assert_memory_equal(rest, f->data, len);
	if (check)
		assert_int_equal(transport_sum(s, data, f->l4, len - s->padding), 0xffff);
	if (s->proto == IPPROTO_UDP)
		assert_true(data[at] | data[at + 1]);
}

static void alters_one_bit_of_any_payload(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};
	static const unsigned payloads[] = {1, 2, 3, 4, 7, 100, 101, 1399, 3001};
	bool complete = can_complete(scene_program(scene, SP_HOOK_TC_IN), scene->interface.ifindex);
	unsigned n = 0;

	(void)state;
	for (unsigned variant = 0; variant < 2 * 2 * 4 * 3 * 9; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, protocols[variant / 4 % 4], out);
		struct frame f;

		if (s.proto == IPPROTO_ICMP && s.family == 6)
			s.proto = IPPROTO_ICMPV6;
		s.vlans = variant / 16 % 3;
		s.payload = payloads[variant / 48];
		s.flags = ACK;
		s.tcp_options = variant % 3 * 4;
		s.ip_options = s.family == 4 ? variant % 5 * 4 : 0;
		s.n_extensions = s.family == 6 && variant % 5 == 1;
		s.extensions[0] = IPPROTO_DSTOPTS;
		s.padding = variant % 4 ? 0 : 5;
		frame_build(&s, &f);
		pass_frame(&f, out, 0);
		expect_altered(&s, &f, ran.frame, ran.len);
		n++;
		if (out || !complete || s.proto == IPPROTO_SCTP)
			continue;
		/* The kernel itself finds the device's sum over the packet true, or the run fails. */
		pass_frame(&f, out, TEST_CHECKSUM_COMPLETE);
		expect_altered(&s, &f, ran.frame, ran.len);
		n++;
	}
	expect_drawn(n, 0, n);
}

/* Each of the bits, sooner or later; with one in 32, the 3200 draws miss none but once in 10^42. */
static void alters_every_bit(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	unsigned seen[32] = {0};
	struct frame f;

	(void)state;
	s.payload = 4;
	frame_build(&s, &f);
	for (unsigned i = 0; i < 3200; i++) {
		size_t at = f.payload;
		unsigned bit = 0;

		pass_frame(&f, true, 0);
		expect_altered(&s, &f, ran.frame, ran.len);
		while (ran.frame[at + bit / 8] == f.data[at + bit / 8])
			bit += 8;
		bit += __builtin_ctz(ran.frame[at + bit / 8] ^ f.data[at + bit / 8]);
		seen[bit]++;
	}
	for (unsigned bit = 0; bit < 32; bit++)
		assert_in_range(seen[bit], 50, 150); /* five deviations */
}

static void leaves_a_missing_checksum_missing(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 4; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, IPPROTO_UDP, out);
		struct frame f;

		s.payload = 99;
		frame_build(&s, &f);
		f.data[f.l4 + 6] = f.data[f.l4 + 7] = 0;
		pass_frame(&f, out, 0);
		assert_int_equal(ran.len, f.len);
		assert_int_equal(differing_bits(ran.frame, f.data, f.payload), 0);
		assert_int_equal(differing_bits(ran.frame + f.payload, f.data + f.payload, 99), 1);
	}
	expect_drawn(4, 0, 4);
}

/* A sum that comes out as 0 is written as 0xffff, or it would mean that there is none. */
static void writes_no_zero_for_udp(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct spec s = packet(4, IPPROTO_UDP, true);
		uint64_t lot = mix64(draw(SCENE_SEED, DRAW_BIT, hash_of(&s, true), SP_DIR_OUT, i));
		size_t at, word;
		uint16_t sum;
		struct frame f;

		s.payload = 10 + i;
		frame_build(&s, &f);
		at = f.payload + (uint32_t)lot % s.payload;
		word = at < f.payload + 4 ? f.payload + 6 : f.payload;
		f.data[at] ^= 1 << (lot >> 32 & 7);
		f.data[f.l4 + 6] = f.data[f.l4 + 7] = f.data[word] = f.data[word + 1] = 0;
		sum = ~transport_sum(&s, f.data, f.l4, f.len);
		f.data[word] = sum >> 8;
		f.data[word + 1] = sum;
		f.data[at] ^= 1 << (lot >> 32 & 7);
		frame_checksum(&s, &f);
		pass_frame(&f, true, 0);
		expect_altered(&s, &f, ran.frame, ran.len);
		assert_int_equal(ran.frame[f.l4 + 6], 0xff);
		assert_int_equal(ran.frame[f.l4 + 7], 0xff);
	}
}

static void leaves_what_has_no_payload_alone(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};

	(void)state;
	for (unsigned variant = 0; variant < 16; variant++) {
		struct spec s = packet(variant & 2 ? 6 : 4, protocols[variant / 4], variant & 1);
		struct frame f;

		s.flags = variant & 1 ? SYN : ACK;
		s.tcp_options = 12;
		s.padding = 6;
		frame_build(&s, &f);
		pass_frame(&f, variant & 1, 0);
		expect_untouched(&f);
	}
	expect_drawn(0, 16, 0);
}

/* A bit differs in each SEGMENT. */
static void expect_altered_segments(const struct spec *s, const struct frame *f)
{
	for (size_t done = 0, len; done < s->payload; done += len) {
		len = wrapped_next(s, f, done);
		for (size_t at = 0; at < len; at += SEGMENT) {
			size_t size = len - at < SEGMENT ? len - at : SEGMENT;

			assert_int_equal(differing_bits(captured.data + f->payload + at,
							f->data + f->payload + done + at, size),
					 1);
		}
	}
}

static void alters_what_devices_complete(void **state)
{
	unsigned segments = 0, packets = 0;

	(void)state;
	attach_scene();
	for (unsigned variant = 0; variant < 2 * 2 * 2 * 2 * WRAPPINGS; variant++) {
		bool tx = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, variant & 4 ? IPPROTO_UDP : IPPROTO_TCP, true);
		enum wrapping wrapping = variant / 16;
		struct frame f;

		if (wrapping == GSO && s.proto == IPPROTO_UDP)
			continue;
		s.vlans = variant & 8 ? 1 : 0;
		s.flags = ACK;
		s.tcp_options = 12;
		s.payload = wrapping == GSO ? 20001 : 1001;
		frame_build(&s, &f);
		wrapped_offload(tx);
		wrapped_send(&s, &f, true, wrapping);
		if (wrapping == GSO) {
			expect_altered_segments(&s, &f);
		} else {
			assert_int_equal(capture_next(far_fd, &captured), 0);
			expect_altered(&s, &f, captured.data, captured.len);
		}
		segments += wrapping == GSO ? (20001 + SEGMENT - 1) / SEGMENT : 1;
		packets++;
	}
	assert_true(capture_is_silent(far_fd, near_fd));
	expect_drawn(segments, 0, packets);
}

/* The receiver's stack believes it: the application reads a wrong bit. */
static void applications_read_it(void **state)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(near_end.port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	attach_scene();
	for (unsigned i = 0; i < 100; i++) {
		struct spec s = packet(4, IPPROTO_UDP, false);
		uint8_t read[2000];
		struct frame f;

		s.payload = 1 + i * 7;
		frame_build(&s, &f);
		if (i % 50 == 0)
			wrapped_offload(i);
		assert_int_equal(capture_send(far_fd, f.data, f.len, NULL), 0);
		assert_int_equal(poll(&wait, 1, CAPTURE_TIMEOUT_MS), 1);
		assert_int_equal(recv(fd, read, sizeof(read), 0), s.payload);
		assert_int_equal(differing_bits(read, f.data + f.payload, s.payload), 1);
	}
	close(fd);
	expect_drawn(100, 0, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, load, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(alters_one_bit_of_any_payload),
		TEST(alters_every_bit),
		TEST(leaves_a_missing_checksum_missing),
		TEST(writes_no_zero_for_udp),
		TEST(leaves_what_has_no_payload_alone),
		TEST(alters_what_devices_complete),
		TEST(applications_read_it),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
