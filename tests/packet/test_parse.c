/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which frames the programs take for a packet, at every hook: a rule that drops everything hits those that can be read,
 * and all others pass untouched and are counted.
 */
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
#include "packet/single.h"

#define ETHERNET 14 /* bytes of its header */

static const struct plan_fault drop_all = {.drop_below = PLAN_ALWAYS};

static int load_drop_all(void **state)
{
	static const struct plan_target anything;

	(void)state;
	if (world_make() || scene_new(NEAR_END, &scene))
		return -1;
	scene_rule(scene, &anything, &drop_all, PLAN_HOOK_XDP | PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT);
	if (scene_load(scene))
		return -1;
	scene_arm(scene);
	return 0;
}

static const int dropped[SP_HOOKS] = {
	[SP_HOOK_XDP] = XDP_DROP, [SP_HOOK_TC_IN] = TC_ACT_SHOT, [SP_HOOK_TC_OUT] = TC_ACT_REDIRECT};
static const int passed[SP_HOOKS] = {
	[SP_HOOK_XDP] = XDP_PASS, [SP_HOOK_TC_IN] = PASSES, [SP_HOOK_TC_OUT] = PASSES};

enum fate {
	HIT,
	IGNORED,
	UNPARSABLE,
	FRAGMENT,
};

static void expect_at(enum sp_hook hook, const uint8_t *data, size_t len, enum fate fate)
{
	uint64_t hits = counters().matched, bad = scene_stat(SP_STAT_UNPARSABLE),
		 fragments = scene_stat(SP_STAT_FRAGMENT);

	assert_int_equal(run_at(scene, hook, data, len, &ran), 0);
	assert_int_equal(ran.action, fate == HIT ? dropped[hook] : passed[hook]);
	assert_int_equal(counters().matched - hits, fate == HIT);
	assert_int_equal(scene_stat(SP_STAT_UNPARSABLE) - bad, fate == UNPARSABLE);
	assert_int_equal(scene_stat(SP_STAT_FRAGMENT) - fragments, fate == FRAGMENT);
	assert_int_equal(ran.len, len);
	assert_memory_equal(ran.frame, data, len);
}

/* BPF_PROG_TEST_RUN makes no skb of an untagged frame that ends inside the IP header (test_wire.c sends such ones). */
static bool makes_skb(const uint8_t *data, size_t len)
{
	bool ip4 = data[12] == 0x08 && data[13] == 0x00, ip6 = data[12] == 0x86 && data[13] == 0xdd;

	return len >= ETHERNET + (ip4 ? 20 : ip6 ? 40 : 0);
}

static void expect_bytes(const uint8_t *data, size_t len, enum fate fate)
{
	expect_at(SP_HOOK_XDP, data, len, fate);
	if (!makes_skb(data, len))
		return;
	expect_at(SP_HOOK_TC_IN, data, len, fate);
	expect_at(SP_HOOK_TC_OUT, data, len, fate);
}

static void expect(const struct spec *s, enum fate fate)
{
	struct frame f;

	frame_build(s, &f);
	expect_bytes(f.data, f.len, fate);
}

static const uint8_t protocols[] = {IPPROTO_TCP,  IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6,
				    IPPROTO_SCTP, IPPROTO_GRE, IPPROTO_ESP,  255};

static void reads_every_protocol(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(protocols); i++)
		for (int family = 4; family <= 6; family += 2)
			for (unsigned vlans = 0; vlans <= 2; vlans++) {
				struct spec s = packet(family, protocols[i], false);

				s.vlans = vlans;
				s.payload = 10;
				expect(&s, HIT);
			}
}

static void reads_ip4_options(void **state)
{
	(void)state;
	for (unsigned options = 0; options <= 40; options += 4) {
		struct spec s = packet(4, IPPROTO_TCP, false);

		s.ip_options = options;
		s.tcp_options = 40 - options;
		s.flags = ACK;
		expect(&s, HIT);
	}
}

static void ignores_what_is_no_ip(void **state)
{
	struct spec s = packet(0, IPPROTO_TCP, false);

	(void)state;
	expect(&s, IGNORED);
	s = packet(4, IPPROTO_TCP, false);
	s.vlans = 3;
	expect(&s, IGNORED);
}

