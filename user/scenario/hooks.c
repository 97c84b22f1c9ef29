/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/plan.h"

static const char *const why_tc_auto = "tc leaves the interface as it is; XDP would change it for everybody "
				       "(offloads, a restart of the queues)";
static const char *const why_tc_asked = "tc was asked for";
static const char *const why_tc_answer =
	"a refusal or a reset is an answer: XDP can send one only where the driver, "
	"and on veth the peer, is set up for it";
static const char *const why_tc_bends = "XDP can only drop: what is delayed, copied or altered is so at tc";
static const char *const why_tc_means =
	"what takes more than a packet's headers to know, or an answer, is done at tc";
static const char *const why_tc_owner = "whose a packet is shows at its socket, which XDP does not see";
static const char *const why_connect = "a connection is taken where it is opened; the rule touches no packet";
static const char *const why_xdp = "XDP was asked for, and drops";
static const char *const why_out = "XDP sees no packet that goes out";

/* Why a rule acts at tc on what comes in, with XDP asked for; NULL: it need not. */
static const char *why_not_xdp(const struct plan_fault *f, const struct plan_target *t)
{
	if (f->meaning)
		return why_tc_means;
	if (f->reset_ends || f->refuse)
		return why_tc_answer;
	if (plan_fault_bends(f))
		return why_tc_bends;
	return plan_target_has_owner(t) ? why_tc_owner : NULL;
}

static void choose(const struct plan *plan, struct plan_rule *rule, enum hook_mode mode)
{
	const struct plan_target *target = &plan->targets[rule->target];
	const char *why_not = why_not_xdp(&plan->steps[rule->step].fault, target);
	bool xdp = mode == HOOK_XDP && !why_not;

	rule->hooks = 0;
	rule->why_in = rule->why_out = NULL;
	if (plan->steps[rule->step].fault.meaning == PLAN_MEANS_ANSWER) {
		rule->hooks = PLAN_HOOK_CONNECT;
		rule->why_out = why_connect;
		return;
	}
	if (target->direction & PLAN_IN) {
		rule->hooks |= xdp ? PLAN_HOOK_XDP : PLAN_HOOK_TC_IN;
		rule->why_in = xdp                ? why_xdp
			       : mode == HOOK_TC  ? why_tc_asked
			       : mode == HOOK_XDP ? why_not
						  : why_tc_auto;
	}
	if (target->direction & PLAN_OUT) {
		rule->hooks |= PLAN_HOOK_TC_OUT;
		rule->why_out = why_out;
	}
}

void plan_choose_hooks(struct plan *plan, enum hook_mode mode)
{
	plan->hook = mode;
	for (size_t i = 0; i < plan->n_rules; i++)
		choose(plan, &plan->rules[i], mode);
}
