/* SPDX-License-Identifier: BSD-2-Clause */
/* What is taken for a DNS query and answered, and what leaves as it came: malformed, cut short, of another kind, at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "chance.bpf.h"
#include "packet/asking.h"

#define FUZZED 30000

static int set_up(void **state)
{
	struct plan_fault fault = asking_fault(DNS_NXDOMAIN);

	(void)state;
	return world_make() || scene_of(NULL, &fault, 1, &scene);
}

static void expect_query(const struct message *m)
{
	struct message answer;

	assert_true(message_is_query(m->data, m->len));
	message_answer(m, DNS_NXDOMAIN, &answer);
	for (int variant = 0; variant < 4; variant++) {
		bool out = variant & 1;
		struct spec s = asking_packet(variant & 2 ? 6 : 4, IPPROTO_UDP, out, m);
		struct frame f;

		frame_build(&s, &f);
		asking_run(scene, &f, out);
		asking_answered(&s, &answer);
	}
}

static void expect_no_query(const struct message *m)
{
	assert_false(message_is_query(m->data, m->len));
	for (int variant = 0; variant < 8; variant++) {
		bool out = variant & 1, udp = variant & 4;
		struct message framed;
		struct spec s;
		struct frame f;

		message_frame(m, &framed);
		s = asking_packet(variant & 2 ? 6 : 4, udp ? IPPROTO_UDP : IPPROTO_TCP, out,
				  udp ? m : &framed);
		frame_build(&s, &f);
		asking_run(scene, &f, out);
		expect_untouched(&f);
	}
}

static void leaves_other_messages_alone(void **state)
{
	static const uint16_t counts[][4] = {{0}, {2}, {0x100}, {0x101}, {1, 1}, {1, 0x100}};
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		message_start(7, RD, counts[i], &m);
		message_put(&m, "\1a\0\0\1\0\1\1b\0\0\1\0\1", 14);
		expect_no_query(&m);
	}
	message_query("a.example", &m);
	for (unsigned opcode = 1; opcode < 32; opcode++) { /* the top bit is QR */
		message_set_flags(&m, opcode << 11 | RD);
		expect_no_query(&m);
	}
}

/* Cut short anywhere: only the whole question is one. */
static void leaves_cut_messages_alone(void **state)
{
	struct message m, cut;

	(void)state;
	message_query("some.name.example", &m);
	cut = m;
	for (cut.len = 0; cut.len < m.len; cut.len++)
		expect_no_query(&cut);
	/* The length over TCP says so, whatever follows. */
	for (size_t len = 0; len < m.len; len++) {
		struct spec s;
		struct frame f;

		message_frame(&m, &cut);
		cut.data[1] = len;
		s = asking_packet(4, IPPROTO_TCP, true, &cut);
		frame_build(&s, &f);
		asking_run(scene, &f, true);
		expect_untouched(&f);
	}
}

static void leaves_names_that_are_none_alone(void **state)
{
	static const char *const names[] = {
		"\xc0\x0c\0\1\0\1",                         /* a pointer to itself */
		"\1a\xc0\x0c\0\1\0\1",                      /* a loop */
		"\1a\xc0\x0e\0\1\0\1",                      /* to itself behind a label */
		"\xc0\xff\0\1\0\1",                         /* beyond the end */
		"\x40zzzz\0\0\1\0\1",                       /* 64: reserved */
		"\x80zzzz\0\0\1\0\1",  "\x41\1a\0\0\1\0\1", /* a bit string label (RFC 2673) */
		"\x3f\0\0\0\0\0\0\0",                       /* a label that the message ends in */
	};
	struct message m;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		message_start_question(&m);
		message_put(&m, names[i], 8);
		expect_no_query(&m);
	}
	for (unsigned size = 64; size < 256; size++) { /* were it a length, all would be there */
		message_start_question(&m);
		message_put(&m, &(uint8_t){size}, 1);
		memset(m.data + m.len, 'x', size);
		m.len += size;
		message_put(&m, "\0\0\1\0\1", 5);
		expect_no_query(&m);
	}
}

