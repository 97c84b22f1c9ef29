/* SPDX-License-Identifier: BSD-2-Clause */
/* A narrow path: serialisation to the nanosecond, credit, queue, and what counts on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "packet/modelled.h"

#define MANY 5000
#define MS 1000000ULL
#define SECOND 1000000000ULL
#define MBIT 125000ULL /* bytes a second */
#define UDP_HEADERS 42 /* Ethernet, IPv4, UDP */

static struct sp_rule *add_rate(struct deciding *d, uint64_t rate)
{
	struct sp_rule *r = add_rule(d, 0);

	r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
	r->rate = rate;
	r->queue_ns = 10 * SECOND;
	return r;
}

static struct spec of_bytes(unsigned bytes)
{
	struct spec s = flow_packet(3, true);

	s.payload = bytes - UDP_HEADERS;
	return s;
}

static uint64_t release_of(struct deciding *d, unsigned bytes, uint64_t now)
{
	struct spec s = of_bytes(bytes);

	assert_int_equal(decide_at(d, &s, now), SP_DELAY);
	assert_int_equal(d->skel->bss->taken.requested, 0);
	assert_int_equal(d->skel->bss->taken.plain, 1);
	return d->skel->bss->taken.release;
}

/* One after the other, each when its last bit is through. */
static void serialises_to_the_nanosecond(void **state)
{
	static const unsigned sizes[] = {1514, 42, 60, 1514, 999, 43};
	struct deciding *d = *state;
	uint64_t end = T0;

	add_rate(d, MBIT);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		end += sizes[i] * 8000; /* 8 us a byte */
		assert_int_equal(release_of(d, sizes[i], T0 + i), end);
	}
	/* Idle in between: it does not save up. */
	assert_int_equal(release_of(d, 1000, end + 5), end + 5 + 8000000);
	assert_int_equal(receipt_of(d, 0).overflow, 0);
	assert_int_equal(counters_of(d, 0).verdict[SP_DELAY], 7);
}

static void rounds_down_to_the_nanosecond(void **state)
{
	struct deciding *d = *state;

	add_rate(d, 3);
	assert_int_equal(release_of(d, 100, T0), T0 + 33333333333);
	deciding_reset(d);
	d->skel->bss->rules[0].rate = 12500000000; /* 100 Gbit/s */
	assert_int_equal(release_of(d, 1514, T0), T0 + 121);
}

static void lets_a_burst_go_ahead(void **state)
{
	struct deciding *d = *state;
	const uint64_t each = 1000 * 8000;

	add_rate(d, MBIT)->burst_ns = 3 * each;
	/* Three of 1000 bytes at once, then at the rate. */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(release_of(d, 1000, T0), i < 3 ? T0 : T0 + (i - 2) * each);
	/* After 9 in all, and 2 of them of idleness, the credit is two packets, not three. */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(release_of(d, 1000, T0 + 9 * each),
				 T0 + 9 * each + (i < 2 ? 0 : i - 1) * each);
}

/* What would wait longer than the queue is dropped, counted, and takes no time on the path. */
static void drops_what_finds_the_queue_full(void **state)
{
	struct deciding *d = *state;
	struct spec s = of_bytes(1000);
	unsigned dropped = 0;
	uint64_t last = 0;

	add_rate(d, MBIT)->queue_ns = 100 * MS;
	for (unsigned i = 0; i < 100; i++) {
		if (decide_at(d, &s, T0) == SP_DROP)
			dropped++;
		else
			last = d->skel->bss->taken.release;
	}
	/* The one that begins after 96 ms still fits, and no other. */
	assert_int_equal(dropped, 100 - 13);
	assert_int_equal(last, T0 + 104 * MS);
	assert_int_equal(receipt_of(d, 0).overflow, dropped);
	assert_int_equal(counters_of(d, 0).verdict[SP_DROP], dropped);
	assert_int_equal(counters_of(d, 0).verdict[SP_DELAY], 13);
	/* It began at 104 - 100 ms. */
	assert_int_equal(decide_at(d, &s, T0 + 4 * MS - 1), SP_DROP);
	assert_int_equal(decide_at(d, &s, T0 + 4 * MS), SP_DELAY);
	assert_int_equal(d->skel->bss->taken.release, T0 + 112 * MS);
}

