/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into the line and out of it, program by program: what goes to the line's device, what is kept of it, what is made of
 * what comes back, and when there is no place, no line, or no such parcel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/timeutil.h"
#include "histogram.bpf.h"
#include "packet/bare.h"
#include "packet/frame.h"

#define PASSES (-1)
#define DELAY (50 * NS_PER_MS)
#define MARK 0xcafe1234
#define PRIORITY 6
#define LINE_IFINDEX 4711 /* nothing is really sent there */
#define PLAIN_IFINDEX 4712
#define TRIES 16 /* places looked at for one parcel */

static const struct bare_line user = {
	SP_LINE_USER, LINE_IFINDEX, PLAIN_IFINDEX, {2, 0x11, 0x22, 0x33, 0x44, 0x55}};
static const struct bare_line fq = {SP_LINE_FQ, LINE_IFINDEX, 0, {2, 0x11, 0x22, 0x33, 0x44, 0x55}};
static struct bare bare;

/* A packet in a program, with what the context says of it before and after. */
struct passed {
	struct __sk_buff skb;
	int action;
	size_t len;
	uint8_t frame[4000];
};
static struct passed passed;

static int set_up(void **state)
{
	(void)state;
	return world_make() || bare_open(&user, &bare);
}

static int tear_down(void **state)
{
	(void)state;
	bare_close(&bare);
	return 0;
}

static int use_user(void **state)
{
	(void)state;
	bare_reset(&bare, &user);
	return 0;
}

static int use_fq(void **state)
{
	(void)state;
	bare_reset(&bare, &fq);
	return 0;
}

static void pass(const struct bpf_program *program, const void *frame, size_t len, unsigned segment)
{
	struct __sk_buff in = {.ifindex = bare.ifindex, .mark = MARK, .priority = PRIORITY, .gso_size = segment};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &passed.skb, .ctx_size_out = sizeof(passed.skb),
		    .data_out = passed.frame, .data_size_out = sizeof(passed.frame), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	passed.action = (int)opts.retval;
	passed.len = opts.data_size_out;
}

static void pass_packet(const struct spec *s, bool out, unsigned segment, struct frame *ret)
{
	frame_build(s, ret);
	pass(out ? bare.skel->progs.tc_out : bare.skel->progs.tc_in, ret->data, ret->len, segment);
}

static struct sp_rule *add_delay(void)
{
	struct sp_rule *r = bare_rule(&bare, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
	r->delay_ns = DELAY;
	r->delay_below = SP_ALWAYS;
	return r;
}

static struct sp_parcel parcel_at(uint32_t place)
{
	struct sp_parcel parcel;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bare.skel->maps.parcels), &place, &parcel), 0);
	return parcel;
}

static void set_parcel(uint32_t place, const struct sp_parcel *parcel)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(bare.skel->maps.parcels), &place, parcel, BPF_ANY), 0);
}

static unsigned count_parcels(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < BARE_PARCELS; i++)
		n += parcel_at(i).ticket != 0;
	return n;
}

static void write_header(uint8_t *frame, uint64_t ticket)
{
	memcpy(frame, user.mac, 6);
	for (int i = 0; i < 6; i++)
		frame[6 + i] = ticket >> (40 - 8 * i);
}

/* The frame with the ticket in it, but for that the packet's own; for a copy, what was kept of it. */
static struct sp_parcel expect_in_line(const struct frame *f, uint64_t ticket)
{
	uint8_t expected[sizeof(f->data)];
	struct sp_parcel parcel = parcel_at(ticket % BARE_PARCELS);

	memcpy(expected, f->data, f->len);
	write_header(expected, ticket);
	assert_int_equal(passed.action, TC_ACT_REDIRECT);
	assert_int_equal(passed.len, f->len);
	assert_memory_equal(passed.frame, expected, f->len);
	assert_int_equal(parcel.ticket, ticket);
	assert_memory_equal(parcel.macs, f->data, 12);
	return parcel;
}

static void pass_return(unsigned segment)
{
	uint8_t frame[sizeof(passed.frame)];

	memcpy(frame, passed.frame, passed.len);
	pass(bare.skel->progs.line_return, frame, passed.len, segment);
}

