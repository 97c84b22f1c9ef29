/* SPDX-License-Identifier: BSD-2-Clause */
/* mtu: what passes, to the byte, what is lost, and the error that tells the sender (RFC 1191, RFC 8201). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "packet/frame.h"
#include "packet/icmp_error.h"
#include "packet/scene.h"

#define MTU 1400
#define ECHO4 8
#define UNREACHABLE4 3
#define ECHO6 128
#define ECHO_REPLY6 129

static const struct icmp_error needed4 = {3, 4, MTU}, too_big6 = {2, 0, MTU};
static struct scene *silent, *telling;
static struct ran ran;

static int set_up(void **state)
{
	static const struct plan_fault drop = {
		.meaning = PLAN_MEANS_MTU, .amount = MTU, .then = PLAN_THEN_DROP};
	static const struct plan_fault tell = {
		.meaning = PLAN_MEANS_MTU, .amount = MTU, .then = PLAN_THEN_ICMP};

	(void)state;
	return world_make() || scene_of(NULL, &drop, 1, &silent) || scene_of(NULL, &tell, 1, &telling);
}

static int tear_down(void **state)
{
	(void)state;
	scene_free(silent);
	scene_free(telling);
	return 0;
}

/* segment > 0: a GSO packet of segments with so much payload. The verdict that was counted, `segments` times. */
static enum sp_verdict run(const struct scene *s, const struct frame *f, bool out, unsigned segment,
			   unsigned segments)
{
	struct __sk_buff skb = {.ifindex = s->interface.ifindex, .gso_size = segment, .gso_segs = segments};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = f->len, .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .data_out = ran.frame, .data_size_out = sizeof(ran.frame),
		    .repeat = 1);
	struct sp_counters before, after;
	int hit = -1;

	assert_int_equal(engine_counters(s->engine, 0, &before), 0);
	assert_int_equal(
		bpf_prog_test_run_opts(scene_program(s, out ? SP_HOOK_TC_OUT : SP_HOOK_TC_IN), &opts), 0);
	assert_int_equal(engine_counters(s->engine, 0, &after), 0);
	ran.action = (int)opts.retval;
	ran.len = opts.data_size_out;
	assert_int_equal(after.matched - before.matched, segments ?: 1);
	assert_int_equal(after.failed, 0);
	for (int v = 0; v < SP_VERDICTS; v++)
		if (after.verdict[v] != before.verdict[v]) {
			assert_int_equal(hit, -1);
			assert_int_equal(after.verdict[v] - before.verdict[v], segments ?: 1);
			hit = v;
		}
	return hit;
}

static void expect_passed(const struct scene *s, const struct frame *f, bool out)
{
	assert_int_equal(run(s, f, out, 0, 0), SP_PASS);
	assert_int_equal(ran.action, PASSES);
	assert_int_equal(ran.len, f->len);
	assert_memory_equal(ran.frame, f->data, f->len);
}

static void expect_lost(const struct scene *s, const struct frame *f, bool out)
{
	assert_int_equal(run(s, f, out, 0, 0), SP_DROP);
	assert_int_equal(ran.action, LOST(out));
	assert_memory_equal(ran.frame, f->data, f->len);
}

static void expect_told(const struct spec *s, const struct frame *f, bool out)
{
	assert_int_equal(run(telling, f, out, 0, 0), SP_REFUSE);
	expect_icmp_error(&ran, s->family == 4 ? &needed4 : &too_big6, s, f);
}

/* A packet whose IP part is so long. */
static void build(struct spec *s, unsigned size, struct frame *ret)
{
	s->payload = 0;
	frame_build(s, ret);
	s->payload = size - (ret->len - s->padding - ret->l3);
	frame_build(s, ret);
}

static void each_wrapping(uint8_t proto, void (*call)(struct spec *s, bool out))
{
	for (int variant = 0; variant < 24; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, proto, out);

		s.flags = ACK;
		s.tcp_options = variant & 4 ? 12 : 0;
		s.vlans = variant / 8;
		call(&s, out);
	}
}

static void around_the_limit(struct spec *s, bool out)
{
	static const unsigned small[] = {200, MTU - 1, MTU}, large[] = {MTU + 1, 1500, 3000};
	struct frame f;

	for (size_t i = 0; i < 3; i++) {
		build(s, small[i], &f);
		expect_passed(silent, &f, out);
		expect_passed(telling, &f, out);
		build(s, large[i], &f);
		expect_lost(silent, &f, out);
		expect_told(s, &f, out);
	}
}

static void counts_the_bytes_of_the_datagram(void **state)
{
	(void)state;
	each_wrapping(IPPROTO_TCP, around_the_limit);
	each_wrapping(IPPROTO_UDP, around_the_limit);
}

