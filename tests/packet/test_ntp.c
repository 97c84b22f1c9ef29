/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ntp: in a server's answers the receive and the transmit time stamp are off by exactly what the rule says, the checksum agrees,
 * and every other byte is as it was. What is no answer, or has no time in it, is left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "chance.bpf.h"
#include "packet/deciding.h"
#include "packet/frame.h"
#include "packet/pair.h"
#include "packet/pipe.h"
#include "packet/single.h"
#include "packet/wrapped.h"

#define LENGTH(list) (sizeof(list) / sizeof(*(list)))
#define NTP_PORT 123
#define ANSWER_SIZE 48
#define MAC_SIZE 20
#define MOST (ANSWER_SIZE + 2 * MAC_SIZE)
#define RECEIVE_AT 32
#define TRANSMIT_AT 40
#define SKEW_NS (NS_PER_MS / 10)
#define SECOND (1LL << 32) /* in 32.32 bits */

static struct plan_fault ntp(int64_t from_ns, int64_t to_ns, uint64_t over_ns)
{
	return (struct plan_fault){.meaning = PLAN_MEANS_NTP,
				   .ntp_from_ns = from_ns,
				   .ntp_to_ns = to_ns,
				   .ntp_over_ns = over_ns,
				   .meaning_below = PLAN_ALWAYS};
}

static uint64_t read_time(const uint8_t *at)
{
	uint64_t time;

	memcpy(&time, at, sizeof(time));
	return be64toh(time);
}

static void write_time(uint8_t *at, uint64_t time)
{
	time = htobe64(time);
	memcpy(at, &time, sizeof(time));
}

/* A version 4 answer of stratum 2, with a MAC's worth of bytes behind it. */
static void fill_answer(uint8_t *data)
{
	for (unsigned i = 0; i < MOST; i++)
		data[i] = i * 29 + 1;
	data[0] = 4 << 3 | 4;
	data[1] = 2;
	write_time(data + RECEIVE_AT, 0xe9a1b2c3d4e5f607);
	write_time(data + TRANSMIT_AT, 0xe9a1b2c3d4f00000);
}

static struct spec answer(int family, bool out, const uint8_t *data, unsigned size)
{
	struct spec s = packet(family, IPPROTO_UDP, out);

	s.from.port = NTP_PORT;
	s.data = data;
	s.payload = size;
	return s;
}

/* The packet comes out with the other payload, and is else as it went in. */
static void expect_becomes(struct spec s, bool out, uint32_t flags, const uint8_t *after)
{
	struct frame f;

	frame_build(&s, &f);
	pass_frame(&f, out, flags);
	s.data = after;
	expect_frame(&s, ran.frame, ran.len);
}

static void shift(const uint8_t *data, int64_t offset, uint8_t *ret_after)
{
	memcpy(ret_after, data, MOST);
	write_time(ret_after + RECEIVE_AT, read_time(data + RECEIVE_AT) + offset);
	write_time(ret_after + TRANSMIT_AT, read_time(data + TRANSMIT_AT) + offset);
}

static void shifts_both_times(void **state)
{
	static const struct {
		int64_t ns, offset;
	} list[] = {
		{80 * (int64_t)NS_PER_MS, 80 * SECOND / 1000},
		{-80 * (int64_t)NS_PER_MS, -80 * SECOND / 1000},
		{1, 4},
		{3600 * (int64_t)NS_PER_S, 3600 * SECOND},
		{-86400 * (int64_t)NS_PER_S, -86400 * SECOND},
		{0, 0},
	};
	uint8_t data[MOST], after[MOST];

	(void)state;
	fill_answer(data);
	for (unsigned i = 0; i < LENGTH(list); i++) {
		struct plan_fault fault = ntp(list[i].ns, list[i].ns, 0);
		unsigned n = 0;
		bool complete;

		open_scene(&fault, 1);
		complete = can_complete(scene_program(scene, SP_HOOK_TC_IN), scene->interface.ifindex);
		shift(data, list[i].offset, after);
		for (unsigned variant = 0; variant < 2 * 2 * 3 * 3; variant++) {
			bool out = variant & 1;
			struct spec s =
				answer(variant & 2 ? 6 : 4, out, data, ANSWER_SIZE + variant / 12 * MAC_SIZE);

			vary_headers(&s, variant);
			data[0] = after[0] = variant & 4 ? 3 << 3 | 4 : 3 << 6 | 4 << 3 | 4;
			expect_becomes(s, out, 0, after);
			n++;
			if (out || !complete)
				continue;
			/* The kernel itself finds the device's sum over the packet true, or the run fails. */
			expect_becomes(s, out, TEST_CHECKSUM_COMPLETE, after);
			n++;
		}
		expect_counted(n, 0, 0);
		close_scene(NULL);
	}
}

