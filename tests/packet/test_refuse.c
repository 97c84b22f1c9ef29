/* SPDX-License-Identifier: BSD-2-Clause */
/* What refuse by ICMP sends, byte for byte (RFC 792, RFC 4443): the whole answer, and the packet that it quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "packet/frame.h"
#include "packet/icmp_error.h"
#include "packet/scene.h"

static struct ran ran;

static struct kind {
	enum plan_refuse refuse;
	uint8_t type4, code4, type6, code6;
	struct scene *scene;
} kinds[] = {
	{PLAN_REFUSE_ICMP_PORT, 3, 3, 1, 4, NULL},
	{PLAN_REFUSE_ICMP_HOST, 3, 1, 1, 3, NULL},
	{PLAN_REFUSE_ICMP_ADMIN, 3, 13, 1, 1, NULL},
	{PLAN_REFUSE_TCP_RESET, 0, 0, 0, 0, NULL}, /* answers with no ICMP */
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

static int set_up(void **state)
{
	(void)state;
	if (world_make())
		return -1;
	for (size_t i = 0; i < KINDS; i++) {
		struct plan_fault fault = {.refuse = kinds[i].refuse};

		if (scene_of(NULL, &fault, 1, &kinds[i].scene))
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		scene_free(kinds[i].scene);
	return 0;
}

static void run(const struct kind *k, const struct frame *f, bool out)
{
	assert_int_equal(run_tc(k->scene, f, out, 0, &ran), 0);
}

static void expect_answer(const struct kind *k, const struct spec *s, const struct frame *f)
{
	struct icmp_error error = {.type = s->family == 4 ? k->type4 : k->type6,
				   .code = s->family == 4 ? k->code4 : k->code6};

	expect_icmp_error(&ran, &error, s, f);
}

static void expect_untouched(const struct frame *f)
{
	assert_int_equal(ran.action, PASSES);
	assert_int_equal(ran.len, f->len);
	assert_memory_equal(ran.frame, f->data, f->len);
}

/* UDP has no RST; that for TCP is in test_reset.c. */
static void expect_refused(const struct spec *s, bool out)
{
	struct frame f;

	frame_build(s, &f);
	for (size_t i = 0; i < KINDS; i++) {
		bool rst = kinds[i].refuse == PLAN_REFUSE_TCP_RESET;

		if (rst && s->proto == IPPROTO_TCP)
			continue;
		run(&kinds[i], &f, out);
		if (rst)
			expect_untouched(&f);
		else
			expect_answer(&kinds[i], s, &f);
	}
}

static void each_wrapping(uint8_t proto, void (*call)(struct spec *s, bool out))
{
	for (int variant = 0; variant < 24; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, proto, out);

		s.vlans = variant / 8;
		s.payload = variant & 4 ? 301 : 0;
		call(&s, out);
	}
}

static void refuse_syn(struct spec *s, bool out)
{
	s->flags = SYN;
	for (s->tcp_options = 0; s->tcp_options <= 40; s->tcp_options += 20)
		expect_refused(s, out);
}

static void refuses_a_syn(void **state)
{
	(void)state;
	each_wrapping(IPPROTO_TCP, refuse_syn);
}

static void refuse_datagram(struct spec *s, bool out)
{
	expect_refused(s, out);
	s->padding = 18;
	expect_refused(s, out);
}

static void refuses_udp(void **state)
{
	(void)state;
	each_wrapping(IPPROTO_UDP, refuse_datagram);
}

/* The sum of the quote's checksum in all its values, 0 and 0xffff among them. */
static void quotes_any_checksum(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);

	(void)state;
	for (unsigned port = 0; port < 65536; port += 7) {
		struct frame f;

		s.from.port = port;
		frame_build(&s, &f);
		run(&kinds[0], &f, true);
		expect_answer(&kinds[0], &s, &f);
	}
}

static void quotes_options_and_extensions(void **state)
{
	(void)state;
	for (int out = 0; out <= 1; out++) {
		struct spec s = packet(4, IPPROTO_TCP, out);

		s.flags = SYN;
		for (s.ip_options = 4; s.ip_options <= 40; s.ip_options += 4)
			expect_refused(&s, out);
		s = packet(6, IPPROTO_UDP, out);
		s.payload = 9;
		s.extensions[0] = IPPROTO_HOPOPTS;
		s.extensions[1] = IPPROTO_ROUTING;
		s.extensions[2] = IPPROTO_DSTOPTS;
		for (s.n_extensions = 1; s.n_extensions <= 3; s.n_extensions++)
			expect_refused(&s, out);
	}
}

static void leave_alone(struct spec *s, bool out)
{
	static const uint8_t flags[] = {ACK, PSH | ACK, SYN | ACK, FIN | ACK, RST, RST | ACK};

	for (size_t i = 0; i < sizeof(flags); i++)
		for (size_t k = 0; k < KINDS; k++) {
			struct frame f;

			s->flags = flags[i];
			frame_build(s, &f);
			run(&kinds[k], &f, out);
			expect_untouched(&f);
		}
}

static void leaves_established_connections_alone(void **state)
{
	(void)state;
	each_wrapping(IPPROTO_TCP, leave_alone);
}

/* Above all no ICMP for ICMP (RFC 1122, 3.2.2). */
static void leaves_other_protocols_alone(void **state)
{
	(void)state;
	each_wrapping(IPPROTO_ICMP, leave_alone);
	each_wrapping(IPPROTO_ICMPV6, leave_alone);
	each_wrapping(IPPROTO_SCTP, leave_alone);
}

/* More headers than fit in the quote: the packet can't be answered, is dropped, and counted as failed. */
static void drops_what_it_cannot_answer(void **state)
{
	struct spec s = packet(6, IPPROTO_UDP, false);
	struct sp_counters before, after;
	struct frame f;

	(void)state;
	memset(s.extensions, IPPROTO_AH, sizeof(s.extensions));
	s.n_extensions = 6;
	frame_build(&s, &f);
	assert_int_equal(engine_counters(kinds[0].scene->engine, 0, &before), 0);
	run(&kinds[0], &f, false);
	assert_int_equal(engine_counters(kinds[0].scene->engine, 0, &after), 0);
	assert_int_equal(ran.action, TC_ACT_SHOT);
	assert_int_equal(after.failed - before.failed, 1);
	assert_int_equal(after.verdict[SP_DROP] - before.verdict[SP_DROP], 1);
	assert_int_equal(after.verdict[SP_REFUSE], before.verdict[SP_REFUSE]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_a_syn),
		cmocka_unit_test(refuses_udp),
		cmocka_unit_test(quotes_any_checksum),
		cmocka_unit_test(quotes_options_and_extensions),
		cmocka_unit_test(leaves_established_connections_alone),
		cmocka_unit_test(leaves_other_protocols_alone),
		cmocka_unit_test(drops_what_it_cannot_answer),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