/* Each segment has all headers and its Ethernet header; the packet is due when its last one is through. */
static void counts_the_segments_of_gso_packets(void **state)
{
	struct deciding *d = *state;

	for (int tcp = 0; tcp <= 1; tcp++)
		for (int family = 4; family <= 6; family += 2) {
			struct spec s = packet(family, tcp ? IPPROTO_TCP : IPPROTO_UDP, true);
			unsigned headers = 14 + (family == 4 ? 20 : 40) + (tcp ? 32 : 8);
			uint64_t bytes = 3000 + 15 * headers;

			deciding_reset(d);
			add_rate(d, MBIT);
			s.flags = ACK;
			s.tcp_options = tcp ? 12 : 0;
			s.payload = 3000; /* more is refused by BPF_PROG_TEST_RUN */
			d->skel->bss->given.segments = 15;
			assert_int_equal(decide_at(d, &s, T0), SP_DELAY);
			assert_int_equal(d->skel->bss->taken.release, T0 + bytes * 8000);
			assert_int_equal(d->skel->bss->taken.spacing, bytes * 8000 / 15);
			assert_int_equal(d->skel->bss->taken.plain, 1);
			assert_int_equal(counters_of(d, 0).verdict[SP_DELAY], 15);
		}
}

static void copies_take_their_time(void **state)
{
	struct deciding *d = *state;
	struct spec s = of_bytes(1000);

	add_rate(d, MBIT)->duplicate_below = SP_ALWAYS;
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(decide_at(d, &s, T0), SP_DUPLICATE);
		assert_int_equal(d->skel->bss->taken.copies, 1);
		assert_int_equal(d->skel->bss->taken.release, T0 + i * 2 * 8 * MS);
	}
}

/* Both directions have a path of their own, as have rules; flows share it. */
static void flows_share_the_path(void **state)
{
	struct deciding *d = *state;

	add_rate(d, MBIT);
	for (unsigned i = 0; i < 20; i++) {
		struct spec s = flow_packet(10 + i % 4, i & 1);

		s.payload = 1000 - UDP_HEADERS;
		assert_int_equal(decide_at(d, &s, T0), SP_DELAY);
		assert_int_equal(d->skel->bss->taken.release, T0 + (i / 2 + 1) * 8 * MS);
	}
}

/* The path is taken in the order of arrival; the delay is what lies behind it. */
static void delays_behind_the_path(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_rate(d, MBIT);

	r->delay_ns = 50 * MS;
	r->delay_below = SP_ALWAYS;
	for (unsigned i = 0; i < 5; i++) {
		struct spec s = of_bytes(1000);

		assert_int_equal(decide_at(d, &s, T0 + i * MS), SP_DELAY);
		assert_int_equal(d->skel->bss->taken.release, T0 + 50 * MS + (i + 1) * 8 * MS);
		assert_int_equal(d->skel->bss->taken.requested, 50 * MS);
	}
}

/* All that waits is let go then; the next window, or burst, begins with an empty queue. */
static void the_path_is_free_after_the_window(void **state)
{
	struct deciding *d = *state;

	for (int burst = 0; burst <= 1; burst++) {
		struct sp_rule *r = add_rate(d, MBIT);

		deciding_reset(d);
		r->length_ns = burst ? HOUR : 20 * MS;
		r->every_ns = burst ? HOUR : 30 * MS;
		r->times = burst ? 1 : 2;
		r->burst_on_ns = burst ? 20 * MS : 0;
		r->burst_off_ns = burst ? 10 * MS : 0;
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(release_of(d, 1000, T0), T0 + (i < 2 ? (i + 1) * 8 * MS : 20 * MS));
		assert_int_equal(receipt_of(d, 0).clipped, 8);
		assert_int_equal(release_of(d, 1000, T0 + 30 * MS), T0 + 38 * MS);
	}
}