static void each_kind(void (*call)(const struct spec *s, bool out))
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};

	for (unsigned variant = 0; variant < 4 * 2 * 2 * 3; variant++) {
		bool out = variant & 1;
		struct spec s = packet(variant & 2 ? 6 : 4, protocols[variant / 4 % 4], out);

		s.flags = ACK;
		s.payload = variant * 13;
		s.vlans = variant / 16;
		/* fq takes no frame whose tag lies in it. */
		if (!s.vlans || bare.skel->bss->control.line == SP_LINE_USER)
			call(&s, out);
	}
}

static void goes_in_and_comes_back(const struct spec *s, bool out)
{
	uint64_t ticket = bare.skel->bss->tickets + 1, before = clock_mono_ns(), after;
	struct sp_receipt receipt = bare_receipt(&bare, 0), now;
	struct sp_parcel parcel;
	struct frame f;

	pass_packet(s, out, 0, &f);
	after = clock_mono_ns();
	parcel = expect_in_line(&f, ticket);
	assert_in_range(parcel.entered_ns, before, after);
	assert_int_equal(parcel.release_ns, parcel.entered_ns + DELAY);
	assert_int_equal(parcel.ifindex, bare.ifindex);
	assert_int_equal(parcel.slot, 0);
	assert_int_equal(parcel.mark, MARK);
	assert_int_equal(parcel.priority, PRIORITY);
	assert_int_equal(parcel.segments, 1);
	assert_int_equal(parcel.total, 1);
	assert_int_equal(parcel.spacing_ns, 0);
	assert_int_equal(parcel.alter, SP_ALTER_NONE);
	assert_int_equal(parcel.dir, out ? SP_DIR_OUT : SP_DIR_IN);
	assert_int_equal(parcel.proto, s->proto);
	assert_int_equal(parcel.l4, f.l4);
	assert_int_equal(parcel.payload, f.l4 + (s->proto == IPPROTO_TCP ? 20 : 8));
	pass_return(0);
	assert_int_equal(passed.action, TC_ACT_REDIRECT);
	assert_int_equal(passed.len, f.len);
	assert_memory_equal(passed.frame, f.data, f.len);
	assert_int_equal(passed.skb.mark, MARK);
	assert_int_equal(passed.skb.priority, PRIORITY);
	assert_int_equal(parcel_at(ticket % BARE_PARCELS).ticket, 0);
	now = bare_receipt(&bare, 0);
	assert_int_equal(now.entered - receipt.entered, 1);
	assert_int_equal(now.returned - receipt.returned, 1);
	assert_int_equal(now.requested_sum_ns - receipt.requested_sum_ns, DELAY);
	assert_int_equal(now.requested[bucket_of(DELAY)] - receipt.requested[bucket_of(DELAY)], 1);
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
	add_delay();
	each_kind(goes_in_and_comes_back);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_counters(&bare, 0).verdict[SP_DELAY], bare_counters(&bare, 0).matched);
}

static void counts_how_late_it_came(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_receipt receipt;
	struct sp_parcel parcel;
	uint64_t achieved, late;
	unsigned buckets = 0;
	struct frame f;

	(void)state;
	add_delay();
	pass_packet(&s, true, 0, &f);
	parcel = expect_in_line(&f, 1);
	parcel.entered_ns -= 3 * DELAY;
	parcel.release_ns -= 3 * DELAY;
	set_parcel(1, &parcel);
	pass_return(0);
	receipt = bare_receipt(&bare, 0);
	achieved = receipt.achieved_sum_ns;
	late = receipt.late_max_ns;
	assert_true(achieved >= 3 * DELAY);
	assert_int_equal(late, achieved - DELAY);
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
	r = add_delay();
	r->rate = 125000;
	r->queue_ns = NS_PER_S;
	s.flags = ACK;
	s.payload = 3000;
	pass_packet(&s, true, 700, &f);
	parcel = expect_in_line(&f, 1);
	assert_int_equal(parcel.total, 5);
	assert_int_equal(parcel.segments, 5);
	assert_int_equal(parcel.spacing_ns, (3000 + 5 * 54) * 8000 / 5);
	assert_int_equal(parcel.release_ns, parcel.entered_ns + DELAY + (3000 + 5 * 54) * 8000 / 5);
	piece = s;
	for (unsigned i = 0; i < 5; i++) {
		uint64_t late = 7 * NS_PER_S;

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
		assert_int_equal(passed.action, TC_ACT_REDIRECT);
		assert_memory_equal(passed.frame, f.data, f.len);
		assert_in_range(bare_receipt(&bare, 0).late_max_ns, late, late + NS_PER_S);
	}
	assert_int_equal(parcel_at(1).ticket, 0);
	assert_int_equal(bare_receipt(&bare, 0).entered, 5);
	assert_int_equal(bare_receipt(&bare, 0).returned, 5);
	assert_int_equal(bare_receipt(&bare, 0).requested_sum_ns, 5 * DELAY);
	pass(bare.skel->progs.line_return, frame, f.len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
}

static void takes_a_gso_packet_back_as_a_whole(void **state)
{
	struct spec s = packet(6, IPPROTO_TCP, false);
	struct frame f;

	(void)state;
	add_delay();
	s.flags = ACK;
	s.payload = 3000;
	pass_packet(&s, false, 700, &f);
	assert_int_equal(expect_in_line(&f, 1).total, 5);
	pass_return(700);
	assert_int_equal(passed.action, TC_ACT_REDIRECT);
	assert_memory_equal(passed.frame, f.data, f.len);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).returned, 5);
}