static void knows_the_longest_name(void **state)
{
	struct message m;

	(void)state;
	message_query(LONGEST, &m);
	expect_query(&m);
	message_query(LONGEST "x", &m);
	expect_no_query(&m);
	message_query(LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 "." LABEL63, &m);
	expect_no_query(&m);
	message_start_question(&m);
	for (int i = 0; i < 127; i++)
		message_put(&m, "\1x", 2);
	message_put(&m, "\0\0\1\0\1", 5);
	expect_query(&m);
}

static void expect_passed(const struct spec *s, bool out)
{
	struct frame f;

	frame_build(s, &f);
	asking_run(scene, &f, out);
	expect_untouched(&f);
}

/* The first fragment of several; and what is sent to all of a group, as multicast DNS does (RFC 6762). */
static void leaves_what_it_cannot_answer_alone(void **state)
{
	struct message m;

	(void)state;
	message_query("a.example", &m);
	for (int out = 0; out <= 1; out++) {
		struct spec s = asking_packet(4, IPPROTO_UDP, out, &m);

		s.more_fragments = true;
		expect_passed(&s, out);
		s.more_fragments = false;
		memcpy(s.to.addr4, (uint8_t[]){224, 0, 0, 251}, 4);
		expect_passed(&s, out);
		s = asking_packet(6, IPPROTO_UDP, out, &m);
		s.extensions[0] = IPPROTO_FRAGMENT;
		s.n_extensions = 1;
		s.more_fragments = true;
		expect_passed(&s, out);
		s = asking_packet(6, IPPROTO_UDP, out, &m);
		memcpy(s.to.addr6, (uint8_t[]){0xff, 2, [15] = 0xfb}, 16);
		expect_passed(&s, out);
	}
}

/* The UDP header's length rules, if it is no longer than the packet. */
static void believes_the_length_of_udp(void **state)
{
	struct message m;
	struct frame f;
	struct spec s;

	(void)state;
	message_query("a.example", &m);
	s = asking_packet(4, IPPROTO_UDP, true, &m);
	s.padding = 100;
	for (unsigned len = 0; len < 2 * m.len; len++) {
		frame_build(&s, &f);
		f.data[f.l4 + 5] = len;
		asking_run(scene, &f, true);
		if (len == m.len + 8)
			assert_int_equal(ran.action, TC_ACT_REDIRECT);
		else
			expect_untouched(&f);
	}
}

static uint64_t random_state = 1;

static uint32_t random32(void)
{
	random_state = mix64(random_state + 0x9e3779b97f4a7c15ULL);
	return random_state;
}

/* Whatever comes: it leaves as it came, or as an answer, and which of the two is as the test has it. */
static void survives_anything(void **state)
{
	unsigned answered = 0;

	(void)state;
	for (unsigned i = 0; i < FUZZED; i++) {
		struct message m, expected;
		struct spec s;
		struct frame f;

		message_query(i & 8 ? "a.b.c.d.e.example" : "www.example.com", &m);
		if (i & 16)
			message_add_edns(&m);
		for (unsigned n = random32() % 4; n; n--)
			m.data[FLAGS_AT + random32() % (m.len - FLAGS_AT)] =
				random32() & 1 ? random32() : random32() % 8;
		if (i & 32)
			m.len = random32() % (m.len + 1);
		s = asking_packet(i & 1 ? 6 : 4, IPPROTO_UDP, i & 2, &m);
		frame_build(&s, &f);
		asking_run(scene, &f, i & 2);
		if (!message_is_query(m.data, m.len)) {
			expect_untouched(&f);
			continue;
		}
		message_answer(&m, DNS_NXDOMAIN, &expected);
		asking_answered(&s, &expected);
		answered++;
	}
	assert_in_range(answered, FUZZED / 10, FUZZED * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_other_messages_alone),
		cmocka_unit_test(leaves_cut_messages_alone),
		cmocka_unit_test(leaves_names_that_are_none_alone),
		cmocka_unit_test(knows_the_longest_name),
		cmocka_unit_test(leaves_what_it_cannot_answer_alone),
		cmocka_unit_test(believes_the_length_of_udp),
		cmocka_unit_test(survives_anything),
	};

	return cmocka_run_group_tests(tests, set_up, close_scene);
}
