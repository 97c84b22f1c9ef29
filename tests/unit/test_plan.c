/* SPDX-License-Identifier: BSD-2-Clause */
/* What the plan of a scenario holds, beyond what its document shows. */
#include "unit/scenario_text.h"

#include <stdio.h>

static void seeds(void **state)
{
	/* The first outputs of SplitMix64 started with 1234567. */
	static const uint64_t expected[] = {6457827717110365317ULL, 3203168211198807973ULL,
					    9817491932198370423ULL};
	static const char drawn[] = "version: 1\nname: t\n" TARGET STEP;
	struct plan *plan =
		parse("version: 1\nname: t\nseed: 1234567\n"
		      "targets: {a: {remote_port: 1}, b: {remote_port: 2}, c: {remote_port: 3}}\n"
		      "steps: [{name: s, at: 0s, fault: {drop: true}, target: [a, b, c], for: 1s}]\n",
		      NULL);
	struct plan *one, *other;

	(void)state;
	assert_true(plan->seed_given);
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_true(plan->rules[i].seed == expected[i]);
	plan_free(plan);

	one = parse(drawn, NULL);
	other = parse(drawn, NULL);
	assert_false(one->seed_given);
	assert_true(one->seed != other->seed);
	assert_true(one->seed < 1ULL << 53 && other->seed < 1ULL << 53);
	plan_free(one);
	plan_free(other);
}

static void faults_become_thresholds(void **state)
{
	struct plan *plan = parse(
		HEAD TARGET
		"steps:\n"
		"- {name: a, at: 0s, fault: {drop: true}, target: a, for: 1s}\n"
		"- {name: b, at: 0s, fault: {drop: true, percent: 25%, loss_as: local}, target: a, for: 1s}\n"
		"- {name: c, at: 0s, fault: {loss: 50%, reset: remote, percent: 25%}, target: a, for: 1s}\n"
		"- {name: d, at: 0s, fault: {loss: {every: 10}, loss_as: wire}, target: a, for: 1s}\n"
		"- {name: e, at: 0s, fault: {refuse: icmp-admin}, target: a, for: 1s}\n"
		"- {name: f, at: 0s, fault: {reset: local, refuse: tcp-reset}, target: a, for: 1s}\n",
		NULL);
	static const struct plan_fault expected[] = {
		{.drop_below = PLAN_ALWAYS, .text = "{\"drop\":true}"},
		{.drop_below = PLAN_ALWAYS / 4,
		 .loss_local = true,
		 .text = "{\"drop\":true,\"percent\":\"25%\",\"loss_as\":\"local\"}"},
		{.drop_below = PLAN_ALWAYS / 2,
		 .reset_ends = PLAN_END_REMOTE,
		 .flow_below = PLAN_ALWAYS / 4,
		 .text = "{\"loss\":\"50%\",\"reset\":\"remote\",\"percent\":\"25%\"}"},
		{.drop_every = 10, .text = "{\"loss\":{\"every\":10},\"loss_as\":\"wire\"}"},
		{.refuse = PLAN_REFUSE_ICMP_ADMIN,
		 .flow_below = PLAN_ALWAYS,
		 .text = "{\"refuse\":\"icmp-admin\"}"},
		{.reset_ends = PLAN_END_LOCAL,
		 .refuse = PLAN_REFUSE_TCP_RESET,
		 .flow_below = PLAN_ALWAYS,
		 .text = "{\"reset\":\"local\",\"refuse\":\"tcp-reset\"}"},
	};

	(void)state;
	assert_int_equal(plan->n_steps, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		const struct plan_fault *got = &plan->steps[i].fault, *want = &expected[i];

		assert_string_equal(got->text, want->text);
		assert_true(got->drop_below == want->drop_below);
		assert_int_equal(got->drop_every, want->drop_every);
		assert_int_equal(got->loss_local, want->loss_local);
		assert_int_equal(got->reset_ends, want->reset_ends);
		assert_int_equal(got->refuse, want->refuse);
		assert_true(got->flow_below == want->flow_below);
	}
	plan_free(plan);
}

static void windows_and_slots(void **state)
{
	struct plan *plan = parse(
		HEAD
		"targets: {a: {remote_port: 80}, b: {local_port: 81}}\n"
		"steps:\n"
		"- {name: a, at: 5s, fault: {drop: true}, target: [b, a], for: 10s, repeat: {times: 3, "
		"every: 10s}}\n"
		"- {name: b, at: 0s, fault: {drop: true}, target: a, for: 1s, repeat: {times: 1, every: "
		"9s}}\n"
		"- {name: c, at: 1h, fault: {drop: true}, target: a, for: 1m, burst: {on: 1ms, off: 2ms}}\n",
		NULL);
	static const struct plan_rule expected[] = {
		{.step = 0, .target = 1, .first_slot = 0},
		{.step = 0, .target = 0, .first_slot = 3},
		{.step = 1, .target = 0, .first_slot = 6},
		{.step = 2, .target = 0, .first_slot = 7},
	};
	const struct plan_window *w = &plan->steps[0].window;

	(void)state;
	assert_int_equal(plan->n_rules, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_int_equal(plan->rules[i].step, expected[i].step);
		assert_int_equal(plan->rules[i].target, expected[i].target);
		assert_int_equal(plan->rules[i].first_slot, expected[i].first_slot);
	}
	assert_int_equal(plan->n_slots, 8);
	assert_int_equal(plan_opens(w, 2), 25 * NS_PER_S);
	assert_int_equal(plan_closes(w, 2), 35 * NS_PER_S);
	assert_int_equal(plan->steps[1].window.every_ns, NS_PER_S);
	assert_int_equal(plan->steps[1].window.times, 1);
	assert_int_equal(plan->steps[2].window.burst_on_ns, NS_PER_MS);
	assert_int_equal(plan->steps[2].window.burst_off_ns, 2 * NS_PER_MS);
	assert_int_equal(plan->length_ns, 3660 * NS_PER_S);
	assert_int_equal(plan->baseline_ns, 0);
	assert_int_equal(plan->recovery_ns, 30 * NS_PER_S);
	plan_free(plan);
}

