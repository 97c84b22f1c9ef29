/* SPDX-License-Identifier: BSD-2-Clause */
/* disconnects: when each connection is reset, by the clock and the seed that the test chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "chance.bpf.h"
#include "packet/deciding.h"

#define SECOND 1000000000ULL
#define MEAN (120 * SECOND)
#define MANY 4000
/* Of a right sample of any size one in 1000 is farther from its distribution (Kolmogorov): / sqrt(n). */
#define FARTHEST 1.95
/* The logarithm's error, as chance.bpf.h states it, in times of the mean. */
#define LOG_ERROR (1.0 / (1 << LOG_BITS))

static struct sp_rule *add_disconnects(struct deciding *d)
{
	struct sp_rule *r = add_rule(d, 0);

	r->meaning = SP_MEANS_DISCONNECTS;
	r->amount = MEAN;
	r->every_ns = 2 * HOUR;
	r->times = 2;
	return r;
}

static struct spec segment(unsigned flow, bool out, uint8_t flags)
{
	struct spec s = flow_packet(flow, out);

	s.proto = IPPROTO_TCP;
	s.flags = flags;
	return s;
}

static struct sp_state state_of(struct deciding *d, const struct spec *s, bool out, uint32_t slot)
{
	struct sp_state state;
	struct sp_flow_key key;

	flow_of(s, out, &key);
	key.slot = slot;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(d->skel->maps.states), &key, &state), 0);
	return state;
}

static uint64_t due_of(struct deciding *d, const struct spec *s, uint32_t slot)
{
	return state_of(d, s, true, slot).due_ns;
}

