/* SPDX-License-Identifier: BSD-2-Clause */
/* The places of parcels: how one is found, how long it is kept, and what becomes of packets that find none or lose theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/pkt_cls.h>

#include "base/timeutil.h"
#include "packet/passing.h"

#define TRIES 16    /* places looked at for one parcel */
#define STRIDE 1021 /* from one to the next, but for the first two, which are neighbours */

/* It is lost, and counted apart from the fault. */
static void drops_what_finds_no_place(void **state)
{
	(void)state;
	add_passing_delay();
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
			expect_passed(LOST(out), &f);
		}
		receipt = bare_receipt(&bare, 0);
		assert_int_equal(receipt.full, 10 * (out + 1));
		assert_int_equal(receipt.entered, BARE_PARCELS * (out + 1));
		assert_int_equal(receipt.requested_sum_ns, receipt.entered * PASSING_DELAY);
		c = bare_counters(&bare, 0);
		assert_int_equal(c.matched, (BARE_PARCELS + 10) * (out + 1));
		assert_int_equal(c.verdict[SP_DELAY], c.matched);
		assert_int_equal(c.failed, 0);
	}
}

/* Neighbours that are taken for long cost two tries. */
static void looks_elsewhere_for_a_place(void **state)
{
	struct sp_parcel taken = {.release_ns = clock_mono_ns() + 100 * NS_PER_S, .total = 1};
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct frame f;

	(void)state;
	add_passing_delay();
	for (unsigned i = 1; i <= 2 * TRIES; i++) {
		taken.ticket = i;
		set_parcel(i, &taken);
	}
	pass_packet(&s, true, 0, &f);
	expect_in_line(&f, 2 + STRIDE);
	assert_int_equal(bare_receipt(&bare, 0).full, 0);
}

/* Let the last try be for the ticket, or the one behind it. */
static void look_last_at(uint64_t ticket, unsigned further)
{
	bare.skel->bss->tickets = ticket - 2 - (TRIES - 2 + further) * STRIDE;
}

/* It is lost, and its place is taken; should it come after all, it is nobody's. */
static void gives_up_what_never_came_back(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_parcel parcel;
	uint8_t late[sizeof(passed.frame)];
	const uint64_t place = 7, next = 1000 * BARE_PARCELS + place;
	size_t len;
	struct frame f;

	(void)state;
	add_passing_delay();
	fill_line(&s, true);
	len = passed.len;
	memcpy(late, passed.frame, len);
	write_header(late, place);
	parcel = parcel_at(place);
	/* A second after it was due less what this test may take: not yet. */
	parcel.release_ns = clock_mono_ns() - SP_PARCEL_LOST_NS + 100 * NS_PER_S;
	set_parcel(place, &parcel);
	look_last_at(next, 0);
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 1);
	parcel.release_ns = clock_mono_ns() - SP_PARCEL_LOST_NS;
	set_parcel(place, &parcel);
	look_last_at(next, 1);
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 2);
	look_last_at(next, 0);
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 2);
	expect_in_line(&f, next);
	pass(bare.skel->progs.line_return, late, len, 0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	assert_int_equal(parcel_at(place).ticket, next);
}

static void waits_for_the_last_segment_before_it_gives_up(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct sp_parcel parcel;
	struct frame f;

	(void)state;
	add_passing_delay();
	fill_line(&s, true);
	parcel = parcel_at(1);
	parcel.segments = parcel.total = 40;
	parcel.spacing_ns = 3 * NS_PER_S;
	parcel.release_ns = clock_mono_ns() - 60 * NS_PER_S;
	set_parcel(1, &parcel);
	pass_packet(&s, true, 0, &f);
	assert_int_equal(bare_receipt(&bare, 0).full, 1);
	parcel.release_ns -= 61 * NS_PER_S;
	set_parcel(1, &parcel);
	bare.skel->bss->tickets = BARE_PARCELS;
	pass_packet(&s, true, 0, &f);
	expect_in_line(&f, BARE_PARCELS + 1);
}

/* What counts as lost never arrives, though its place be its own still. */
static void drops_what_comes_too_late(void **state)
{
	struct sp_parcel parcel;
	struct frame f;

	(void)state;
	parcel = delay_one(&f);
	parcel.release_ns = clock_mono_ns() - SP_PARCEL_LOST_NS;
	set_parcel(1, &parcel);
	pass_return(0);
	assert_int_equal(passed.action, TC_ACT_SHOT);
	assert_int_equal(count_parcels(), 0);
	assert_int_equal(bare_receipt(&bare, 0).entered, 1);
	assert_int_equal(bare_receipt(&bare, 0).returned, 0);
	assert_int_equal(bare_receipt(&bare, 0).late_max_ns, 0);
}

/* Tickets are longer than a MAC address: it carries the low 48 bits. All zeros is nobody's. */
static void tickets_wrap(void **state)
{
	struct spec s = packet(4, IPPROTO_UDP, true);
	struct frame f;

	(void)state;
	add_passing_delay();
	for (int i = -3; i <= 3; i += 2) {
		bare.skel->bss->tickets = (1ULL << 48) + i - 1;
		pass_packet(&s, true, 0, &f);
		expect_in_line(&f, (1ULL << 48) + i);
		pass_return(0);
		expect_passed(TC_ACT_REDIRECT, &f);
	}
	assert_int_equal(count_parcels(), 0);
}

#define USER(name) cmocka_unit_test_setup(name, use_user)
#define FQ(name) ((struct CMUnitTest){#name " (fq)", name, use_fq, NULL, NULL})

int main(void)
{
	const struct CMUnitTest tests[] = {
		USER(drops_what_finds_no_place),     USER(looks_elsewhere_for_a_place),
		USER(gives_up_what_never_came_back), USER(waits_for_the_last_segment_before_it_gives_up),
		USER(drops_what_comes_too_late),     USER(tickets_wrap),
		FQ(drops_what_comes_too_late),
	};

	return cmocka_run_group_tests(tests, passing_open, passing_close);
}
