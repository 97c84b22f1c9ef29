/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit: so many bytes of payload arrive, counted by sequence numbers; the segment that crosses the limit is cut, byte by byte as
 * if it had been sent so, and what comes behind it is an RST, a FIN or nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/single.h"
#include "packet/wrapped.h"

#define AMOUNT 1000

static unsigned flow; /* each a connection of its own */

static struct plan_fault limit(enum plan_then then, uint64_t amount)
{
	return (struct plan_fault){
		.meaning = PLAN_MEANS_LIMIT, .meaning_below = PLAN_ALWAYS, .then = then, .amount = amount};
}

static int load(enum plan_then then, uint64_t amount)
{
	const struct plan_fault fault = limit(then, amount);

	open_scene(&fault, 1);
	return 0;
}

/* Three limits, of which the second is the lowest. */
static int load_several(void **state)
{
	const struct plan_fault faults[] = {limit(PLAN_THEN_DROP, AMOUNT + 100),
					    limit(PLAN_THEN_DROP, AMOUNT),
					    limit(PLAN_THEN_FIN, AMOUNT + 200)};

	(void)state;
	open_scene(faults, 3);
	return 0;
}

static int load_drop(void **state)
{
	(void)state;
	return load(PLAN_THEN_DROP, AMOUNT);
}

static int load_reset(void **state)
{
	(void)state;
	return load(PLAN_THEN_RESET, AMOUNT);
}

static int load_fin(void **state)
{
	(void)state;
	return load(PLAN_THEN_FIN, AMOUNT);
}

static int unload(void **state)
{
	flow = 0;
	return close_scene(state);
}

/* Through the program, which must count it so. */
static void run_as(const struct spec *s, bool out, enum sp_verdict verdict)
{
	struct sp_counters before = counters(), after;
	struct frame f;

	frame_build(s, &f);
	run_frame(&f, out, 0);
	after = counters();
	assert_int_equal(after.matched, before.matched + 1);
	assert_int_equal(after.verdict[verdict], before.verdict[verdict] + 1);
	assert_int_equal(after.failed, before.failed);
}

static struct spec segment(int family, bool out, uint32_t at, unsigned payload)
{
	struct spec s = packet(family, IPPROTO_TCP, out);

	if (out)
		s.to.port += flow;
	else
		s.from.port += flow;
	s.seq += at; /* which wraps behind 16 bytes */
	s.payload = payload;
	s.flags = PSH | ACK;
	return s;
}

/* An acknowledgement of the other end's bytes up to `at`, counted as segment() does. */
static struct spec ack_of(const struct spec *data, uint32_t at)
{
	struct spec s = *data;

	s.from = data->to;
	s.to = data->from;
	s.seq = data->ack;
	s.ack = 0xfffffff0 + at;
	s.payload = 0;
	s.flags = ACK;
	return s;
}

/* What is left of a segment. */
static struct spec cut_to(const struct spec *s, unsigned payload)
{
	struct spec cut = *s;

	cut.payload = payload;
	cut.padding = 0;
	cut.flags &= ~FIN;
	return cut;
}

static void passes(const struct spec *s, bool out)
{
	run_as(s, out, SP_PASS);
	expect_ran(s, PASSES);
}

/* Each of another connection. */
static void cuts_to_any_length(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 2 * 2 * 3 * 2 * 24; variant++, flow++) {
		bool out = variant & 1;
		unsigned keep = 1 + variant * 37 % AMOUNT;
		struct spec first = segment(variant & 2 ? 6 : 4, out, 0, AMOUNT - keep), s;

		if (first.payload)
			passes(&first, out);
		s = first;
		s.seq += first.payload;
		s.payload = keep + 1 + variant * 101 % 2000;
		s.vlans = variant / 4 % 3;
		s.flags |= variant / 12 % 2 ? FIN : 0;
		s.tcp_options = variant % 11 * 4;
		s.ip_options = s.family == 4 ? variant % 5 * 4 : 0;
		s.n_extensions = s.family == 6 && variant % 5 == 1;
		s.extensions[0] = IPPROTO_DSTOPTS;
		s.padding = variant % 7 ? 0 : 5;
		run_as(&s, out, SP_ALTER);
		s = cut_to(&s, keep);
		expect_ran(&s, PASSES);
		s.payload = keep + 700; /* it is cut again when it is sent again */
		run_as(&s, out, SP_ALTER);
		s.payload = keep;
		expect_ran(&s, PASSES);
	}
	assert_int_equal(counters().failed, 0);
}

