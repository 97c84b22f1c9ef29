/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of DNS queries: every byte of the answers, against frames built from scratch, for the names and in the share
 * that a rule has.
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

#include "packet/asking.h"
#include "packet/deciding.h"
#include "packet/pipe.h"

#define UDP_CHECK 6

static struct kind {
	uint8_t rcode;
	struct scene *scene;
} kinds[] = {{DNS_NXDOMAIN, NULL}, {DNS_SERVFAIL, NULL}, {DNS_REFUSED, NULL}, {PLAN_DNS_TIMEOUT, NULL}};

#define KINDS (sizeof(kinds) / sizeof(*kinds))
#define NXDOMAIN (&kinds[0])
#define TIMEOUT (&kinds[3])

static int set_up(void **state)
{
	(void)state;
	if (world_make())
		return -1;
	for (size_t i = 0; i < KINDS; i++) {
		struct plan_fault fault = asking_fault(kinds[i].rcode);

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

static void expect_answers(const struct spec *s, bool out, const struct message *query)
{
	struct message answer;
	struct frame f;

	frame_build(s, &f);
	for (size_t i = 0; i < KINDS; i++) {
		if (&kinds[i] == TIMEOUT)
			continue;
		asking_run(kinds[i].scene, &f, out);
		message_answer(query, kinds[i].rcode, &answer);
		asking_answered(s, &answer);
	}
}

static void each_wrapping(const struct message *m,
			  void (*call)(struct spec *s, bool out, const struct message *m))
{
	for (int variant = 0; variant < 12; variant++) {
		bool out = variant & 1;
		struct spec s = asking_packet(variant & 2 ? 6 : 4, IPPROTO_UDP, out, m);

		s.vlans = variant / 4;
		call(&s, out, m);
	}
}

static void answer(struct spec *s, bool out, const struct message *m)
{
	expect_answers(s, out, m);
	s->padding = 18;
	expect_answers(s, out, m);
}

static void answers_queries(void **state)
{
	struct message m;

	(void)state;
	message_query("api.Example.COM", &m);
	each_wrapping(&m, answer);
	message_add_edns(&m);
	each_wrapping(&m, answer);
	message_query("", &m);
	each_wrapping(&m, answer);
}

static void keeps_options_and_extensions(void **state)
{
	struct message m;

	(void)state;
	message_query("a.example", &m);
	for (int out = 0; out <= 1; out++) {
		struct spec s = asking_packet(4, IPPROTO_UDP, out, &m);

		for (s.ip_options = 4; s.ip_options <= 40; s.ip_options += 12)
			expect_answers(&s, out, &m);
		s = asking_packet(6, IPPROTO_UDP, out, &m);
		s.extensions[0] = IPPROTO_HOPOPTS;
		s.extensions[1] = IPPROTO_DSTOPTS;
		for (s.n_extensions = 1; s.n_extensions <= 2; s.n_extensions++)
			expect_answers(&s, out, &m);
	}
}

/* Of the flags, RD and CD come back (RFC 1035, 4.1.1; RFC 4035, 3.2.2). */
static void sets_flags(void **state)
{
	struct message m;

	(void)state;
	message_query("a.example", &m);
	for (unsigned flags = 0; flags < 0x800; flags++) {
		struct spec s = asking_packet(4, IPPROTO_UDP, flags & 1, &m);

		message_set_flags(&m, flags);
		expect_answers(&s, flags & 1, &m);
	}
}

/* Among all identifiers there are those with a checksum of 0, which would mean: none. */
static void keeps_any_checksum_right(void **state)
{
	struct message m;

	(void)state;
	message_query("a.example", &m);
	for (unsigned id = 0; id < 65536; id++) {
		struct spec s = asking_packet(id & 1 ? 6 : 4, IPPROTO_UDP, id & 2, &m);
		struct message expected;
		struct frame f;

		m.data[0] = id >> 8;
		m.data[1] = id;
		frame_build(&s, &f);
		asking_run(NXDOMAIN->scene, &f, id & 2);
		message_answer(&m, DNS_NXDOMAIN, &expected);
		asking_answered(&s, &expected);
	}
}

static void leaves_no_checksum_as_none(void **state)
{
	struct message m, expected;
	struct spec s;
	struct frame f;

	(void)state;
	message_query("a.example", &m);
	s = asking_packet(4, IPPROTO_UDP, true, &m);
	frame_build(&s, &f);
	memset(f.data + f.l4 + UDP_CHECK, 0, 2);
	asking_run(NXDOMAIN->scene, &f, true);
	message_answer(&m, DNS_NXDOMAIN, &expected);
	assert_int_equal(ran.action, TC_ACT_REDIRECT);
	assert_memory_equal(ran.frame + f.l4 + UDP_CHECK, "\0", 2);
	assert_memory_equal(ran.frame + f.l4 + 8, expected.data, expected.len);
}

static void loses_what_is_to_time_out(void **state)
{
	struct sp_counters before, after;
	struct message m, framed;

	(void)state;
	message_query("a.example", &m);
	message_frame(&m, &framed);
	assert_int_equal(engine_counters(TIMEOUT->scene->engine, 0, &before), 0);
	for (int variant = 0; variant < 8; variant++) {
		bool out = variant & 1, udp = variant & 4;
		struct spec s = asking_packet(variant & 2 ? 4 : 6, udp ? IPPROTO_UDP : IPPROTO_TCP, out,
					      udp ? &m : &framed);
		struct frame f;

		frame_build(&s, &f);
		asking_run(TIMEOUT->scene, &f, out);
		assert_int_equal(ran.action, LOST(out));
	}
	assert_int_equal(engine_counters(TIMEOUT->scene->engine, 0, &after), 0);
	assert_int_equal(after.verdict[SP_DROP] - before.verdict[SP_DROP], 8);
	assert_int_equal(after.matched - before.matched, 8);
	assert_int_equal(after.failed, 0);
}

/* The other end's segment; what both get is with test_reset.c. */
static void resets_queries_over_tcp(void **state)
{
	struct message m, framed;

	(void)state;
	message_query("a.example", &m);
	message_add_edns(&m);
	message_frame(&m, &framed);
	framed.len += 5; /* and the start of the next */
	for (int variant = 0; variant < 24; variant++) {
		bool out = variant & 1;
		struct spec s = asking_packet(variant & 2 ? 6 : 4, IPPROTO_TCP, out, &framed), rst;
		struct frame f;

		s.vlans = variant / 8;
		s.tcp_options = variant & 4 ? 12 : 0;
		frame_build(&s, &f);
		asking_run(NXDOMAIN->scene, &f, out);
		rst = rst_for(&s, false);
		frame_build(&rst, &f);
		assert_int_equal(ran.action, PASSES);
		assert_int_equal(ran.len, f.len);
		assert_memory_equal(ran.frame, f.data, f.len);
	}
}

/* The RCODE that the name is answered with; 0: the query passes. */
static int answered_by(const struct scene *s, const struct message *m)
{
	struct spec spec = asking_packet(4, IPPROTO_UDP, true, m);
	struct frame f;

	frame_build(&spec, &f);
	asking_run(s, &f, true);
	if (ran.action == PASSES) {
		expect_untouched(&f);
		return 0;
	}
	return ran.frame[f.l4 + 8 + FLAGS_AT + 1] & 0xf;
}

static void answers_only_its_names(void **state)
{
	static const struct {
		const char *name;
		int rcode;
	} names[] = {
		{"a.example.com", 8},   {"A.b.C.EXAMPLE.cOm", 8}, {"*.example.com", 8}, {"example.com", 0},
		{"aexample.com", 0},    {"a.example.com.org", 0}, {"com", 0},           {"", 0},
		{"api.EXAMPLE.org", 9}, {"x.api.example.org", 0}, {"example.net", 9},   {"a.example.net", 0},
		{LONGEST, 8},
	};
	static char *wild[] = {(char *)"*.example.com", (char *)LONGEST};
	static char *exact[] = {(char *)"API.example.org.", (char *)"example.net"};
	struct plan_fault faults[] = {asking_fault(8), asking_fault(9)};
	struct message m;
	struct scene *s;

	(void)state;
	faults[0].patterns = wild;
	faults[1].patterns = exact;
	faults[0].n_patterns = faults[1].n_patterns = 2;
	assert_int_equal(scene_of(NULL, faults, 2, &s), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		message_query(names[i].name, &m);
		assert_int_equal(answered_by(s, &m), names[i].rcode);
	}
	message_start_question(&m); /* a dot within a label parts nothing */
	message_put(&m, "\11a.example\3com\0\0\1\0\1", 19);
	assert_int_equal(answered_by(s, &m), 0);
	message_start_question(&m);
	message_put(&m, "\1\xff\7example\3com\0\0\1\0\1", 19);
	assert_int_equal(answered_by(s, &m), 8);
	scene_free(s);
}

/* Which query is answered follows from the seed, the flow, and how many packets of the flow came before. */
static void draws_each_query(void **state)
{
	struct plan_fault fault = asking_fault(DNS_REFUSED);
	struct sp_counters c;
	struct message m;
	uint64_t hits = 0;
	struct scene *s;

	(void)state;
	fault.meaning_below = PERCENT(30);
	assert_int_equal(scene_of(NULL, &fault, 1, &s), 0);
	message_query("a.example", &m);
	for (unsigned flow = 0; flow < 100; flow++)
		for (unsigned index = 0; index < 20; index++) {
			struct spec spec = asking_packet(flow & 1 ? 6 : 4, IPPROTO_UDP, flow & 2, &m);
			bool out = flow & 2, hit;
			struct frame f;

			spec.from.port += flow;
			frame_build(&spec, &f);
			asking_run(s, &f, out);
			hit = draw(SCENE_SEED, DRAW_QUERY, hash_of(&spec, out), out ? SP_DIR_OUT : SP_DIR_IN,
				   index) < fault.meaning_below;
			assert_int_equal(ran.action, hit ? TC_ACT_REDIRECT : PASSES);
			hits += hit;
		}
	assert_int_equal(engine_counters(s->engine, 0, &c), 0);
	assert_int_equal(c.matched, 2000);
	assert_int_equal(c.verdict[SP_REFUSE], hits);
	assert_int_equal(c.verdict[SP_PASS], 2000 - hits);
	assert_in_range(hits, 500, 700);
	scene_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_queries),
		cmocka_unit_test(keeps_options_and_extensions),
		cmocka_unit_test(sets_flags),
		cmocka_unit_test(keeps_any_checksum_right),
		cmocka_unit_test(leaves_no_checksum_as_none),
		cmocka_unit_test(loses_what_is_to_time_out),
		cmocka_unit_test(resets_queries_over_tcp),
		cmocka_unit_test(answers_only_its_names),
		cmocka_unit_test(draws_each_query),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
