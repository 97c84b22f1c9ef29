/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan's rules in the kernel's form, field by field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "kernel/rules.h"

#define MS 1000000ULL
#define MBIT 125000ULL

static struct plan_target target;
static struct plan_step step;
static struct plan_rule rule;
static struct plan plan;
static struct sp_rule r;

static int clean(void **state)
{
	(void)state;
	target = (struct plan_target){.share = PLAN_ALWAYS};
	step = (struct plan_step){.share = PLAN_ALWAYS,
				  .fault = {.flow_below = PLAN_ALWAYS},
				  .window = {.at_ns = 5, .for_ns = 100, .every_ns = 200, .times = 3}};
	rule = (struct plan_rule){.first_slot = 12, .seed = 0xabcdef};
	plan = (struct plan){.targets = &target,
			     .n_targets = 1,
			     .steps = &step,
			     .n_steps = 1,
			     .rules = &rule,
			     .n_rules = 1};
	memset(&r, 0xff, sizeof(r));
	return 0;
}

static void fills_windows_and_hard_faults(void **state)
{
	struct sp_rule expected = {
		.start_ns = RULES_NEVER,
		.length_ns = 100,
		.every_ns = 200,
		.burst_on_ns = 7,
		.burst_off_ns = 3,
		.seed = 0xabcdef,
		.share = 11,
		.drop_below = 22,
		.flow_below = 33,
		.drop_every = 44,
		.times = 3,
		.first_slot = 12,
		.reset_ends = SP_END_LOCAL | SP_END_REMOTE,
		.refuse = SP_REFUSE_ICMP_HOST,
		.flags = SP_RULE_LOSS_LOCAL | SP_RULE_RECEIPT,
		.loss_correlation = 55,
	};

	(void)state;
	target.share = 11;
	step.window.burst_on_ns = 7;
	step.window.burst_off_ns = 3;
	step.fault = (struct plan_fault){
		.drop_below = 22,
		.flow_below = 33,
		.drop_every = 44,
		.reset_ends = PLAN_END_LOCAL | PLAN_END_REMOTE,
		.refuse = PLAN_REFUSE_ICMP_HOST,
		.loss_local = true,
		.loss_correlation = 55,
	};
	rules_fill(&plan, &r);
	assert_memory_equal(&r, &expected, sizeof(r));
}

/* The share of a step that has one is not the target's; a shadow is one in the kernel, too. */
static void fills_the_share_of_a_phase(void **state)
{
	(void)state;
	target.share = 11;
	step.share = 22;
	step.shadow = true;
	rules_fill(&plan, &r);
	assert_int_equal(r.share, 22);
	assert_true(r.shadow);
	assert_true(rules_have_shadows(&plan));
	step.shadow = false;
	rules_fill(&plan, &r);
	assert_false(r.shadow);
	assert_false(rules_have_shadows(&plan));
}

static void fills_every_bend(void **state)
{
	struct sp_rule expected = {
		.start_ns = RULES_NEVER,
		.length_ns = 100,
		.every_ns = 200,
		.seed = 0xabcdef,
		.share = PLAN_ALWAYS,
		.flow_below = PLAN_ALWAYS,
		.times = 3,
		.first_slot = 12,
		.flags = SP_RULE_GEMODEL | SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_CORRUPT_VALID |
			 SP_RULE_REORDER_JITTER | SP_RULE_RECEIPT,
		.distribution = SP_PARETONORMAL,
		.ge_p = 1,
		.ge_r = 2,
		.ge_bad = 3,
		.ge_good = 4,
		.delay_ns = 50 * MS,
		.jitter_ns = 20 * MS,
		.delay_below = 5,
		.delay_correlation = 6,
		.duplicate_below = 7,
		.duplicate_correlation = 8,
		.corrupt_below = 9,
		.corrupt_correlation = 10,
		.reorder_below = 11,
		.reorder_correlation = 12,
		.reorder_by_ns = 13,
		.reorder_gap = 14,
	};

	(void)state;
	step.fault = (struct plan_fault){
		.flow_below = PLAN_ALWAYS,
		.gemodel = true,
		.ge_p = 1,
		.ge_r = 2,
		.ge_bad = 3,
		.ge_good = 4,
		.delay_ns = 50 * MS,
		.jitter_ns = 20 * MS,
		.delay_below = 5,
		.delay_correlation = 6,
		.distribution = PLAN_PARETONORMAL,
		.duplicate_below = 7,
		.duplicate_correlation = 8,
		.corrupt_below = 9,
		.corrupt_correlation = 10,
		.corrupt_valid = true,
		.reorder_below = 11,
		.reorder_correlation = 12,
		.reorder_by_ns = 13,
		.reorder_gap = 14,
		.reorder_jitter = true,
	};
	rules_fill(&plan, &r);
	assert_memory_equal(&r, &expected, sizeof(r));
	assert_true(rules_have_receipts(&plan));
}