/* What one has cut no other fills up again. */
static void several_cut_to_the_lowest(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 4; variant++, flow++) {
		bool out = variant & 1;
		struct spec s = segment(variant & 2 ? 6 : 4, out, 0, SEGMENT);

		run_as(&s, out, SP_ALTER);
		s = cut_to(&s, AMOUNT);
		expect_ran(&s, PASSES);
	}
}

static void counts_by_sequence_numbers(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 4; variant++, flow++) {
		int family = variant & 2 ? 6 : 4;
		bool out = variant & 1;
		struct spec s;

		s = segment(family, out, 0, 400);
		passes(&s, out);
		passes(&s, out); /* sent again */
		s = segment(family, out, 399, 1);
		passes(&s, out); /* a keep-alive with a byte */
		s = segment(family, out, 399, 0);
		s.flags = ACK;
		passes(&s, out); /* ... without */
		s = segment(family, out, 200, 300);
		passes(&s, out); /* in part: 500 so far */
		s = segment(family, out, 700, 200);
		passes(&s, out); /* a hole of 200 is passed over: 900 */
		s = segment(family, out, 1100, 50);
		run_as(&s, out, SP_DROP); /* the limit lies in a hole: not yet */
		assert_int_equal(ran.action, LOST(out));
		s = segment(family, out, 500, 200);
		passes(&s, out); /* the first hole is filled */
		s = segment(family, out, 900, 99);
		passes(&s, out); /* 999 */
		s = segment(family, out, 998, 500);
		run_as(&s, out, SP_ALTER);
		s = cut_to(&s, 2);
		expect_ran(&s, PASSES);
	}
}

/* A byte more, and not one before. */
static void the_last_byte_passes(void **state)
{
	struct spec s = segment(4, true, 0, AMOUNT);

	(void)state;
	s.flags |= FIN;
	passes(&s, true);
	s.seq += AMOUNT;
	s.payload = 0;
	s.flags = FIN | ACK;
	passes(&s, true);
	s.flags = ACK;
	s.payload = 1;
	run_as(&s, true, SP_DROP);
	assert_int_equal(ran.action, LOST(true));
}

static void both_directions_share(void **state)
{
	struct spec out = segment(6, true, 0, 600), in = segment(6, false, 0, 399);

	(void)state;
	passes(&out, true);
	passes(&in, false);
	in.seq += 399;
	in.payload = 100;
	run_as(&in, false, SP_ALTER);
	in = cut_to(&in, 1);
	expect_ran(&in, PASSES);
	out.seq += 600;
	run_as(&out, true, SP_DROP);
}

/* What lies before the limit may be sent again until all of it has arrived; then all is silence. */
static void silence_begins_when_all_has_arrived(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 4; variant++, flow++) {
		int family = variant & 2 ? 6 : 4;
		bool out = variant & 1;
		struct spec data = segment(family, out, 0, 600), ack = ack_of(&data, 600), rst = data, beyond;

		passes(&data, out);
		passes(&ack, !out);
		beyond = segment(family, out, 600, 600);
		run_as(&beyond, out, SP_ALTER);
		passes(&data, out);
		run_as(&beyond, out, SP_ALTER);
		beyond = cut_to(&beyond, 400);
		expect_ran(&beyond, PASSES);
		passes(&ack, !out); /* of 600: it has not got all */
		beyond.seq += 400;
		run_as(&beyond, out, SP_DROP);
		assert_int_equal(ran.action, LOST(out));
		rst.flags = RST | ACK;
		rst.payload = 0;
		run_as(&rst, out, SP_DROP);
		ack.ack += 400;
		passes(&ack, !out);
		run_as(&ack, !out, SP_DROP); /* a keep-alive's answer */
		assert_int_equal(ran.action, LOST(!out));
		run_as(&data, out, SP_DROP);
		run_as(&beyond, out, SP_DROP);
		ack.flags |= FIN;
		run_as(&ack, !out, SP_DROP);
	}
}

/* The next connection between the same ends has a limit of its own. */
static void a_syn_begins_anew(void **state)
{
	struct spec s = segment(4, true, 0, 1500), syn = segment(4, true, 50000, 0), answer;

	(void)state;
	run_as(&s, true, SP_ALTER);
	syn.flags = SYN;
	passes(&syn, true);
	answer = ack_of(&syn, 50001);
	answer.flags = SYN | ACK;
	passes(&answer, false);
	s = segment(4, true, 50001, AMOUNT);
	passes(&s, true);
	s.seq += AMOUNT;
	run_as(&s, true, SP_DROP);
}