/* The largest plan that is allowed, and every one of its limits. */
static void the_largest_plan(void **state)
{
	char *text = malloc(65536), *s = text;
	struct plan *plan;

	(void)state;
	assert_non_null(text);
	s += sprintf(s, HEAD "limits: {duration: 16s}\ntargets:\n");
	for (int i = 0; i < PLAN_MAX_RULES; i++)
		s += sprintf(s, "  t%d: {remote_port: %d}\n", i, 65535 - i);
	s += sprintf(
		s,
		"steps:\n- {name: s, at: 0s, fault: {drop: true}, for: 1s, repeat: {times: 16, every: 1s}, "
		"target: [");
	for (int i = 0; i < PLAN_MAX_RULES; i++)
		s += sprintf(s, "t%d, ", i);
	sprintf(s, "]}\n");
	plan = parse(text, NULL);
	assert_int_equal(plan->n_rules, PLAN_MAX_RULES);
	assert_int_equal(plan->n_slots, PLAN_MAX_SLOTS);
	assert_int_equal(plan->length_ns, 16 * NS_PER_S);
	plan_free(plan);
	free(text);
}

static void probes_are_resolved(void **state)
{
	struct plan *plan =
		parse(HEAD TARGET STEP
		      "probes: {a: {tcp: \"db.example:5432\"}, b: {tcp: \"[fd00::1]:80\", every: 10ms, "
		      "timeout: 2s}}\n",
		      NULL);
	static const char unknown[] = HEAD TARGET STEP "probes: {a: {tcp: \"nowhere.example:80\"}}\n";

	(void)state;
	assert_string_equal(plan->probes[0].host, "10.9.8.7");
	assert_int_equal(plan->probes[0].port, 5432);
	assert_int_equal(plan->probes[0].every_ns, 500 * NS_PER_MS);
	assert_int_equal(plan->probes[0].timeout_ns, NS_PER_S);
	assert_string_equal(plan->probes[1].host, "fd00::1");
	assert_int_equal(plan->probes[1].every_ns, 10 * NS_PER_MS);
	assert_int_equal(plan->probes[1].timeout_ns, 2 * NS_PER_S);
	plan_free(plan);
	refuse(unknown, strlen(unknown), NULL,
	       "t.yaml:6:19: the host nowhere.example cannot be resolved: Name or service not known\n");
}

static void hooks(void **state)
{
	struct plan *plan = parse(
		HEAD
		"targets: {in: {remote_port: 1, direction: in}, out: {remote_port: 1, direction: out}, both: "
		"{remote_port: 1}}\n"
		"steps:\n"
		"- {name: a, at: 0s, fault: {loss: 5%, refuse: icmp-port}, target: [in, out, both], for: "
		"1s}\n"
		"- {name: b, at: 0s, fault: {drop: true, reset: both}, target: [in, out, both], for: 1s}\n"
		"- {name: c, at: 0s, fault: {loss: 5%}, target: [in, out, both], for: 1s}\n",
		NULL);
	static const uint8_t tc[] = {PLAN_HOOK_TC_IN, PLAN_HOOK_TC_OUT, PLAN_HOOK_TC_IN | PLAN_HOOK_TC_OUT};
	static const uint8_t xdp[] = {PLAN_HOOK_XDP, PLAN_HOOK_TC_OUT, PLAN_HOOK_XDP | PLAN_HOOK_TC_OUT};

	(void)state;
	for (int mode = HOOK_AUTO; mode <= HOOK_TC; mode++) {
		plan_choose_hooks(plan, mode);
		for (size_t i = 0; i < plan->n_rules; i++) {
			const struct plan_rule *r = &plan->rules[i];
			const uint8_t *expected = mode == HOOK_XDP && r->step == 2 ? xdp : tc;

			assert_int_equal(r->hooks, expected[r->target]);
			assert_int_equal(!!r->why_in, r->target != 1);
			assert_int_equal(!!r->why_out, r->target != 0);
		}
	}
	plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeds),
		cmocka_unit_test(faults_become_thresholds),
		cmocka_unit_test(windows_and_slots),
		cmocka_unit_test(the_largest_plan),
		cmocka_unit_test(probes_are_resolved),
		cmocka_unit_test(hooks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