static void takes_back_only_its_own(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	uint8_t in_line[sizeof(passed.frame)];
	size_t len;
	struct frame f;

	(void)state;
	add_delay();
	pass_packet(&s, true, 0, &f);
	expect_in_line(&f, 1);
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
	assert_int_equal(passed.action, TC_ACT_REDIRECT);
	assert_memory_equal(passed.frame, f.data, f.len);
}

static void fill_line(struct spec *s, bool out)
{
	struct frame f;

	for (unsigned i = 1; i <= BARE_PARCELS; i++) {
		pass_packet(s, out, 0, &f);
		expect_in_line(&f, i);
	}
	assert_int_equal(count_parcels(), BARE_PARCELS);
}

/* What finds no place is lost, and counted apart from the fault. */
static void drops_what_finds_no_place(void **state)
{
	(void)state;
	add_delay();
	for (int out = 0; out <= 1; out++) {
		struct spec s = packet(4, IPPROTO_UDP, out);
		struct sp_receipt receipt;
		struct sp_counters c;
		struct frame f;

		bare.skel->bss->tickets = 0;
		for (uint32_t i = 0; i < BARE_PARCELS; i++)
			set_parcel(i, &(struct sp_parcel){0});
		fill_line(&s, out);
		for (int i = 0; i < 10; i++) {
			pass_packet(&s, out, 0, &f);
			/* Out, that is a redirect to nowhere: a success for the sender. */
			assert_int_equal(passed.action, out ? TC_ACT_REDIRECT : TC_ACT_SHOT);
			assert_memory_equal(passed.frame, f.data, f.len);
		}
		receipt = bare_receipt(&bare, 0);
		assert_int_equal(receipt.full, 10 * (out + 1));
		assert_int_equal(receipt.entered, BARE_PARCELS * (out + 1));
		assert_int_equal(receipt.requested_sum_ns, receipt.entered * DELAY);
		c = bare_counters(&bare, 0);
		assert_int_equal(c.matched, (BARE_PARCELS + 10) * (out + 1));
		assert_int_equal(c.verdict[SP_DELAY], c.matched);
		assert_int_equal(c.failed, 0);
	}
}

/* One that never came back is lost, and its place is taken; should it come after all, it is nobody's. */
static void gives_up_what_never_came_back(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_parcel parcel;
	uint8_t late[sizeof(passed.frame)];
	const uint64_t place = 7, next = BARE_PARCELS + place + TRIES;
	size_t len;
	struct frame f;

	(void)state;
	add_delay();
	fill_line(&s, true);
	len = passed.len;
	memcpy(late, passed.frame, len);
	write_header(late, place);
	parcel = parcel_at(place);
	/* A second after it was due less what this test may take: not yet. */
	parcel.release_ns = clock_mono_ns() - SP_PARCEL_LOST_NS + 100 * NS_PER_S;
	set_parcel(place, &parcel);
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 1);
	assert_int_equal(bare.skel->bss->tickets, BARE_PARCELS + TRIES);
	parcel.release_ns = clock_mono_ns() - SP_PARCEL_LOST_NS;
	set_parcel(place, &parcel);
	bare.skel->bss->tickets = next - TRIES;
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 2);
	bare.skel->bss->tickets = BARE_PARCELS;
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 2);
	expect_in_line(&f, BARE_PARCELS + place);
	pass(bare.skel->progs.line_return, late, len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	assert_int_equal(parcel_at(place).ticket, BARE_PARCELS + place);
}