static void walks_ip6_extensions(void **state)
{
	static const struct {
		uint8_t headers[FRAME_EXTENSIONS];
		unsigned n;
	} chains[] = {
		{{IPPROTO_HOPOPTS}, 1},
		{{IPPROTO_DSTOPTS}, 1},
		{{IPPROTO_ROUTING}, 1},
		{{IPPROTO_FRAGMENT}, 1},
		{{IPPROTO_AH}, 1},
		{{135 /* mobility */}, 1},
		{{IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH,
		  IPPROTO_DSTOPTS},
		 6},
		{{IPPROTO_AH, IPPROTO_AH, IPPROTO_AH, IPPROTO_AH, IPPROTO_AH, IPPROTO_AH}, 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++)
		for (size_t p = 0; p < 3; p++) {
			struct spec s = packet(6, protocols[p], false);

			memcpy(s.extensions, chains[i].headers, sizeof(s.extensions));
			s.n_extensions = chains[i].n;
			s.payload = 3;
			expect(&s, HIT);
			s.vlans = 2;
			expect(&s, HIT);
		}
}

static void gives_up_on_a_long_chain(void **state)
{
	struct spec s = packet(6, IPPROTO_UDP, false);

	(void)state;
	memset(s.extensions, IPPROTO_DSTOPTS, sizeof(s.extensions));
	for (s.n_extensions = 7; s.n_extensions <= FRAME_EXTENSIONS; s.n_extensions++)
		expect(&s, UNPARSABLE);
}

/* The first one has the ports, the others have not. */
static void expect_fragments(struct spec s)
{
	s.payload = 64;
	s.more_fragments = true;
	expect(&s, HIT);
	s.fragment = 1;
	expect(&s, FRAGMENT);
	s.more_fragments = false;
	s.fragment = 0x1fff;
	expect(&s, FRAGMENT);
}

static void tells_fragments(void **state)
{
	struct spec s = packet(6, IPPROTO_UDP, false);

	(void)state;
	expect_fragments(packet(4, IPPROTO_UDP, false));
	s.extensions[0] = IPPROTO_HOPOPTS;
	s.extensions[1] = IPPROTO_FRAGMENT;
	s.n_extensions = 2;
	expect_fragments(s);
}

/* Cut off anywhere, a datagram is no longer as long as it says, and nothing may be made of it. */
static void passes_every_truncation(void **state)
{
	(void)state;
	for (int variant = 0; variant < 8; variant++) {
		struct spec s = packet(variant & 1 ? 6 : 4, variant & 2 ? IPPROTO_UDP : IPPROTO_TCP, false);
		struct frame f;

		s.vlans = variant & 4 ? 2 : 0;
		s.payload = 33;
		if (s.family == 6) {
			s.n_extensions = 2;
			s.extensions[0] = IPPROTO_HOPOPTS;
			s.extensions[1] = IPPROTO_AH;
		} else {
			s.ip_options = 8;
		}
		s.tcp_options = 12;
		frame_build(&s, &f);
		for (size_t len = ETHERNET; len < f.len; len++)
			expect_bytes(f.data, len, UNPARSABLE);
		expect_bytes(f.data, f.len, HIT);
	}
}

static void set_length(struct frame *f, int family, uint16_t len)
{
	size_t at = f->l3 + (family == 4 ? 2 : 4);

	f->data[at] = len >> 8;
	f->data[at + 1] = len;
}

/* Any length that the headers do not fit in, or that there are not as many bytes for. */
static void believes_no_wrong_length(void **state)
{
	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (int p = 0; p < 2; p++) {
			struct spec s = packet(family, protocols[p], false);
			struct frame f;
			size_t transport = p ? 8 : 32, ip = family == 4 ? 20 : 0;

			s.payload = 20;
			s.tcp_options = 12;
			frame_build(&s, &f);
			/* 0 stands for a GSO packet beyond 64 KiB. */
			for (size_t len = 1; len <= ip + transport + s.payload + 40; len++) {
				bool fits = len >= ip + transport && len <= ip + transport + s.payload;

				set_length(&f, family, len);
				expect_bytes(f.data, f.len, fits ? HIT : UNPARSABLE);
			}
			set_length(&f, family, 0xffff);
			expect_bytes(f.data, f.len, UNPARSABLE);
			set_length(&f, family, 0);
			expect_bytes(f.data, f.len, HIT);
		}
	}
}

