/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into the line and out of it, program by program: what goes to the line's device, what is kept of it, what is made of
 * what comes back, and when there is no line, or no such parcel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/pkt_cls.h>

#include "base/timeutil.h"
#include "histogram.bpf.h"
#include "packet/passing.h"

static void each_kind(void (*call)(const struct spec *s, bool out))
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};

	for (unsigned variant = 0; variant < 4 * 2 * 2 * 3; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, protocols[variant / 4 % 4], out);

		s.flags = ACK;
		s.payload = variant * 13;
		s.vlans = variant / 16;
		/* fq takes no frame with a tag that lies in it. */
		if (s.vlans < 2 || bare.skel->bss->control.line == SP_LINE_USER)
			call(&s, out);
	}
}

static void goes_in_and_comes_back(const struct spec *s, bool out)
{
	uint64_t ticket = bare.skel->bss->tickets + 1, before = clock_mono_ns(), after;
	struct sp_receipt receipt = bare_receipt(&bare, 0), now;
	struct spec in_line = *s;
	struct sp_parcel parcel;
	struct frame f;

	pass_packet(s, out, 0, &f);
	after = clock_mono_ns();
	if (bare.skel->bss->control.line == SP_LINE_FQ) {
		in_line.vlans = 0; /* what describes the packet has the tag */
		frame_build(&in_line, &f);
	}
	parcel = expect_in_line(&f, ticket);
	assert_in_range(parcel.entered_ns, before, after);
	assert_int_equal(parcel.release_ns, parcel.entered_ns + PASSING_DELAY);
	assert_int_equal(parcel.ifindex, bare.ifindex);
	assert_int_equal(parcel.slot, 0);
	assert_int_equal(parcel.mark, PASSING_MARK);
	assert_int_equal(parcel.priority, PASSING_PRIORITY);
	assert_int_equal(parcel.segments, 1);
	assert_int_equal(parcel.total, 1);
	assert_int_equal(parcel.spacing_ns, 0);
	assert_int_equal(parcel.alter, SP_ALTER_NONE);
	assert_int_equal(parcel.dir, out ? SP_DIR_OUT : SP_DIR_IN);
	assert_int_equal(parcel.proto, s->proto);
	assert_int_equal(parcel.l4, f.l4);
	assert_int_equal(parcel.payload, f.l4 + (s->proto == IPPROTO_TCP ? 20 : 8));
	pass_return(0);
	expect_passed(TC_ACT_REDIRECT, &f);
	assert_int_equal(passed.skb.mark, PASSING_MARK);
	assert_int_equal(passed.skb.priority, PASSING_PRIORITY);
	assert_int_equal(parcel_at(ticket % BARE_PARCELS).ticket, 0);
	now = bare_receipt(&bare, 0);
	assert_int_equal(now.entered - receipt.entered, 1);
	assert_int_equal(now.returned - receipt.returned, 1);
	assert_int_equal(now.requested_sum_ns - receipt.requested_sum_ns, PASSING_DELAY);
	assert_int_equal(
		now.requested[bucket_of(PASSING_DELAY)] - receipt.requested[bucket_of(PASSING_DELAY)], 1);
	/* It came back at once, before it was due. */
	assert_in_range(now.achieved_sum_ns - receipt.achieved_sum_ns, 1, clock_mono_ns() - before);
	assert_int_equal(now.late[0] - receipt.late[0], 1);
	assert_int_equal(now.late_max_ns, 0);
	/* And not a second time. */
	write_header(passed.frame, ticket);
	pass_return(0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	assert_int_equal(bare_receipt(&bare, 0).returned, now.returned);
}

static void keeps_all_of_a_packet(void **state)
{
	(void)state;
	add_passing_delay();
	each_kind(goes_in_and_comes_back);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_DELAY], bare_counters(&bare, 0).matched);
}

static void counts_how_late_it_came(void **state)
{
	struct sp_receipt receipt;
	struct sp_parcel parcel;
	uint64_t achieved, late;
	unsigned buckets = 0;
	struct frame f;

	(void)state;
	parcel = delay_one(&f);
	parcel.entered_ns -= 3 * PASSING_DELAY;
	parcel.release_ns -= 3 * PASSING_DELAY;
	set_parcel(1, &parcel);
	pass_return(0);
	receipt = bare_receipt(&bare, 0);
	achieved = receipt.achieved_sum_ns;
	late = receipt.late_max_ns;
	assert_true(achieved >= 3 * PASSING_DELAY);
	assert_int_equal(late, achieved - PASSING_DELAY);
	assert_int_equal(receipt.achieved[bucket_of(achieved)], 1);
	assert_int_equal(receipt.late[bucket_of(late)], 1);
	for (unsigned i = 0; i < SP_BUCKETS; i++)
		buckets += receipt.requested[i] + receipt.achieved[i] + receipt.late[i];
	assert_int_equal(buckets, 3);
}

