/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/rules.h"

#include "base/timeutil.h"
#include "kernel/vectors.h"

/* A narrow path's queue: as many full packets as netem's default limit, but at least 100 ms. */
#define QUEUE_PACKETS 1000
#define FULL_PACKET 1514 /* bytes, with the Ethernet header */
#define LEAST_QUEUE_NS (100 * NS_PER_MS)

static uint64_t time_at_rate(uint64_t bytes, uint64_t rate)
{
	return (unsigned __int128)bytes * NS_PER_S / rate;
}

static uint8_t flags_of(const struct plan_fault *f)
{
	return (f->loss_local ? SP_RULE_LOSS_LOCAL : 0) | (f->gemodel ? SP_RULE_GEMODEL : 0) |
	       (plan_fault_bends(f) ? SP_RULE_BENDS : 0) | (plan_fault_holds(f) ? SP_RULE_HOLDS : 0) |
	       (f->corrupt_valid ? SP_RULE_CORRUPT_VALID : 0) |
	       (f->reorder_jitter ? SP_RULE_REORDER_JITTER : 0) |
	       (plan_fault_has_receipt(f) ? SP_RULE_RECEIPT : 0);
}

static void fill_rate(const struct plan_fault *f, struct sp_rule *to)
{
	if (!f->rate)
		return;
	to->rate = f->rate;
	to->burst_ns = time_at_rate(f->burst, f->rate);
	to->queue_ns = time_at_rate(QUEUE_PACKETS * FULL_PACKET, f->rate);
	if (to->queue_ns < LEAST_QUEUE_NS)
		to->queue_ns = LEAST_QUEUE_NS;
}

static void fill_bends(const struct plan_fault *f, struct sp_rule *to)
{
	to->distribution = f->distribution;
	to->delay_ns = f->delay_ns;
	to->jitter_ns = f->jitter_ns;
	to->delay_below = f->delay_below;
	to->delay_correlation = f->delay_correlation;
	fill_rate(f, to);
	to->duplicate_below = f->duplicate_below;
	to->duplicate_correlation = f->duplicate_correlation;
	to->corrupt_below = f->corrupt_below;
	to->corrupt_correlation = f->corrupt_correlation;
	to->reorder_below = f->reorder_below;
	to->reorder_correlation = f->reorder_correlation;
	to->reorder_by_ns = f->reorder_by_ns;
	to->reorder_gap = f->reorder_gap;
}

/* Nanoseconds as seconds in 32.32 bits, as in NTP's time stamps (RFC 5905, 6). */
static int64_t ntp_time(int64_t ns)
{
	return (__int128)ns * (1LL << 32) / (int64_t)NS_PER_S;
}

static void fill_meaning(const struct plan_fault *f, struct sp_rule *to)
{
	to->meaning = f->meaning;
	to->meaning_below = f->meaning_below;
	to->then = f->then;
	to->rcode = f->rcode;
	to->amount = f->amount;
	to->status = f->status;
	if (f->meaning == PLAN_MEANS_HTTP)
		to->retry_after = f->retry_after_s + 1;
	to->ntp_from = ntp_time(f->ntp_from_ns);
	to->ntp_to = ntp_time(f->ntp_to_ns);
	to->ntp_over_ns = f->ntp_over_ns;
	if (f->n_patterns)
		to->flags |= SP_RULE_NAMED;
}

static void fill_rule(const struct plan *plan, const struct plan_rule *rule, struct sp_rule *to)
{
	const struct plan_step *step = &plan->steps[rule->step];
	const struct plan_fault *f = &step->fault;

	*to = (struct sp_rule){
		.start_ns = RULES_NEVER,
		.length_ns = step->window.for_ns,
		.every_ns = step->window.every_ns,
		.burst_on_ns = step->window.burst_on_ns,
		.burst_off_ns = step->window.burst_off_ns,
		.seed = rule->seed,
		.share = plan_share(step, &plan->targets[rule->target]),
		.shadow = step->shadow,
		.drop_below = f->drop_below,
		.flow_below = f->flow_below,
		.drop_every = f->drop_every,
		.times = step->window.times,
		.first_slot = rule->first_slot,
		.reset_ends = f->reset_ends,
		.refuse = f->refuse,
		.flags = flags_of(f),
		.loss_correlation = f->loss_correlation,
		.ge_p = f->ge_p,
		.ge_r = f->ge_r,
		.ge_bad = f->ge_bad,
		.ge_good = f->ge_good,
	};
	fill_bends(f, to);
	fill_meaning(f, to);
}

void rules_fill(const struct plan *plan, struct sp_rule *rules)
{
	for (size_t r = 0; r < plan->n_rules; r++)
		fill_rule(plan, &plan->rules[r], &rules[r]);
}

static bool any(const struct plan *plan, bool (*does)(const struct plan_fault *))
{
	for (size_t r = 0; r < plan->n_rules; r++)
		if (does(&plan->steps[plan->rules[r].step].fault))
			return true;
	return false;
}

static bool bends(const struct plan_fault *f)
{
	return plan_fault_bends(f) || plan_fault_alters(f);
}

/* For a packet: connections are answered at connect(). */
static bool means(const struct plan_fault *f)
{
	return f->meaning && f->meaning != PLAN_MEANS_ANSWER;
}

static bool reads_content(const struct plan_fault *f)
{
	return f->meaning == PLAN_MEANS_DNS || f->meaning == PLAN_MEANS_HTTP ||
	       f->meaning == PLAN_MEANS_NTP || f->meaning == PLAN_MEANS_STALL ||
	       f->meaning == PLAN_MEANS_LIMIT || f->meaning == PLAN_MEANS_MTU;
}

bool rules_have_shadows(const struct plan *plan)
{
	for (size_t r = 0; r < plan->n_rules; r++)
		if (plan->steps[plan->rules[r].step].shadow)
			return true;
	return false;
}

bool rules_answer(const struct plan *plan)
{
	return any(plan, plan_fault_answers);
}

bool rules_bend(const struct plan *plan)
{
	return any(plan, bends);
}

bool rules_mean(const struct plan *plan)
{
	return any(plan, means);
}

bool rules_have_receipts(const struct plan *plan)
{
	return any(plan, plan_fault_has_receipt);
}

bool rules_keep_states(const struct plan *plan)
{
	return any(plan, plan_fault_keeps_state);
}

void rules_fill_meanings(const struct plan *plan, struct sp_bits *meanings, struct sp_bits *content)
{
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_fault *f = &plan->steps[plan->rules[r].step].fault;

		if (f->meaning)
			bits_set(&meanings[f->meaning], r);
		if (reads_content(f))
			bits_set(content, r);
	}
}