/* Rules in series: what leaves one narrow path gets to the next. */
static void paths_in_series(void **state)
{
	struct deciding *d = *state;
	struct spec s = of_bytes(1000);
	struct modelled m;
	struct sp_rule *r;

	add_rate(d, MBIT);
	r = add_rule(d, 1);
	*r = d->skel->bss->rules[0];
	r->first_slot = 10;
	r->rate = MBIT / 2;
	model_flow(&m, d, &s, true, 2);
	for (unsigned i = 0; i < 10; i++) {
		model_packet(&m, T0, T0);
		assert_int_equal(d->skel->bss->taken.release, T0 + 8 * MS + (i + 1) * 16 * MS);
	}
}

/* A path with nothing on it takes all packets, however long a delay may be that one of them is drawn. */
static void no_delay_fills_the_queue(void **state)
{
	struct deciding *d = *state;

	for (unsigned variant = 0; variant < 2; variant++) {
		struct sp_rule *r = add_rate(d, 1000 * MBIT);
		struct spec s = of_bytes(106);
		struct modelled m;

		deciding_reset(d);
		r->delay_ns = 250 * MS;
		r->jitter_ns = variant ? 0 : 200 * MS;
		r->delay_below = variant ? PERCENT(10) : SP_ALWAYS;
		r->queue_ns = 100 * MS;
		model_flow(&m, d, &s, true, 1);
		for (unsigned i = 0; i < 300; i++)
			assert_int_equal(model_packet(&m, T0 + i * 10 * MS, T0), SP_DELAY);
		assert_int_equal(receipt_of(d, 0).overflow, 0);
	}
}

/* Nor does a flow that another rule delays keep its neighbours from the path. */
static void no_neighbours_delay_fills_the_queue(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r;

	r = add_rate(d, MBIT);
	r->rate = 0;
	r->delay_ns = 300 * MS;
	r->delay_below = SP_ALWAYS;
	r = add_rule(d, 1);
	*r = d->skel->bss->rules[0];
	r->first_slot = 10;
	r->delay_below = 0;
	r->rate = 1000 * MBIT;
	r->queue_ns = 100 * MS;
	for (unsigned i = 0; i < 200; i++) {
		struct spec s = flow_packet(i % 20 ? 5 : 6, true);
		uint64_t now = T0 + i * 10 * MS;

		d->skel->bss->given.match.w[0] = i % 20 ? 2 : 3;
		s.payload = 1000 - UDP_HEADERS;
		assert_int_equal(decide_at(d, &s, now), SP_DELAY);
		assert_int_equal(d->skel->bss->taken.release, now + (i % 20 ? 0 : 300 * MS) + 8000);
	}
	assert_int_equal(receipt_of(d, 10).overflow, 0);
}