/* The times begin again at 0 every 136 years, and 0 itself says that there is none. */
static void goes_over_the_era(void **state)
{
	static const struct {
		uint64_t before;
		int64_t seconds;
		uint64_t after;
	} list[] = {
		{0xffffffff80000000, 1, 0x0000000080000000},
		{0x0000000080000000, -1, 0xffffffff80000000},
		{0xffffffff00000000, 1, 1},
		{0, 1, 0},
	};

	(void)state;
	for (unsigned i = 0; i < LENGTH(list); i++) {
		struct plan_fault fault =
			ntp(list[i].seconds * (int64_t)NS_PER_S, list[i].seconds * (int64_t)NS_PER_S, 0);
		uint8_t data[MOST], after[MOST];

		open_scene(&fault, 1);
		fill_answer(data);
		shift(data, list[i].seconds * SECOND, after);
		write_time(data + RECEIVE_AT, list[i].before);
		write_time(after + RECEIVE_AT, list[i].after);
		expect_becomes(answer(4, false, data, ANSWER_SIZE), false, 0, after);
		expect_counted(1, 0, 0);
		close_scene(NULL);
	}
}

static void leaves_all_else_alone(void **state)
{
	static const struct {
		uint8_t first, stratum;
		unsigned size;
	} list[] = {
		{4 << 3 | 3, 2, ANSWER_SIZE},     /* a question */
		{4 << 3 | 1, 2, ANSWER_SIZE},     /* symmetric */
		{4 << 3 | 2, 2, ANSWER_SIZE},     /* ... */
		{4 << 3 | 5, 2, ANSWER_SIZE},     /* broadcast */
		{4 << 3 | 6, 2, ANSWER_SIZE},     /* control */
		{4 << 3 | 7, 2, ANSWER_SIZE},     /* private */
		{2 << 3 | 4, 2, ANSWER_SIZE},     /* other versions */
		{5 << 3 | 4, 2, ANSWER_SIZE},     /* ... */
		{4 << 3 | 4, 0, ANSWER_SIZE},     /* kiss-o'-death */
		{4 << 3 | 4, 2, ANSWER_SIZE - 1}, /* cut */
		{4 << 3 | 4, 2, 1},
		{4 << 3 | 4, 2, 0},
	};
	struct plan_fault fault = ntp(NS_PER_S, NS_PER_S, 0);
	uint8_t data[MOST];
	unsigned n = 0;
	struct spec s;

	(void)state;
	open_scene(&fault, 1);
	for (unsigned i = 0; i < 4 * LENGTH(list); i++) {
		fill_answer(data);
		data[0] = list[i / 4].first;
		data[1] = list[i / 4].stratum;
		s = answer(i & 1 ? 6 : 4, i & 2, data, list[i / 4].size);
		s.padding = 10;
		expect_becomes(s, i & 2, 0, data);
		n++;
	}
	fill_answer(data);
	write_time(data + TRANSMIT_AT, 0);
	expect_becomes(answer(4, false, data, ANSWER_SIZE), false, 0, data);
	fill_answer(data);
	s = answer(4, false, data, ANSWER_SIZE);
	s.proto = IPPROTO_TCP;
	s.flags = PSH | ACK;
	expect_becomes(s, false, 0, data);
	expect_counted(0, n + 2, 0);
}