static void leaves_other_protocols_alone(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);

	(void)state;
	s.payload = 2000;
	passes(&s, true);
}

static void what_is_bound_is_not_cut(void **state)
{
	struct spec s = segment(4, false, 0, 2000);
	struct frame f;

	(void)state;
	s.more_fragments = true;
	frame_build(&s, &f);
	run_frame(&f, false, 0);
	expect_untouched(&f);
	assert_int_equal(counters().failed, 1);
	assert_int_equal(counters().verdict[SP_PASS], 1);
}

/*
 * What a segment out leaves goes on as the program's packet, and what one in leaves by a redirect, behind the clone; the other end's
 * is on its way to it.
 */
static void resets_both_ends(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 2 * 2 * 3 * 3; variant++, flow++) {
		bool out = variant & 1;
		int onward = out ? far_fd : near_fd, back = out ? near_fd : far_fd;
		unsigned keep = variant / 12 ? 1 + variant * 23 : 0;
		struct spec s = segment(variant & 2 ? 6 : 4, out, 0, AMOUNT - keep), rst, cut;

		passes(&s, out);
		s.seq += s.payload;
		s.payload = keep + 111;
		s.vlans = variant / 4 % 3;
		s.tcp_options = 12;
		s.flags |= FIN;
		run_as(&s, out, SP_RESET);
		cut = cut_to(&s, keep);
		if (keep)
			expect_captured(onward, &cut);
		rst = rst_for(&s, true);
		rst.ack = s.seq + s.payload;
		expect_captured(back, &rst);
		rst = rst_for(&s, false);
		rst.seq += keep;
		expect_ran(&rst, out ? PASSES : TC_ACT_REDIRECT);
		/* Who has not got its own, or was elsewhere with its numbers, says so and gets another. */
		s = ack_of(&s, 77);
		run_as(&s, !out, SP_RESET);
		rst = rst_for(&s, true);
		expect_captured(onward, &rst);
		rst = rst_for(&s, false);
		expect_ran(&rst, out ? TC_ACT_REDIRECT : PASSES);
		s.flags = RST;
		passes(&s, !out);
	}
	expect_silence();
}

static struct spec fin_for(const struct spec *s, uint32_t ack)
{
	struct spec fin = rst_for(s, true);

	fin.flags = FIN | ACK;
	fin.window = 0xffff;
	fin.ack = ack;
	return fin;
}

static struct spec with_fin(const struct spec *s)
{
	struct spec fin = *s;

	fin.flags |= FIN;
	return fin;
}

/* First the receiver has all and a FIN, as often as it takes; then the sender has one, in the acknowledgement of that. */
static void finishes_both_ends(void **state)
{
	(void)state;
	for (unsigned variant = 0; variant < 2 * 2 * 3 * 3; variant++, flow++) {
		bool out = variant & 1;
		unsigned keep = variant / 12 ? 1 + variant * 23 : 0;
		struct spec s = segment(variant & 2 ? 6 : 4, out, 0, AMOUNT - keep), first = s, cut, ack, fin;
		uint32_t top = s.seq + AMOUNT;

		passes(&s, out);
		s.seq += s.payload;
		s.payload = keep + 111;
		s.vlans = variant / 4 % 3;
		s.tcp_options = 12;
		cut = cut_to(&s, keep);
		cut = with_fin(&cut);
		for (int times = 0; times < 2; times++) {
			run_as(&s, out, SP_ALTER);
			expect_ran(&cut, PASSES);
		}
		passes(&first, out);
		ack = ack_of(&s, AMOUNT); /* of all but the FIN */
		ack.tcp_options = 12;
		passes(&ack, !out);
		s.seq = top + 200;
		run_as(&s, out, SP_ALTER);
		cut = cut_to(&s, 0);
		cut.seq = top;
		cut = with_fin(&cut);
		expect_ran(&cut, PASSES);
		ack.ack++;
		for (int times = 0; times < 2; times++) {
			run_as(&ack, !out, SP_ALTER);
			fin = with_fin(&ack);
			expect_ran(&fin, PASSES);
		}
		run_as(&s, out, SP_RESET);
		fin = fin_for(&s, top + 1);
		expect_ran(&fin, TC_ACT_REDIRECT);
		s.ack++; /* and it has got that */
		run_as(&s, out, SP_DROP);
		assert_int_equal(ran.action, LOST(out));
		s.payload = 0; /* whoever has said all can say so */
		s.flags = FIN | ACK;
		passes(&s, out);
		passes(&ack, !out);
	}
	assert_int_equal(counters().failed, 0);
}

