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

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chance.bpf.h"
#include "packet/capture.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/scene.h"

#define PASSES (-1)
#define SEED 0x5eed /* of a scene's first rule */
#define SEGMENT 1400
#define ICMP6 58
#define TEST_CHECKSUM_COMPLETE (1U << 2) /* BPF_F_TEST_SKB_CHECKSUM_COMPLETE, Linux 6.16 */

static struct scene *scene;
static struct captured captured;
static struct ran ran;

static int load(void **state)
{
	static const struct plan_target anything;
	static const struct plan_fault fault = {.corrupt_below = PLAN_ALWAYS, .corrupt_valid = true};

	(void)state;
	if (scene_new(NEAR_END, &scene))
		return -1;
	scene_rule(scene, &anything, &fault, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	if (scene_load(scene))
		return -1;
	scene_arm(scene);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	scene_free(scene);
	scene = NULL;
	return 0;
}

static void expect_counted(uint64_t altered, uint64_t passed, uint64_t drawn)
{
	struct sp_counters c;
	struct sp_receipt receipt;

	assert_int_equal(engine_counters(scene->engine, 0, &c), 0);
	assert_int_equal(c.matched, altered + passed);
	assert_int_equal(c.verdict[SP_ALTER], altered);
	assert_int_equal(c.verdict[SP_PASS], passed);
	assert_int_equal(c.failed, 0);
	assert_int_equal(engine_receipt(scene->engine, 0, &receipt), 0);
	assert_int_equal(receipt.chance[SP_CHANCE_CORRUPT].drawn, drawn);
	assert_int_equal(receipt.chance[SP_CHANCE_CORRUPT].hit, drawn);
}

/* Where things lie in a frame. */
struct places {
	size_t checksum; /* 0: it has none */
	size_t payload, end;
};

static struct places places_of(const struct spec *s, const struct frame *f)
{
	struct places p = {.payload = f->l4 + 8, .end = f->len - s->padding};

	switch (s->proto) {
	case IPPROTO_TCP:
		p.checksum = f->l4 + 16;
		p.payload = f->l4 + 20 + s->tcp_options;
		break;
	case IPPROTO_UDP:
		p.checksum = f->l4 + 6;
		break;
	case IPPROTO_ICMP:
	case ICMP6:
		p.checksum = f->l4 + 2;
		break;
	default:
		break;
	}
	return p;
}

static uint16_t transport_sum(const struct spec *s, const uint8_t *frame, size_t l4, size_t end)
{
	uint32_t pseudo = s->proto == IPPROTO_ICMP ? 0 : sum_pseudo(s, s->proto, end - l4);

	return sum_fold(sum_bytes(frame + l4, end - l4, pseudo));
}

static void put_checksum(const struct spec *s, struct frame *f)
{
	struct places p = places_of(s, f);
	uint16_t sum;

	f->data[p.checksum] = f->data[p.checksum + 1] = 0;
	sum = ~transport_sum(s, f->data, f->l4, p.end);
	if (!sum && s->proto == IPPROTO_UDP)
		sum = 0xffff;
	f->data[p.checksum] = sum >> 8;
	f->data[p.checksum + 1] = sum;
}

static void build(const struct spec *s, struct frame *f)
{
	frame_build(s, f);
	if (s->proto == IPPROTO_ICMP || s->proto == ICMP6)
		put_checksum(s, f);
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
	struct places p = places_of(s, f);
	uint8_t rest[sizeof(f->data)];

	assert_int_equal(len, f->len);
	assert_int_equal(differing_bits(data + p.payload, f->data + p.payload, p.end - p.payload), 1);
	memcpy(rest, data, len);
	memcpy(rest + p.payload, f->data + p.payload, p.end - p.payload);
	if (p.checksum)
		memcpy(rest + p.checksum, f->data + p.checksum, 2);
	assert_memory_equal(rest, f->data, len);
	if (p.checksum)
		assert_int_equal(transport_sum(s, data, f->l4, p.end), 0xffff);
	if (s->proto == IPPROTO_UDP)
		assert_true(data[p.checksum] | data[p.checksum + 1]);
}

static void run_frame(const struct frame *f, bool out, uint32_t flags)
{
	assert_int_equal(run_skb(scene_program(scene, out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN),
				 scene->interface.ifindex, flags, 1, f->data, f->len, &ran),
			 0);
	assert_int_equal(ran.action, PASSES);
}

/* Does this kernel test programs on CHECKSUM_COMPLETE, and find a sum that no longer fits? */
static bool can_complete(void)
{
	struct spec s = packet(4, IPPROTO_SCTP, false);
	struct frame f;

	s.family = 0;
	frame_build(&s, &f);
	return !run_skb(scene_program(scene, SP_HOOK_TC_IN), scene->interface.ifindex, TEST_CHECKSUM_COMPLETE,
			1, f.data, f.len, &ran);
}

static void alters_one_bit_of_any_payload(void **state)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};
	static const unsigned payloads[] = {1, 2, 3, 4, 7, 100, 101, 1399, 3001};
	bool complete = can_complete();
	unsigned n = 0;

	(void)state;
	for (unsigned variant = 0; variant < 2 * 2 * 4 * 3 * 9; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, protocols[variant / 4 % 4], out);
		struct frame f;

		if (s.proto == IPPROTO_ICMP && s.family == 6)
			s.proto = ICMP6;
		s.vlans = variant / 16 % 3;
		s.payload = payloads[variant / 48];
		s.flags = ACK;
		s.tcp_options = variant % 3 * 4;
		s.ip_options = s.family == 4 ? variant % 5 * 4 : 0;
		s.n_extensions = s.family == 6 && variant % 5 == 1;
		s.extensions[0] = IPPROTO_DSTOPTS;
		s.padding = variant % 4 ? 0 : 5;
		build(&s, &f);
		run_frame(&f, out, 0);
		expect_altered(&s, &f, ran.frame, ran.len);
		n++;
		if (out || !complete || s.proto == IPPROTO_SCTP)
			continue;
		/* The kernel itself finds the device's sum over the packet true, or the run fails. */
		run_frame(&f, out, TEST_CHECKSUM_COMPLETE);
		expect_altered(&s, &f, ran.frame, ran.len);
		n++;
	}
	expect_counted(n, 0, n);
}