/* The queue: 1000 full packets, but at least 100 ms. */
static void sizes_queue_and_burst_by_the_rate(void **state)
{
	static const struct {
		uint64_t rate, burst, queue_ns, burst_ns;
	} paths[] = {
		{MBIT, 0, 12112 * MS, 0},
		{MBIT, 125, 12112 * MS, MS},
		{8 * MBIT, 1514, 1514 * MS, 1514000},
		{1000 * MBIT, 1, 100 * MS, 8},
		{15140000, 0, 100 * MS, 0},
		{15139999, 0, 100 * MS + 6, 0},
		{1, 1000000, 1514000 * 1000 * MS, 1000000 * 1000 * MS},
		{12500000000, 1 << 20, 100 * MS, 83886},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		step.fault.rate = paths[i].rate;
		step.fault.burst = paths[i].burst;
		rules_fill(&plan, &r);
		assert_int_equal(r.rate, paths[i].rate);
		assert_int_equal(r.queue_ns, paths[i].queue_ns);
		assert_int_equal(r.burst_ns, paths[i].burst_ns);
		assert_int_equal(r.flags, SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT);
	}
}

static void flags_say_what_a_fault_does(void **state)
{
	static const struct {
		struct plan_fault fault;
		uint8_t flags;
	} faults[] = {
		{{.drop_below = PLAN_ALWAYS}, 0},
		{{.drop_below = 1}, SP_RULE_RECEIPT},
		{{.drop_every = 10}, 0},
		{{.reset_ends = PLAN_END_LOCAL}, 0},
		{{.gemodel = true}, SP_RULE_GEMODEL | SP_RULE_RECEIPT},
		{{.duplicate_below = 1}, SP_RULE_BENDS | SP_RULE_RECEIPT},
		{{.corrupt_below = 1}, SP_RULE_BENDS | SP_RULE_RECEIPT},
		{{.delay_ns = 1, .delay_below = 1}, SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT},
		{{.reorder_below = 1, .reorder_by_ns = 1}, SP_RULE_BENDS | SP_RULE_HOLDS | SP_RULE_RECEIPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		step.fault = faults[i].fault;
		rules_fill(&plan, &r);
		assert_int_equal(r.flags, faults[i].flags);
		assert_int_equal(rules_have_receipts(&plan), !!(faults[i].flags & SP_RULE_RECEIPT));
	}
}

/* What the plan and the programs number by themselves. */
static void names_mean_the_same_on_both_sides(void **state)
{
	(void)state;
	assert_int_equal(PLAN_ALWAYS, SP_ALWAYS);
	assert_int_equal(PLAN_MAX_RULES, SP_MAX_RULES);
	assert_int_equal(PLAN_MAX_SLOTS, SP_MAX_SLOTS);
	assert_int_equal(PLAN_UNIFORM, SP_UNIFORM);
	assert_int_equal(PLAN_NORMAL, SP_NORMAL);
	assert_int_equal(PLAN_PARETO, SP_PARETO);
	assert_int_equal(PLAN_PARETONORMAL, SP_PARETONORMAL);
	assert_int_equal(PLAN_END_LOCAL, SP_END_LOCAL);
	assert_int_equal(PLAN_END_REMOTE, SP_END_REMOTE);
	assert_int_equal(PLAN_REFUSE_TCP_RESET, SP_REFUSE_TCP_RESET);
	assert_int_equal(PLAN_REFUSE_ICMP_PORT, SP_REFUSE_ICMP_PORT);
	assert_int_equal(PLAN_REFUSE_ICMP_HOST, SP_REFUSE_ICMP_HOST);
	assert_int_equal(PLAN_REFUSE_ICMP_ADMIN, SP_REFUSE_ICMP_ADMIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fills_windows_and_hard_faults, clean),
		cmocka_unit_test_setup(fills_the_share_of_a_phase, clean),
		cmocka_unit_test_setup(fills_every_bend, clean),
		cmocka_unit_test_setup(sizes_queue_and_burst_by_the_rate, clean),
		cmocka_unit_test_setup(flags_say_what_a_fault_does, clean),
		cmocka_unit_test_setup(names_mean_the_same_on_both_sides, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