/* Where acknowledgements go another way, what is sent again from behind the FIN on tells that it has arrived. */
static void a_fin_that_nobody_acknowledges_here(void **state)
{
	struct spec s = segment(6, false, 0, AMOUNT + 10), fin;

	(void)state;
	run_as(&s, false, SP_ALTER);
	s.seq += AMOUNT + 1;
	s.payload = 9;
	run_as(&s, false, SP_RESET);
	fin = fin_for(&s, s.seq);
	expect_ran(&fin, TC_ACT_REDIRECT);
}

/* What its receiver had under way is before the FIN that is sent in its name. */
static void a_fin_is_behind_what_was_sent(void **state)
{
	struct spec answer = segment(4, false, 0, 300), s = segment(4, true, 0, 800), ack, fin;

	(void)state;
	answer.seq = s.ack;
	passes(&answer, false);
	run_as(&s, true, SP_ALTER);
	ack = ack_of(&s, 701);
	passes(&ack, false); /* sent before the answer */
	ack.seq += 300;
	run_as(&ack, false, SP_ALTER);
	fin = with_fin(&ack);
	expect_ran(&fin, PASSES);
	/* Nothing new comes of it either. */
	answer.seq += 300;
	run_as(&answer, false, SP_ALTER);
	answer = cut_to(&answer, 0);
	answer = with_fin(&answer);
	expect_ran(&answer, PASSES);
}

static void cuts_what_devices_complete(void **state)
{
	(void)state;
	attach_scene();
	for (unsigned variant = 0; variant < 2 * 2 * 2 * 2; variant++, flow++) {
		struct spec s = segment(variant & 2 ? 6 : 4, true, 0, 1300);

		s.vlans = variant & 4 ? 1 : 0;
		s.tcp_options = 12;
		wrapped_offload(variant & 1);
		wrapped_send_spec(&s, true, variant & 8 ? PARTIAL : FULL);
		s = cut_to(&s, AMOUNT);
		expect_captured(far_fd, &s);
	}
	assert_true(capture_is_silent(far_fd, near_fd));
	assert_int_equal(counters().verdict[SP_ALTER], 16);
}

static int load_more(void **state)
{
	(void)state;
	return load(PLAN_THEN_DROP, 5000);
}

/* To a segment; TCP sends the rest again, and nothing from behind the limit comes in between. */
static void cuts_gso_to_a_segment(void **state)
{
	(void)state;
	attach_scene();
	for (unsigned variant = 0; variant < 2 * 2 * 2; variant++, flow++) {
		struct spec s = segment(variant & 2 ? 6 : 4, true, 0, 20001), cut;

		s.vlans = variant & 4 ? 1 : 0;
		wrapped_offload(variant & 1);
		wrapped_send_spec(&s, true, GSO);
		s.payload = SEGMENT;
		expect_captured(far_fd, &s);
		cut = s;
		cut.seq += 20001;
		cut.payload = 10000;
		wrapped_send_spec(&cut, true, GSO);
		for (unsigned at = SEGMENT; at < 4200; at += SEGMENT) {
			s.seq += SEGMENT;
			wrapped_send_spec(&s, true, PARTIAL);
			expect_captured(far_fd, &s);
		}
		s.seq += SEGMENT; /* the last bytes are fewer than a segment: at once */
		s.payload = 9000;
		wrapped_send_spec(&s, true, GSO);
		s.payload = 800;
		expect_captured(far_fd, &s);
	}
	assert_true(capture_is_silent(far_fd, near_fd));
}

/* Nobody is at home: no stack answers what the programs send. */
static int open_pair(void **state)
{
	return pair_open(state) || world_command("ip addr del 192.0.2.1/24 dev " NEAR_END);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(name, load_##how, unload)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cuts_to_any_length, drop),
		TEST(several_cut_to_the_lowest, several),
		TEST(counts_by_sequence_numbers, drop),
		TEST(the_last_byte_passes, drop),
		TEST(both_directions_share, drop),
		TEST(silence_begins_when_all_has_arrived, drop),
		TEST(a_syn_begins_anew, drop),
		TEST(leaves_other_protocols_alone, drop),
		TEST(what_is_bound_is_not_cut, drop),
		TEST(resets_both_ends, reset),
		TEST(finishes_both_ends, fin),
		TEST(a_fin_that_nobody_acknowledges_here, fin),
		TEST(a_fin_is_behind_what_was_sent, fin),
		TEST(cuts_what_devices_complete, drop),
		TEST(cuts_gso_to_a_segment, more),
	};

	return cmocka_run_group_tests(tests, open_pair, pair_close);
}