/* Of a GSO packet that comes back in pieces the parcel is kept until the last; each is due after its turn. */
static void waits_for_all_segments(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true), piece;
	uint8_t frame[sizeof(passed.frame)];
	struct sp_parcel parcel;
	struct sp_rule *r;
	struct frame f;

	(void)state;
	r = add_passing_delay();
	r->rate = 125000;
	r->queue_ns = NS_PER_S;
	s.flags = ACK;
	s.payload = 3000;
	pass_packet(&s, true, 700, &f);
	parcel = expect_in_line(&f, 1);
	assert_int_equal(parcel.total, 5);
	assert_int_equal(parcel.segments, 5);
	assert_int_equal(parcel.spacing_ns, (3000 + 5 * 54) * 8000 / 5);
	assert_int_equal(parcel.release_ns, parcel.entered_ns + PASSING_DELAY + (3000 + 5 * 54) * 8000 / 5);
	piece = s;
	for (unsigned i = 0; i < 5; i++) {
		const uint64_t late = SP_PARCEL_LOST_NS / 5;

		/* As if it had been due so long ago. */
		parcel = parcel_at(1);
		assert_int_equal(parcel.ticket, 1);
		assert_int_equal(parcel.segments, 5 - i);
		parcel.release_ns = clock_mono_ns() - late - parcel.spacing_ns * i;
		set_parcel(1, &parcel);
		piece.payload = i < 4 ? 700 : 200;
		frame_build(&piece, &f);
		memcpy(frame, f.data, f.len);
		write_header(frame, 1);
		pass(bare.skel->progs.line_return, frame, f.len, 0);
		expect_passed(TC_ACT_REDIRECT, &f);
		assert_in_range(bare_receipt(&bare, 0).late_max_ns, late, late + SP_PARCEL_LOST_NS);
	}
	assert_int_equal(parcel_at(1).ticket, 0);
	assert_int_equal(bare_receipt(&bare, 0).entered, 5);
	assert_int_equal(bare_receipt(&bare, 0).returned, 5);
	assert_int_equal(bare_receipt(&bare, 0).requested_sum_ns, 5 * PASSING_DELAY);
	pass(bare.skel->progs.line_return, frame, f.len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
}

static void takes_a_gso_packet_back_as_a_whole(void **state)
{
	struct spec s = packet(6, IPPROTO_TCP, false);
	struct frame f;

	(void)state;
	add_passing_delay();
	s.flags = ACK;
	s.payload = 3000;
	pass_packet(&s, false, 700, &f);
	assert_int_equal(expect_in_line(&f, 1).total, 5);
	pass_return(700);
	expect_passed(TC_ACT_REDIRECT, &f);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).returned, 5);
}

static void takes_back_only_its_own(void **state)
{
	uint8_t in_line[sizeof(passed.frame)];
	size_t len;
	struct frame f;

	(void)state;
	delay_one(&f);
	len = passed.len;
	memcpy(in_line, passed.frame, len);
	/* Another address, another ticket at its place, one at a free place, too short for any. */
	for (int bit = 0; bit < 96; bit++) {
		in_line[bit / 8] ^= 1 << bit % 8;
		pass(bare.skel->progs.line_return, in_line, len, 0);
		assert_int_equal(passed.action, TC_ACT_SHOT);
		in_line[bit / 8] ^= 1 << bit % 8;
	}
	pass(bare.skel->progs.line_return, f.data, f.len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	assert_int_equal(count_parcels(), 1);
	assert_int_equal(bare_receipt(&bare, 0).returned, 0);
	pass(bare.skel->progs.line_return, in_line, len, 0);
	expect_passed(TC_ACT_REDIRECT, &f);
}

/* Their packets tell the size of the segments alone: of what is behind the transport header. */
static void counts_the_segments_of_guests(void **state)
{
	static const unsigned payloads[][2] = {{693, 1}, {699, 1}, {700, 1}, {701, 2}, {2100, 3}, {2101, 4}};

	(void)state;
	add_passing_delay();
	for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++)
		for (unsigned variant = 0; variant < 4; variant++) {
			struct spec s =
				packet(variant & 1 ? 6 : 4, variant & 2 ? IPPROTO_TCP : IPPROTO_UDP, true);
			struct sp_receipt receipt;
			struct frame f;

			s.flags = ACK;
			s.payload = payloads[i][0];
			pass_packet(&s, true, 700, &f);
			assert_int_equal(expect_in_line(&f, bare.skel->bss->tickets).total, payloads[i][1]);
			pass_return(700);
			receipt = bare_receipt(&bare, 0);
			assert_int_equal(receipt.returned, receipt.entered);
			assert_int_equal(count_parcels(), 0);
		}
}