/* Each of the bits, sooner or later; with one in 32, the 3200 draws miss none but once in 10^42. */
static void alters_every_bit(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	unsigned seen[32] = {0};
	struct frame f;

	(void)state;
	s.payload = 4;
	build(&s, &f);
	for (unsigned i = 0; i < 3200; i++) {
		size_t at = f.l4 + 8;
		unsigned bit = 0;

		run_frame(&f, true, 0);
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
		struct places p;
		struct frame f;

		s.payload = 99;
		build(&s, &f);
		p = places_of(&s, &f);
		f.data[p.checksum] = f.data[p.checksum + 1] = 0;
		run_frame(&f, out, 0);
		assert_int_equal(ran.len, f.len);
		assert_int_equal(differing_bits(ran.frame, f.data, p.payload), 0);
		assert_int_equal(differing_bits(ran.frame + p.payload, f.data + p.payload, 99), 1);
	}
	expect_counted(4, 0, 4);
}

static uint64_t flow_of_spec(const struct spec *s)
{
	__u32 local[4] = {0, 0, htonl(0xffff)}, remote[4] = {0, 0, htonl(0xffff)};

	memcpy(&local[3], s->from.addr4, 4);
	memcpy(&remote[3], s->to.addr4, 4);
	return flow_hash(local, remote, s->from.port, s->to.port, s->proto);
}

/* A sum that comes out as 0 is written as 0xffff, or it would mean that there is none. */
static void writes_no_zero_for_udp(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct spec s = packet(4, IPPROTO_UDP, true);
		uint64_t lot = mix64(draw(SEED, DRAW_BIT, flow_of_spec(&s), SP_DIR_OUT, i));
		size_t at, word;
		uint16_t sum;
		struct frame f;

		s.payload = 10 + i;
		build(&s, &f);
		at = f.l4 + 8 + (uint32_t)lot % s.payload;
		word = at < f.l4 + 12 ? f.l4 + 14 : f.l4 + 8;
		f.data[at] ^= 1 << (lot >> 32 & 7);
		f.data[f.l4 + 6] = f.data[f.l4 + 7] = f.data[word] = f.data[word + 1] = 0;
		sum = ~transport_sum(&s, f.data, f.l4, f.len);
		f.data[word] = sum >> 8;
		f.data[word + 1] = sum;
		f.data[at] ^= 1 << (lot >> 32 & 7);
		put_checksum(&s, &f);
		run_frame(&f, true, 0);
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
		build(&s, &f);
		run_frame(&f, variant & 1, 0);
		assert_int_equal(ran.len, f.len);
		assert_memory_equal(ran.frame, f.data, f.len);
	}
	expect_counted(0, 16, 0);
}