/* Of fragments the rest is not there; AH vouches for what is. */
static void leaves_bound_answers_alone(void **state)
{
	struct plan_fault fault = ntp(NS_PER_S, NS_PER_S, 0);
	uint8_t data[MOST];

	(void)state;
	open_scene(&fault, 1);
	fill_answer(data);
	for (unsigned i = 0; i < 3; i++) {
		struct spec s = answer(i ? 6 : 4, false, data, ANSWER_SIZE);

		s.more_fragments = i < 2;
		s.n_extensions = i > 0;
		s.extensions[0] = i == 1 ? IPPROTO_FRAGMENT : IPPROTO_AH;
		expect_becomes(s, false, 0, data);
	}
	expect_counted(0, 3, 3);
}

static void leaves_a_missing_checksum_missing(void **state)
{
	struct plan_fault fault = ntp(NS_PER_S, NS_PER_S, 0);
	uint8_t data[MOST], after[MOST];
	struct frame f;

	(void)state;
	open_scene(&fault, 1);
	fill_answer(data);
	shift(data, SECOND, after);
	for (unsigned i = 0; i < 2; i++) {
		struct spec s = answer(4, i, data, ANSWER_SIZE);

		frame_build(&s, &f);
		f.data[f.l4 + 6] = f.data[f.l4 + 7] = 0;
		pass_frame(&f, i, 0);
		memcpy(f.data + f.payload, after, ANSWER_SIZE);
		expect_untouched(&f);
	}
}

/* A sum that comes out as 0 is written as 0xffff, or it would mean that there is none. */
static void writes_no_zero(void **state)
{
	struct plan_fault fault = ntp(NS_PER_S, NS_PER_S, 0);
	uint8_t data[MOST], after[MOST];
	struct frame f;
	struct spec s;
	uint16_t sum;

	(void)state;
	open_scene(&fault, 1);
	fill_answer(data);
	data[46] = data[47] = 0;
	shift(data, SECOND, after);
	s = answer(4, false, after, ANSWER_SIZE);
	frame_build(&s, &f);
	sum = (uint16_t)(f.data[f.l4 + 6] << 8 | f.data[f.l4 + 7]);
	data[46] = after[46] = sum >> 8;
	data[47] = after[47] = sum;
	expect_becomes(answer(4, false, data, ANSWER_SIZE), false, 0, after);
	assert_int_equal(ran.frame[f.l4 + 6], 0xff);
	assert_int_equal(ran.frame[f.l4 + 7], 0xff);
}

static void draws_each_answer(void **state)
{
	struct plan_fault fault = ntp(NS_PER_S, NS_PER_S, 0);
	uint8_t data[MOST], after[MOST];
	unsigned altered = 0;
	struct spec s;

	(void)state;
	fault.meaning_below = PERCENT(30);
	open_scene(&fault, 1);
	fill_answer(data);
	s = answer(4, false, data, ANSWER_SIZE);
	shift(data, SECOND, after);
	for (unsigned i = 0; i < 300; i++) {
		bool hit =
			draw(SCENE_SEED, DRAW_ANSWER, hash_of(&s, false), SP_DIR_IN, i) < fault.meaning_below;

		expect_becomes(s, false, 0, hit ? after : data);
		altered += hit;
	}
	assert_in_range(altered, 50, 150);
	expect_counted(altered, 300 - altered, 0);
}

/* By how much an answer is off now, in 32.32 bits. */
static int64_t offset_now(void)
{
	uint8_t data[MOST];
	uint64_t receive, transmit;
	struct spec s;
	struct frame f;

	fill_answer(data);
	s = answer(4, false, data, ANSWER_SIZE);
	frame_build(&s, &f);
	pass_frame(&f, false, 0);
	receive = read_time(ran.frame + f.payload + RECEIVE_AT) - read_time(data + RECEIVE_AT);
	transmit = read_time(ran.frame + f.payload + TRANSMIT_AT) - read_time(data + TRANSMIT_AT);
	assert_int_equal(receive, transmit);
	return (int64_t)receive;
}

static int64_t offset_at(const struct plan_fault *f, uint64_t since)
{
	__int128 span =
		(__int128)(f->ntp_to_ns - f->ntp_from_ns) * (since < f->ntp_over_ns ? since : f->ntp_over_ns);

	return (int64_t)((f->ntp_from_ns + span / (__int128)f->ntp_over_ns) * SECOND / (__int128)NS_PER_S);
}