static void believes_no_wrong_header_length(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, false);
	struct frame f;

	(void)state;
	s.payload = 4;
	frame_build(&s, &f);
	for (unsigned words = 0; words < 16; words++) {
		f.data[f.l4 + 12] = words << 4;
		expect_bytes(f.data, f.len, words == 5 || words == 6 ? HIT : UNPARSABLE);
	}
	for (unsigned words = 0; words < 5; words++) {
		frame_build(&s, &f);
		f.data[f.l3] = 0x40 | words;
		expect_bytes(f.data, f.len, UNPARSABLE);
	}
	for (unsigned version = 0; version < 16; version++) {
		frame_build(&s, &f);
		f.data[f.l3] = version << 4 | 5;
		expect_bytes(f.data, f.len, version == 4 ? HIT : UNPARSABLE);
	}
}

/* An extension header's length byte leads anywhere in or behind the packet. */
static void follows_no_wrong_extension(void **state)
{
	struct spec s = packet(6, IPPROTO_TCP, false);
	struct frame f;

	(void)state;
	s.extensions[0] = IPPROTO_DSTOPTS;
	s.n_extensions = 1;
	s.payload = 100;
	frame_build(&s, &f);
	/* With 0xff for bytes a wrong offset reads a TCP header of 60 bytes. */
	memset(f.data + f.l4, 0xff, f.len - f.l4);
	for (unsigned len = 0; len < 256; len++) {
		size_t l4 = f.l3 + 40 + (len + 1) * 8;

		f.data[f.l3 + 41] = len;
		expect_bytes(f.data, f.len, l4 + 60 <= f.len ? HIT : UNPARSABLE);
	}
}

/* Ethernet pads short frames; that is no payload. */
static void counts_no_padding(void **state)
{
	struct sp_counters before, after;
	struct spec s = packet(4, IPPROTO_TCP, false);

	(void)state;
	s.padding = 6;
	s.payload = 1;
	assert_int_equal(engine_counters(scene->engine, 0, &before), 0);
	expect(&s, HIT);
	assert_int_equal(engine_counters(scene->engine, 0, &after), 0);
	assert_int_equal(after.bytes - before.bytes, SP_HOOKS * 41);
}

static void passes_all_when_disarmed(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, false);

	(void)state;
	engine_disarm(scene->engine);
	expect(&s, IGNORED);
	s.fragment = 1;
	expect(&s, IGNORED);
	scene_arm(scene);
}

/* Any bytes at all: nothing but a verdict may come of them, and the frame stays as it is. */
static void survives_noise(void **state)
{
	uint64_t random = 0x2545f4914f6cdd1d;
	struct frame f;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct spec s = packet(i & 1 ? 6 : 4, protocols[i % sizeof(protocols)], false);

		s.vlans = i % 3;
		s.payload = i % 50;
		if (s.family == 6) {
			s.n_extensions = i % 5;
			memset(s.extensions, i & 8 ? IPPROTO_DSTOPTS : IPPROTO_AH, sizeof(s.extensions));
		}
		frame_build(&s, &f);
		for (int k = 0; k < 4; k++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			f.data[random % (f.len < 90 ? f.len : 90)] = random >> 32;
		}
		assert_int_equal(run_at(scene, i % SP_HOOKS, f.data, f.len - random % 20, &ran), 0);
		assert_true(ran.action == passed[i % SP_HOOKS] || ran.action == dropped[i % SP_HOOKS]);
		assert_memory_equal(ran.frame, f.data, ran.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_protocol),
		cmocka_unit_test(reads_ip4_options),
		cmocka_unit_test(ignores_what_is_no_ip),
		cmocka_unit_test(walks_ip6_extensions),
		cmocka_unit_test(gives_up_on_a_long_chain),
		cmocka_unit_test(tells_fragments),
		cmocka_unit_test(passes_every_truncation),
		cmocka_unit_test(believes_no_wrong_length),
		cmocka_unit_test(believes_no_wrong_header_length),
		cmocka_unit_test(follows_no_wrong_extension),
		cmocka_unit_test(counts_no_padding),
		cmocka_unit_test(passes_all_when_disarmed),
		cmocka_unit_test(survives_noise),
	};

	return cmocka_run_group_tests(tests, load_drop_all, close_scene);
}