enum wrapping {
	FULL,    /* every checksum there */
	PARTIAL, /* the transport's still to be completed */
	GSO,     /* and to be cut into segments */
	WRAPPINGS,
};

static void send_wrapped(const struct spec *s, const struct frame *f, enum wrapping wrapping)
{
	size_t check = s->proto == IPPROTO_TCP ? 16 : 6;
	uint16_t sum = sum_fold(sum_pseudo(s, s->proto, f->len - f->l4));
	struct offload offload = {0};
	struct frame sent = *f;

	if (wrapping != FULL) {
		sent.data[f->l4 + check] = sum >> 8;
		sent.data[f->l4 + check + 1] = sum;
		offload.csum_start = f->l4;
		offload.csum_offset = check;
	}
	if (wrapping == GSO) {
		offload.segment = SEGMENT;
		offload.headers = f->l4 + 20 + s->tcp_options;
		offload.ipv6 = s->family == 6;
	}
	assert_int_equal(capture_send(near_fd, sent.data, sent.len, &offload), 0);
}

/* The payload, in one frame or in several whose checksums are right; a bit differs in each SEGMENT of it. */
static void expect_segments(const struct spec *s, const struct frame *f)
{
	struct places p = places_of(s, f);
	size_t done = 0;

	while (done < s->payload) {
		size_t len;

		assert_int_equal(capture_next(far_fd, &captured), 0);
		assert_true(captured.len > p.payload);
		len = captured.len - p.payload;
		assert_true(len <= s->payload - done);
		assert_int_equal(transport_sum(s, captured.data, f->l4, captured.len), 0xffff);
		for (size_t at = 0; at < len; at += SEGMENT) {
			size_t size = len - at < SEGMENT ? len - at : SEGMENT;

			assert_int_equal(differing_bits(captured.data + p.payload + at,
							f->data + p.payload + done + at, size),
					 1);
		}
		done += len;
	}
}

static void offload_tx(bool on)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(world_command("ethtool -K %s tx %s gro off >/dev/null 2>&1",
					       i ? FAR_END : NEAR_END, on ? "on" : "off"),
				 0);
}

static void attach(void)
{
	const char *culprit;

	assert_int_equal(engine_attach(scene->engine, ATTACH_AUTO, &culprit), 0);
}

static void alters_what_devices_complete(void **state)
{
	unsigned segments = 0, packets = 0;

	(void)state;
	attach();
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
		build(&s, &f);
		offload_tx(tx);
		send_wrapped(&s, &f, wrapping);
		if (wrapping == GSO) {
			expect_segments(&s, &f);
		} else {
			assert_int_equal(capture_next(far_fd, &captured), 0);
			expect_altered(&s, &f, captured.data, captured.len);
		}
		segments += wrapping == GSO ? (20001 + SEGMENT - 1) / SEGMENT : 1;
		packets++;
	}
	assert_true(capture_is_silent(far_fd, near_fd));
	expect_counted(segments, 0, packets);
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
	attach();
	for (unsigned i = 0; i < 100; i++) {
		struct spec s = packet(4, IPPROTO_UDP, false);
		uint8_t read[2000];
		struct frame f;

		s.payload = 1 + i * 7;
		build(&s, &f);
		if (i % 50 == 0)
			offload_tx(i);
		assert_int_equal(capture_send(far_fd, f.data, f.len, NULL), 0);
		assert_int_equal(poll(&wait, 1, 1000), 1);
		assert_int_equal(recv(fd, read, sizeof(read), 0), s.payload);
		assert_int_equal(differing_bits(read, f.data + f.l4 + 8, s.payload), 1);
	}
	close(fd);
	expect_counted(100, 0, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, load, unload)

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
