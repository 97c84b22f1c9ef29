/* SPDX-License-Identifier: BSD-2-Clause */
/* How large a delay line a plan asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/types.h>

#include "abi.h"
#include "base/timeutil.h"
#include "kernel/line_need.h"

#define MIB (1ULL << 20)
#define LEAST_PARCELS 131072
#define LEAST_MEMORY (32 * MIB)

static struct line_need need_of(struct plan_step *steps, size_t n)
{
	const struct plan plan = {.steps = steps, .n_steps = n};
	struct line_need need;

	line_need(&plan, &need);
	return need;
}

/* One window from at to at + length, in seconds. */
static struct plan_step step(uint64_t at, uint64_t length, const struct plan_fault *fault)
{
	return (struct plan_step){.fault = *fault,
				  .window = {.at_ns = at * NS_PER_S,
					     .for_ns = length * NS_PER_S,
					     .every_ns = length * NS_PER_S,
					     .times = 1}};
}

static struct line_need need_of_fault(const struct plan_fault *fault)
{
	struct plan_step one = step(0, 10, fault);

	return need_of(&one, 1);
}

static struct plan_fault delay(uint64_t delay_ns, uint64_t jitter_ns)
{
	return (struct plan_fault){.delay_ns = delay_ns, .jitter_ns = jitter_ns, .delay_below = PLAN_ALWAYS};
}

static void none(void **state)
{
	const struct plan_fault loss = {.drop_below = 1000, .reset_ends = PLAN_END_LOCAL},
				valid = {.corrupt_below = 1000, .corrupt_valid = true},
				copies = {.duplicate_below = 1000};
	struct line_need need = need_of_fault(&loss);

	(void)state;
	assert_false(need.line);
	assert_false(need.user);
	assert_int_equal(need.parcels, 1);
	assert_int_equal(need.memory, 0);
	assert_false(need_of_fault(&valid).line);
	assert_false(need_of_fault(&copies).line);
	assert_false(need_of(NULL, 0).line);
}

static void which_line(void **state)
{
	const struct plan_fault d = delay(NS_PER_MS, 0), rate = {.rate = 125000},
				wrong = {.corrupt_below = 1},
				reorder = {.reorder_below = 1, .reorder_by_ns = NS_PER_MS};

	(void)state;
	assert_true(need_of_fault(&d).line);
	assert_false(need_of_fault(&d).user);
	assert_true(need_of_fault(&reorder).line);
	assert_false(need_of_fault(&reorder).user);
	assert_true(need_of_fault(&rate).user);
	assert_true(need_of_fault(&wrong).user);
	assert_true(need_of_fault(&wrong).line);
}

static void by_delay(void **state)
{
	static const struct {
		uint64_t delay_ms, jitter_ms;
		uint32_t parcels;
		uint64_t memory;
	} cases[] = {
		{0, 0, LEAST_PARCELS, LEAST_MEMORY},
		{1, 0, LEAST_PARCELS, LEAST_MEMORY},
		{16, 0, LEAST_PARCELS, LEAST_MEMORY},
		{50, 0, LEAST_PARCELS, 62500000}, /* 50 ms of 1,250,000,000 bytes a second */
		{131, 0, LEAST_PARCELS, 163750000},
		{132, 0, 262144, 165000000},
		{122, 10, 262144, 165000000},
		{250, 30, 524288, 256 * MIB},
		{1049, 0, SP_MAX_PARCELS, 256 * MIB},
		{60000, 0, SP_MAX_PARCELS, 256 * MIB},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct plan_fault f = delay(cases[i].delay_ms * NS_PER_MS, cases[i].jitter_ms * NS_PER_MS);
		struct line_need need = need_of_fault(&f);

		assert_int_equal(need.longest_ns, (cases[i].delay_ms + cases[i].jitter_ms) * NS_PER_MS);
		assert_int_equal(need.parcels, cases[i].parcels);
		assert_int_equal(need.memory, cases[i].memory);
	}
}