/* What the rule says lies between these, now: two clocks may disagree by SKEW_NS. */
static void expect_offset(const struct plan_fault *fault, uint64_t opened)
{
	uint64_t before = clock_mono_ns() - opened, after;
	int64_t first, now, last, rounding;

	now = offset_now();
	after = clock_mono_ns() - opened;
	first = offset_at(fault, before > SKEW_NS ? before - SKEW_NS : 0);
	last = offset_at(fault, after + SKEW_NS);
	rounding = 10 + llabs(fault->ntp_to_ns - fault->ntp_from_ns) / (int64_t)NS_PER_S;
	assert_true(now >= (first < last ? first : last) - rounding);
	assert_true(now <= (first < last ? last : first) + rounding);
}

static void expect_drift(const struct plan_fault *fault, uint64_t since)
{
	struct sp_rule *rule = &scene->skel->bss->rules[0];

	rule->start_ns = clock_mono_ns() - since;
	rule->length_ns = rule->every_ns = 2 * 3600 * NS_PER_S;
	expect_offset(fault, rule->start_ns);
}

static void drifts(void **state)
{
	static const int64_t hour = 3600 * (int64_t)NS_PER_S;
	const struct plan_fault list[] = {
		ntp(80 * (int64_t)NS_PER_MS, -80 * (int64_t)NS_PER_MS, 4 * NS_PER_S),
		ntp(-80 * (int64_t)NS_PER_MS, 80 * (int64_t)NS_PER_MS, 4 * NS_PER_S),
		ntp(0, hour, hour),
		ntp(-hour, hour, 4 * NS_PER_S),
		ntp(5, 24 * hour, 100 * hour),
		ntp(1000, -1000, 1),
	};
	/* A machine that was just started has no longer past. */
	static const unsigned at_ms[] = {0, 1, 100, 1000, 2000, 3500, 3999, 4000, 4100};

	(void)state;
	for (unsigned i = 0; i < LENGTH(list); i++) {
		open_scene(&list[i], 1);
		for (unsigned j = 0; j < LENGTH(at_ms); j++)
			expect_drift(&list[i], at_ms[j] * NS_PER_MS);
		close_scene(NULL);
	}
}

/* The drift begins anew with each window. */
static void drifts_in_each_window(void **state)
{
	struct plan_fault fault = ntp(0, 1000 * (int64_t)NS_PER_S, 1000 * NS_PER_S);
	struct sp_rule *rule;

	(void)state;
	open_scene(&fault, 1);
	rule = &scene->skel->bss->rules[0];
	rule->every_ns = rule->length_ns = 3 * NS_PER_S;
	rule->times = 2;
	rule->start_ns = clock_mono_ns() - 3100 * NS_PER_MS;
	rule->first_slot = -1U; /* of the second window: 0 */
	expect_offset(&fault, rule->start_ns + rule->every_ns);
}

static void shifts_what_devices_complete(void **state)
{
	struct plan_fault fault = ntp(NS_PER_S, NS_PER_S, 0);
	uint8_t data[MOST], after[MOST];
	unsigned n = 0;

	(void)state;
	open_scene(&fault, 1);
	attach_scene();
	fill_answer(data);
	shift(data, SECOND, after);
	for (unsigned variant = 0; variant < 2 * 2 * 2 * 2; variant++) {
		struct spec s = answer(variant & 2 ? 6 : 4, true, data, ANSWER_SIZE);

		s.vlans = variant & 4 ? 1 : 0;
		wrapped_offload(variant & 1);
		wrapped_send_spec(&s, true, variant & 8 ? PARTIAL : FULL);
		s.data = after;
		expect_captured(far_fd, &s);
		n++;
	}
	assert_true(capture_is_silent(far_fd, near_fd));
	expect_counted(n, 0, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shifts_both_times),
		TEST(goes_over_the_era),
		TEST(leaves_all_else_alone),
		TEST(leaves_bound_answers_alone),
		TEST(leaves_a_missing_checksum_missing),
		TEST(writes_no_zero),
		TEST(draws_each_answer),
		TEST(drifts),
		TEST(drifts_in_each_window),
		TEST(shifts_what_devices_complete),
	};

	return cmocka_run_group_tests(tests, pair_open, pair_close);
}
