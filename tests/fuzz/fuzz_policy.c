/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever a policy file holds: no crash, no leak, and either a policy or at least one mistake in words. What it says of
 * a plan is a refusal with a reason, or nothing.
 */
#include <errno.h>
#include <string.h>

#include "base/timeutil.h"
#include "fuzz/check.h"
#include "scenario/policy.h"

/* As in fuzz_scenario.c: libfyaml 0.7.12 loses a buffer, and to tell that leak from others takes whole stacks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:fy_atom_format_text\n";
}

static void check_plan(const struct policy *policy, size_t n_remotes)
{
	char *interfaces[] = {"eth0", "veth1"}, reason[64] = "";
	struct prefix remotes[2];
	struct plan_target target = {
		.name = "t", .line = 1, .remotes = remotes, .n_remotes = n_remotes, .interfaces = interfaces};
	struct plan_step step = {
		.name = "s", .window = {.for_ns = NS_PER_S, .every_ns = NS_PER_S, .times = 1 + n_remotes}};
	struct plan plan = {.source = "t.yaml",
			    .interfaces = interfaces,
			    .n_interfaces = 2,
			    .targets = &target,
			    .n_targets = 1,
			    .steps = &step,
			    .n_steps = 1};
	int err;

	CHECK(!parse_prefix("10.2.0.0/15", &remotes[0]) && !parse_prefix("fd00:2::/33", &remotes[1]));
	err = policy_check(policy, &plan, reason, sizeof(reason));
	CHECK(!err || (err == -EPERM && !strncmp(reason, "fuzz.yaml:", 10)));
	CHECK(!err == !*reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scenario_errors errors;
	struct policy *policy;
	int err = policy_parse("fuzz.yaml", (const char *)data, size, &policy, &errors);

	CHECK(!err == !!policy);
	CHECK(!err == !errors.count && !err == !errors.text);
	if (policy) {
		check_plan(policy, 0);
		check_plan(policy, 2);
	}
	policy_free(policy);
	free(errors.text);
	return 0;
}