static void passes_undelayed_without_a_heartbeat(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_counters c;
	struct frame f;

	(void)state;
	add_passing_delay();
	s.flags = ACK;
	s.payload = 1000;
	bare.skel->bss->control.beat_ns = clock_mono_ns() - SP_HEARTBEAT_NS - 1;
	pass_packet(&s, true, 300, &f);
	expect_passed(PASSES, &f);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).stale, 4);
	assert_int_equal(bare_receipt(&bare, 0).entered, 0);
	c = bare_counters(&bare, 0);
	assert_int_equal(c.matched, 4);
	assert_int_equal(c.verdict[SP_PASS], 4);
	bare.skel->bss->rules[0].duplicate_below = SP_ALWAYS;
	pass_packet(&s, true, 300, &f);
	expect_passed(PASSES, &f);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_DUPLICATE], 4);
	bare.skel->bss->rules[0].duplicate_below = 0;
	bare.skel->bss->control.beat_ns = clock_mono_ns() + 100 * NS_PER_S;
	pass_packet(&s, true, 300, &f);
	expect_in_line(&f, 1);
	assert_int_equal(bare_receipt(&bare, 0).stale, 8);
}

static void breaks_checksums_on_the_plain_tap(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_parcel parcel;
	struct sp_rule *r;
	struct frame f;

	(void)state;
	r = bare_rule(&bare, 0);
	r->flags = SP_RULE_BENDS | SP_RULE_RECEIPT;
	r->corrupt_below = SP_ALWAYS;
	s.flags = ACK;
	s.payload = 100;
	pass_packet(&s, true, 0, &f);
	parcel = expect_in_line(&f, 1);
	assert_int_equal(parcel.alter, SP_ALTER_WRONG);
	assert_int_equal(parcel.release_ns, parcel.entered_ns);
	assert_int_equal(parcel.l4, f.l4);
	assert_int_equal(parcel.payload, f.l4 + 20);
	assert_int_equal(bare_receipt(&bare, 0).entered, 1);
	assert_int_equal(bare_receipt(&bare, 0).requested[0], 1);
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_ALTER], 1);
	pass_return(0);
	assert_memory_equal(passed.frame, f.data, f.len);
}

/* fq needs the time, and priority 0; the packet gets its own back. */
static void stamps_for_fq(void **state)
{
	struct sp_parcel parcel;
	struct frame f;

	(void)state;
	parcel = delay_one(&f);
	assert_int_equal(passed.skb.priority, 0);
	assert_int_equal(passed.skb.mark, PASSING_MARK);
	assert_int_equal(passed.skb.tstamp, parcel.release_ns);
	assert_int_equal(parcel.priority, PASSING_PRIORITY);
	pass_return(0);
	assert_int_equal(passed.skb.priority, PASSING_PRIORITY);
	assert_int_equal(passed.skb.mark, PASSING_MARK);
	assert_int_equal(passed.skb.tstamp, 0);
	assert_memory_equal(passed.frame, f.data, f.len);
}

static void passes_what_fq_can_not_take(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_counters c;
	struct frame f;

	(void)state;
	add_passing_delay();
	s.vlans = 2;
	pass_packet(&s, true, 0, &f);
	expect_passed(PASSES, &f);
	assert_int_equal(passed.skb.priority, PASSING_PRIORITY);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).entered, 0);
	c = bare_counters(&bare, 0);
	assert_int_equal(c.matched, 1);
	assert_int_equal(c.verdict[SP_PASS], 1);
	assert_int_equal(c.failed, 1);
}

/* Into the TAP goes what is addressed to it. */
static void guards_the_tap(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct frame f;

	(void)state;
	frame_build(&s, &f);
	pass(bare.skel->progs.line_guard, f.data, f.len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	memcpy(f.data, bare.skel->bss->control.line_mac, 6);
	pass(bare.skel->progs.line_guard, f.data, f.len, 0);
	assert_int_equal(passed.action, PASSES);
}

#define USER(name) cmocka_unit_test_setup(name, use_user)
#define FQ(name) ((struct CMUnitTest){#name " (fq)", name, use_fq, NULL, NULL})

int main(void)
{
	const struct CMUnitTest tests[] = {
		USER(keeps_all_of_a_packet),
		USER(counts_how_late_it_came),
		USER(waits_for_all_segments),
		USER(takes_a_gso_packet_back_as_a_whole),
		USER(takes_back_only_its_own),
		USER(counts_the_segments_of_guests),
		USER(passes_undelayed_without_a_heartbeat),
		USER(breaks_checksums_on_the_plain_tap),
		USER(guards_the_tap),
		FQ(keeps_all_of_a_packet),
		FQ(takes_a_gso_packet_back_as_a_whole),
		FQ(stamps_for_fq),
		FQ(passes_what_fq_can_not_take),
	};

	return cmocka_run_group_tests(tests, passing_open, passing_close);
}