/* Packets of 40 segments: none of these before its time, or before what is in front of it, or beyond the end of the window. */
static void spaces_segments_within_bounds(void **state)
{
	static const struct {
		uint64_t rate, burst_ns, delay_ns, second_delay_ns, length_ns;
	} cases[] = {
		{10 * MBIT, 800 * MS, 0, 0, HOUR},
		{10 * MBIT, 800 * MS, 30 * MS, 0, HOUR},
		{10 * MBIT, 10 * MS, 0, 0, HOUR},
		{20 * MBIT, 0, 0, 100 * MS, HOUR},
		{20 * MBIT, 20 * MS, 5 * MS, 100 * MS, HOUR},
		{MBIT / 20, 0, 0, 0, 3000 * MS},
		{1, 0, 0, 0, 2000 * MS}, /* one packet alone would take longer than T0 lasted */
		{1, 0, 10 * MS, 0, 2000 * MS},
	};
	struct deciding *d = *state;

	d->skel->bss->given.segments = 40;
	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		struct sp_rule *r = add_rate(d, cases[k].rate);
		struct spec s = of_bytes(2000);
		uint64_t last = 0;
		struct modelled m;

		deciding_reset(d);
		r->queue_ns = ~0ULL >> 1;
		r->burst_ns = cases[k].burst_ns;
		r->length_ns = cases[k].length_ns;
		r->delay_ns = cases[k].delay_ns;
		r->delay_below = cases[k].delay_ns ? SP_ALWAYS : 0;
		r = add_rule(d, 1);
		r->flags = SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT;
		r->delay_ns = r->jitter_ns = cases[k].second_delay_ns;
		r->delay_below = cases[k].second_delay_ns ? SP_ALWAYS : 0;
		r->length_ns = cases[k].length_ns;
		model_flow(&m, d, &s, true, 2);
		for (unsigned i = 0; i < 20; i++) {
			uint64_t now = T0 + 1900 * MS + i * MS, first, release;

			assert_int_equal(model_packet(&m, now, T0), SP_DELAY);
			first = d->skel->bss->taken.first;
			release = d->skel->bss->taken.release;
			assert_true(first >= now + cases[k].delay_ns || first == T0 + cases[k].length_ns);
			assert_true(first >= last);
			assert_true(first + 39 * d->skel->bss->taken.spacing <= release);
			assert_true(release <= T0 + cases[k].length_ns);
			last = release;
		}
	}
}

/* What fits into the burst goes as it came, in one piece or many. */
static void a_burst_takes_gso_packets_whole(void **state)
{
	struct deciding *d = *state;

	add_rate(d, 10 * MBIT)->burst_ns = 800 * MS;
	d->skel->bss->given.segments = 40;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(release_of(d, 2000, T0 + i), T0 + i);
		assert_int_equal(d->skel->bss->taken.first, T0 + i);
		assert_int_equal(d->skel->bss->taken.spacing, 0);
	}
}

/* Sizes, times, segments, copies, jitter, burst and a queue that overflows now and then: as the model has it. */
static void is_as_modelled(void **state)
{
	struct deciding *d = *state;

	for (unsigned variant = 0; variant < 6; variant++) {
		struct sp_rule *r = add_rate(d, variant & 1 ? 10 * MBIT : 1234567);
		struct spec s = flow_packet(3, true);
		uint64_t now = T0;
		struct modelled m;

		deciding_reset(d);
		r->burst_ns = variant & 2 ? 20 * MS : 0;
		r->queue_ns = 100 * MS;
		r->delay_ns = variant < 4 ? 0 : 20 * MS;
		r->jitter_ns = variant < 4 ? 0 : 10 * MS;
		r->delay_below = variant < 4 ? 0 : SP_ALWAYS;
		r->duplicate_below = PERCENT(3);
		r->reorder_below = PERCENT(2);
		r->reorder_by_ns = MS;
		model_flow(&m, d, &s, true, 1);
		for (unsigned i = 0; i < MANY; i++) {
			m.spec.payload = mix64(i) % 1400;
			d->skel->bss->given.segments = mix64(i + MANY) % 16 ? 1 : 4;
			now += mix64(i + 2 * MANY) % (700000 + i / 500 % 2 * 1500000);
			model_packet(&m, now, T0);
		}
		expect_counts_as_modelled(&m);
		if (!(variant & 1))
			assert_true(m.pipes[0].overflow > 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, deciding_open, deciding_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(serialises_to_the_nanosecond),
		TEST(rounds_down_to_the_nanosecond),
		TEST(lets_a_burst_go_ahead),
		TEST(drops_what_finds_the_queue_full),
		TEST(counts_the_segments_of_gso_packets),
		TEST(copies_take_their_time),
		TEST(flows_share_the_path),
		TEST(delays_behind_the_path),
		TEST(the_path_is_free_after_the_window),
		TEST(paths_in_series),
		TEST(no_delay_fills_the_queue),
		TEST(no_neighbours_delay_fills_the_queue),
		TEST(spaces_segments_within_bounds),
		TEST(a_burst_takes_gso_packets_whole),
		TEST(is_as_modelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