/* From the rule's text: an exponential distribution's inverse, of the flow's draw in this window. */
static double expected_life(const struct sp_rule *r, const struct spec *s, uint32_t instance)
{
	uint32_t lot = draw(window_seed(r->seed, instance), DRAW_DISCONNECT, hash_of(s, true), 0, 0);

	return r->amount * -log((2.0 * lot + 1) / (2.0 * SP_ALWAYS));
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How far the sample lies from an exponential distribution of mean 1, at most. */
static double distance(double *sample, size_t n)
{
	double farthest = 0;

	qsort(sample, n, sizeof(*sample), by_value);
	for (size_t i = 0; i < n; i++) {
		double cdf = 1 - exp(-sample[i]), below = cdf - (double)i / n, above = (i + 1.0) / n - cdf;

		farthest = fmax(farthest, fmax(below, above));
	}
	return farthest;
}

static void times_are_exponential(void **state)
{
	static double lives[MANY];
	struct deciding *d = *state;
	struct sp_rule *r = add_disconnects(d);

	for (uint32_t instance = 0; instance < 2; instance++) {
		uint64_t opens = T0 + instance * r->every_ns;

		for (unsigned i = 0; i < MANY; i++) {
			struct spec s = segment(i, true, ACK);
			double life;

			decide_at(d, &s, opens + i);
			life = due_of(d, &s, instance) - opens;
			assert_true(fabs(life - expected_life(r, &s, instance)) < MEAN * LOG_ERROR + 1);
			lives[i] = life / MEAN;
		}
		assert_true(distance(lives, MANY) < FARTHEST / sqrt(MANY));
		deciding_reset(d);
	}
}

/* Not just that the test above passes whatever comes. */
static void distance_tells_distributions_apart(void **state)
{
	static double sample[MANY];

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		sample[i] = -log((i + 0.5) / MANY) * 1.1;
	assert_true(distance(sample, MANY) > FARTHEST / sqrt(MANY));
	for (unsigned i = 0; i < MANY; i++)
		sample[i] = 2 * (i + 0.5) / MANY;
	assert_true(distance(sample, MANY) > FARTHEST / sqrt(MANY));
}

static void resets_at_its_time_to_the_nanosecond(void **state)
{
	struct deciding *d = *state;
	uint8_t kinds[] = {ACK, PSH | ACK, FIN | ACK};

	add_disconnects(d);
	for (unsigned i = 0; i < 100; i++) {
		bool out = i & 1;
		struct spec s = segment(i, out, kinds[i % 3]);
		uint64_t due;

		if (decide_at(d, &s, T0) == SP_RESET)
			fail_msg("flow %u: in the first instant", i);
		due = state_of(d, &s, out, 0).due_ns;
		if (due >= T0 + HOUR)
			continue;
		assert_int_equal(decide_at(d, &s, due - 1), SP_PASS);
		assert_int_equal(decide_at(d, &s, due), SP_RESET);
		assert_int_equal(decide_at(d, &s, due + SECOND), SP_RESET); /* until it has died */
	}
}

/* Both directions share one time. */
static void directions_share_the_time(void **state)
{
	struct deciding *d = *state;
	struct spec out = segment(7, true, ACK), in = segment(7, false, ACK);
	uint64_t due;

	add_disconnects(d);
	decide_at(d, &out, T0 + 5);
	due = due_of(d, &out, 0);
	assert_int_equal(decide_at(d, &in, due - 1), SP_PASS);
	assert_int_equal(decide_at(d, &in, due), SP_RESET);
}

static void counts_from_the_syn_of_a_new_connection(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_disconnects(d);
	struct spec syn = segment(3, true, SYN), answer = segment(3, false, SYN | ACK);
	struct spec data = segment(3, true, PSH | ACK);
	uint64_t at = T0 + 1000 * SECOND, due = at + (uint64_t)expected_life(r, &data, 0), before;

	answer.ack = syn.seq + 1;
	assert_int_equal(decide_at(d, &syn, at), SP_PASS);
	assert_in_range(due_of(d, &syn, 0), due - 1000, due + 1000);
	before = due_of(d, &syn, 0);
	/* Sent again, and answered, even when it is due. */
	assert_int_equal(decide_at(d, &syn, at + 3 * SECOND), SP_PASS);
	assert_int_equal(decide_at(d, &answer, before + 1), SP_PASS);
	assert_int_equal(due_of(d, &syn, 0), before);
	assert_int_equal(decide_at(d, &data, before), SP_RESET);
	/* The ports are used again: another connection, with the time that it has before it. */
	syn.seq += 12345;
	assert_int_equal(decide_at(d, &syn, before + SECOND), SP_PASS);
	assert_int_equal(decide_at(d, &data, before + SECOND), SP_PASS);
	assert_int_equal(due_of(d, &syn, 0) - (before + SECOND), before - at);
}

/* Where the target has but the direction of the answers, these open a connection. */
static void counts_from_the_answer_where_the_syn_is_not_seen(void **state)
{
	struct deciding *d = *state;
	struct spec answer = segment(3, false, SYN | ACK), again = answer;
	uint64_t due;

	add_disconnects(d);
	decide_at(d, &answer, T0 + 9 * SECOND);
	due = state_of(d, &answer, false, 0).due_ns;
	again.seq += 17; /* as from another cookie: what it acknowledges tells the connection */
	decide_at(d, &again, T0 + 10 * SECOND);
	assert_int_equal(state_of(d, &answer, false, 0).due_ns, due);
	again.ack += 17;
	decide_at(d, &again, T0 + 10 * SECOND);
	assert_int_equal(state_of(d, &answer, false, 0).due_ns, due + SECOND);
}

static void leaves_the_rest_alone(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_disconnects(d);
	struct spec rst = segment(1, true, RST | ACK), udp = flow_packet(1, true),
		    data = segment(1, true, ACK);

	r->amount = 1;
	assert_int_equal(decide_at(d, &data, T0 + 100), SP_RESET);
	assert_int_equal(decide_at(d, &rst, T0 + 100), SP_PASS);
	assert_int_equal(decide_at(d, &udp, T0 + 100), SP_PASS);
	r->flow_below = 0; /* percent */
	assert_int_equal(decide_at(d, &data, T0 + 100), SP_PASS);
}

/* What the first burst has not seen opened counts from the burst that sees it. */
static void bursts(void **state)
{
	struct deciding *d = *state;
	struct sp_rule *r = add_disconnects(d);
	struct spec first = segment(1, true, ACK), second = segment(2, true, ACK);
	uint64_t burst = T0 + 20 * SECOND;

	r->burst_on_ns = 5 * SECOND;
	r->burst_off_ns = 15 * SECOND;
	decide_at(d, &first, T0 + SECOND);
	assert_in_range(due_of(d, &first, 0) - T0, (uint64_t)expected_life(r, &first, 0) - 1000,
			(uint64_t)expected_life(r, &first, 0) + 1000);
	assert_int_equal(decide_at(d, &second, T0 + 10 * SECOND), NONE);
	decide_at(d, &second, burst + SECOND);
	assert_in_range(due_of(d, &second, 0) - burst, (uint64_t)expected_life(r, &second, 0) - 1000,
			(uint64_t)expected_life(r, &second, 0) + 1000);
}

/* tests/lab/test_disconnects.py has the same. */
static void known_answers(void **state)
{
	static const struct {
		uint32_t lot;
		uint32_t minus_ln;
		uint64_t of_a_minute;
	} known[] = {
		{0, 3070077111, 1372431417256},
		{1, 2922623866, 1306514680087},
		{0x80000000, 93032639, 41588830500},
		{0xdeadbeef, 18716332, 8366852402},
		{0xffffffff, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		assert_int_equal(minus_ln(known[i].lot), known[i].minus_ln);
		assert_int_equal(exponential(60 * SECOND, known[i].lot), known[i].of_a_minute);
	}
}

static void logarithm_is_as_exact_as_stated(void **state)
{
	(void)state;
	for (uint64_t lot = 0; lot < SP_ALWAYS; lot += lot < 70000 || lot > SP_ALWAYS - 70000 ? 1 : 70001) {
		double exact = -log((2.0 * lot + 1) / (2.0 * SP_ALWAYS));

		if (fabs(minus_ln(lot) - ldexp(exact, LOG_BITS)) >= 1)
			fail_msg("lot %llu", (unsigned long long)lot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(logarithm_is_as_exact_as_stated),
		cmocka_unit_test(distance_tells_distributions_apart),
		cmocka_unit_test_setup_teardown(times_are_exponential, deciding_open, deciding_close),
		cmocka_unit_test_setup_teardown(resets_at_its_time_to_the_nanosecond, deciding_open,
						deciding_close),
		cmocka_unit_test_setup_teardown(directions_share_the_time, deciding_open, deciding_close),
		cmocka_unit_test_setup_teardown(counts_from_the_syn_of_a_new_connection, deciding_open,
						deciding_close),
		cmocka_unit_test_setup_teardown(counts_from_the_answer_where_the_syn_is_not_seen,
						deciding_open, deciding_close),
		cmocka_unit_test_setup_teardown(leaves_the_rest_alone, deciding_open, deciding_close),
		cmocka_unit_test_setup_teardown(bursts, deciding_open, deciding_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
