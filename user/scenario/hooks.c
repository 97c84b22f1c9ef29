/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/plan.h"

static const char *const why_tc_auto = "tc leaves the interface as it is; XDP would change it for everybody "
				       "(offloads, a restart of the queues)";
static const char *const why_tc_asked = "tc was asked for";
static const char *const why_tc_answer =
	"a refusal or a reset is an answer: XDP can send one only where the driver, "
	"and on veth the peer, is set up for it";
static const char *const why_tc_bends = "XDP can only drop: what is delayed, copied or altered is so at tc";
static const char *const why_xdp = "XDP was asked for, and drops";
static const char *const why_out = "XDP sees no packet that goes out";

static void choose(const struct plan *plan, struct plan_rule *rule, enum hook_mode mode)
{
	const struct plan_fault *fault = &plan->steps[rule->step].fault;
	enum plan_direction direction = plan->targets[rule->target].direction;
	bool answers = fault->reset_ends || fault->refuse;
	bool xdp = mode == HOOK_XDP && !answers && !plan_fault_bends(fault);

	rule->hooks = 0;
	rule->why_in = rule->why_out = NULL;
	if (direction & PLAN_IN) {
		rule->hooks |= xdp ? PLAN_HOOK_XDP : PLAN_HOOK_TC_IN;
		rule->why_in = xdp                           ? why_xdp
			       : mode == HOOK_TC             ? why_tc_asked
			       : mode == HOOK_XDP && answers ? why_tc_answer
			       : mode == HOOK_XDP            ? why_tc_bends
							     : why_tc_auto;
	}
	if (direction & PLAN_OUT) {
		rule->hooks |= PLAN_HOOK_TC_OUT;
		rule->why_out = why_out;
	}
}

void plan_choose_hooks(struct plan *plan, enum hook_mode mode)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		choose(plan, &plan->rules[i], mode);
}