/* Tickets are longer than a MAC address: it carries the low 48 bits. */
static void tickets_wrap(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct frame f;

	(void)state;
	add_delay();
	for (int i = -2; i <= 2; i++) {
		bare.skel->bss->tickets = (1ULL << 48) + i - 1;
		pass_packet(&s, true, 0, &f);
		expect_in_line(&f, (1ULL << 48) + i);
		pass_return(0);
		assert_int_equal(passed.action, TC_ACT_REDIRECT);
		assert_memory_equal(passed.frame, f.data, f.len);
	}
	assert_int_equal(count_parcels(), 0);
}

static void passes_undelayed_without_a_heartbeat(void **state)
{
	struct spec s = packet(4, IPPROTO_TCP, true);
	struct sp_counters c;
	struct frame f;

	(void)state;
	add_delay()->duplicate_below = SP_ALWAYS;
	s.flags = ACK;
	s.payload = 1000;
	bare.skel->bss->control.beat_ns = clock_mono_ns() - SP_HEARTBEAT_NS - 1;
	pass_packet(&s, true, 300, &f);
	assert_int_equal(passed.action, PASSES);
	assert_memory_equal(passed.frame, f.data, f.len);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).stale, 4);
	assert_int_equal(bare_receipt(&bare, 0).entered, 0);
	c = bare_counters(&bare, 0);
	assert_int_equal(c.matched, 4);
	assert_int_equal(c.verdict[SP_PASS], 4);
	bare.skel->bss->rules[0].duplicate_below = 0;
	bare.skel->bss->control.beat_ns = clock_mono_ns() + 100 * NS_PER_S;
	pass_packet(&s, true, 300, &f);
	expect_in_line(&f, 1);
	assert_int_equal(bare_receipt(&bare, 0).stale, 4);
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
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_parcel parcel;
	struct frame f;

	(void)state;
	add_delay();
	pass_packet(&s, true, 0, &f);
	parcel = expect_in_line(&f, 1);
	assert_int_equal(passed.skb.priority, 0);
	assert_int_equal(passed.skb.mark, MARK);
	assert_int_equal(passed.skb.tstamp, parcel.release_ns);
	assert_int_equal(parcel.priority, PRIORITY);
	pass_return(0);
	assert_int_equal(passed.skb.priority, PRIORITY);
	assert_int_equal(passed.skb.mark, MARK);
	assert_int_equal(passed.skb.tstamp, 0);
	assert_memory_equal(passed.frame, f.data, f.len);
}

static void passes_what_fq_can_not_take(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_counters c;
	struct frame f;

	(void)state;
	add_delay();
	s.vlans = 1;
	pass_packet(&s, true, 0, &f);
	assert_int_equal(passed.action, PASSES);
	assert_memory_equal(passed.frame, f.data, f.len);
	assert_int_equal(passed.skb.priority, PRIORITY);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).entered, 0);
	c = bare_counters(&bare, 0);
	assert_int_equal(c.matched, 1);
	assert_int_equal(c.verdict[SP_PASS], 1);
	assert_int_equal(c.failed, 1);
}

/* Into the TAP goes what is addressed to it, and only if somebody reads it. */
static void guards_the_tap(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct frame f;

	(void)state;
	frame_build(&s, &f);
	pass(bare.skel->progs.line_guard, f.data, f.len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	memcpy(f.data, user.mac, 6);
	pass(bare.skel->progs.line_guard, f.data, f.len, 0);
	assert_int_equal(passed.action, bare.skel->bss->control.line == SP_LINE_USER ? PASSES : TC_ACT_SHOT);
}

#define USER(name) cmocka_unit_test_setup(name, use_user)
#define FQ(name) {#name " (fq)", name, use_fq, NULL, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		USER(keeps_all_of_a_packet),
		USER(counts_how_late_it_came),
		USER(waits_for_all_segments),
		USER(takes_a_gso_packet_back_as_a_whole),
		USER(takes_back_only_its_own),
		USER(drops_what_finds_no_place),
		USER(gives_up_what_never_came_back),
		USER(tickets_wrap),
		USER(passes_undelayed_without_a_heartbeat),
		USER(breaks_checksums_on_the_plain_tap),
		USER(guards_the_tap),
		FQ(keeps_all_of_a_packet),
		FQ(takes_a_gso_packet_back_as_a_whole),
		FQ(stamps_for_fq),
		FQ(passes_what_fq_can_not_take),
		FQ(guards_the_tap),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