/* The tails of the tables, and what is held back to be overtaken. */
static void longest(void **state)
{
	struct plan_fault f = delay(100 * NS_PER_MS, 10 * NS_PER_MS);

	(void)state;
	f.distribution = PLAN_NORMAL;
	assert_int_equal(need_of_fault(&f).longest_ns, 140 * NS_PER_MS);
	f.distribution = PLAN_UNIFORM;
	f.reorder_by_ns = 5 * NS_PER_MS;
	assert_int_equal(need_of_fault(&f).longest_ns, 115 * NS_PER_MS);
	f.delay_below = 0;
	assert_int_equal(need_of_fault(&f).longest_ns, 5 * NS_PER_MS);
}

static void overlapping_steps_add_up(void **state)
{
	const struct plan_fault a = delay(10 * NS_PER_MS, 0), b = delay(20 * NS_PER_MS, 0),
				c = delay(25 * NS_PER_MS, 0), loss = {.drop_below = 1};
	struct plan_step apart[] = {step(0, 10, &a), step(10, 10, &b), step(20, 10, &c)},
			 two[] = {step(0, 30, &a), step(10, 5, &b), step(15, 5, &c)},
			 other[] = {step(5, 10, &b), step(0, 10, &a), step(14, 1, &loss)};

	(void)state;
	assert_int_equal(need_of(apart, 3).longest_ns, 25 * NS_PER_MS);
	assert_int_equal(need_of(two, 3).longest_ns, 35 * NS_PER_MS);
	assert_int_equal(need_of(other, 3).longest_ns, 30 * NS_PER_MS);
	/* A window that comes again may meet any that lies between its first opening and its last closing. */
	apart[0].window.times = 3;
	apart[0].window.every_ns = 10 * NS_PER_S;
	assert_int_equal(need_of(apart, 3).longest_ns, 35 * NS_PER_MS);
}

static void queue_of_a_rate(void **state)
{
	struct plan_fault f = {.rate = 125000};
	struct line_need need = need_of_fault(&f);

	(void)state;
	/* 1000 packets of 1514 bytes, or so many bytes in the shortest ones */
	assert_int_equal(need.longest_ns, 0);
	assert_int_equal(need.parcels, LEAST_PARCELS);
	assert_int_equal(need.memory, LEAST_MEMORY + 2 * 1514000);
	/* 100 ms of a fast one, where packets can't come faster than 1,000,000 a second */
	f.rate = 1250000000;
	need = need_of_fault(&f);
	assert_int_equal(need.parcels, 131072);
	assert_int_equal(need.memory, LEAST_MEMORY + 2 * 125000000);
	f.rate = UINT64_MAX;
	need = need_of_fault(&f);
	assert_int_equal(need.parcels, 131072);
	assert_int_equal(need.memory, LEAST_MEMORY + 256 * MIB);
	f.rate = 1;
	assert_int_equal(need_of_fault(&f).parcels, LEAST_PARCELS);
	/* beside what a delay needs */
	f = delay(100 * NS_PER_MS, 0);
	f.rate = 125000;
	need = need_of_fault(&f);
	assert_int_equal(need.parcels, 262144);
	assert_int_equal(need.memory, 125000000 + 2 * 1514000);
}

/* All rules at their longest, all at once: within bounds, nothing wraps. */
static void everything(void **state)
{
	static struct plan_step steps[PLAN_MAX_RULES];
	struct plan_fault f = delay(60 * NS_PER_S, 60 * NS_PER_S);
	struct line_need need;

	(void)state;
	f.distribution = PLAN_PARETO;
	f.rate = UINT64_MAX;
	for (size_t i = 0; i < PLAN_MAX_RULES; i++)
		steps[i] = step(0, 3600, &f);
	need = need_of(steps, PLAN_MAX_RULES);
	assert_int_equal(need.longest_ns, PLAN_MAX_RULES * 300 * NS_PER_S);
	assert_int_equal(need.parcels, SP_MAX_PARCELS);
	assert_int_equal(need.memory, 512 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),
		cmocka_unit_test(which_line),
		cmocka_unit_test(by_delay),
		cmocka_unit_test(longest),
		cmocka_unit_test(overlapping_steps_add_up),
		cmocka_unit_test(queue_of_a_rate),
		cmocka_unit_test(everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