/* Padding belongs to no datagram. */
static void does_not_count_padding(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct frame f;

	(void)state;
	s.flags = ACK;
	s.padding = 100;
	build(&s, MTU, &f);
	expect_passed(silent, &f, true);
}

static void keeps_options_and_extensions_in_the_quote(void **state)
{
	(void)state;
	for (int out = 0; out <= 1; out++) {
		struct spec s = packet(4, IPPROTO_TCP, out);
		struct frame f;

		s.flags = ACK;
		s.ip_options = 40;
		build(&s, MTU + 1, &f);
		expect_told(&s, &f, out);
		s = packet(6, IPPROTO_UDP, out);
		s.extensions[0] = IPPROTO_HOPOPTS;
		s.extensions[1] = IPPROTO_DSTOPTS;
		s.n_extensions = 2;
		build(&s, MTU + 1, &f);
		expect_told(&s, &f, out);
	}
}

static void set16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

/* Without "don't fragment". */
static void allow_fragments(struct frame *f)
{
	uint8_t *ip = f->data + f->l3;

	ip[6] &= ~0x40;
	set16(ip + 10, 0);
	set16(ip + 10, ~sum_fold(sum_bytes(ip, f->l4 - f->l3, 0)));
}

/* A router would take them apart, and all of it would arrive. */
static void lets_pass_what_may_be_fragmented(void **state)
{
	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		struct spec s = packet(4, variant & 1 ? IPPROTO_TCP : IPPROTO_UDP, variant & 2);
		struct frame f;

		s.flags = ACK;
		build(&s, 1500, &f);
		allow_fragments(&f);
		expect_passed(silent, &f, variant & 2);
		expect_passed(telling, &f, variant & 2);
	}
}

/* A GSO packet is as long as its longest segment, and quoted as one. */
static void looks_at_the_segments(struct spec *s, bool out)
{
	struct frame f, segment;
	unsigned headers, fits;

	build(s, 1400, &segment);
	headers = 1400 - s->payload;
	fits = 1400 - headers;
	s->payload = 2 * fits - 7;
	frame_build(s, &f);
	assert_int_equal(run(silent, &f, out, fits, 2), SP_PASS);
	assert_int_equal(run(telling, &f, out, fits, 2), SP_PASS);
	assert_int_equal(run(silent, &f, out, fits + 1, 2), SP_DROP);
	assert_int_equal(run(telling, &f, out, fits + 1, 2), SP_REFUSE);
	build(s, MTU + 1, &segment);
	expect_icmp_error(&ran, s->family == 4 ? &needed4 : &too_big6, s, &segment);
}

static void looks_at_the_segments_of_gso_packets(void **state)
{
	(void)state;
	each_wrapping(IPPROTO_TCP, looks_at_the_segments);
	each_wrapping(IPPROTO_UDP, looks_at_the_segments);
}

static void set_type(struct frame *f, uint8_t type)
{
	f->data[f->l4] = type;
}

/* ping is told, an ICMP error never is (RFC 1122, 3.2.2). */
static void tells_of_echoes_alone(void **state)
{
	static const uint8_t types[2][3] = {{0, ECHO4, UNREACHABLE4}, {ECHO6, ECHO_REPLY6, 1}};

	(void)state;
	for (int variant = 0; variant < 4; variant++) {
		bool out = variant & 1, is6 = variant & 2;
		struct spec s = packet(is6 ? 6 : 4, is6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, out);
		struct frame f;

		build(&s, 1500, &f);
		for (int i = 0; i < 2; i++) {
			set_type(&f, types[is6][i]);
			expect_told(&s, &f, out);
		}
		set_type(&f, types[is6][2]);
		expect_lost(telling, &f, out);
	}
}

/* RFC 1122, 3.2.2: not about what is sent to many or by nobody; nor of protocols whose headers it does not know. */
static void tells_nobody_about_some(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true), six = packet(6, IPPROTO_UDP, true);
	struct spec sctp = packet(4, IPPROTO_SCTP, true);
	struct frame f;

	(void)state;
	s.to.addr4[0] = 239;
	build(&s, 1500, &f);
	expect_lost(telling, &f, true);
	six.to.addr6[0] = 0xff;
	build(&six, 1500, &f);
	expect_lost(telling, &f, true);
	build(&sctp, 1500, &f);
	expect_lost(telling, &f, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_the_bytes_of_the_datagram),
		cmocka_unit_test(does_not_count_padding),
		cmocka_unit_test(keeps_options_and_extensions_in_the_quote),
		cmocka_unit_test(lets_pass_what_may_be_fragmented),
		cmocka_unit_test(looks_at_the_segments_of_gso_packets),
		cmocka_unit_test(tells_of_echoes_alone),
		cmocka_unit_test(tells_nobody_about_some),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
