/* SPDX-License-Identifier: BSD-2-Clause */
/* plan.json -> the rules that lots are drawn for: docs/scenario.md, the faults and their seeds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "chance.bpf.h"
#include "slo/get.h"
#include "slo/replay.h"

/* Output i of SplitMix64 that starts with the scenario's seed. */
static uint64_t rule_seed(uint64_t seed, size_t i)
{
	return mix64(seed + (i + 1) * 0x9e3779b97f4a7c15ULL);
}

/* A key that isn't there leaves what is. */
static bool take_percent(const json_t *fault, const char *key, __u64 *below)
{
	const json_t *value = json_object_get(fault, key);
	uint64_t n;

	if (!value)
		return true;
	if (!json_is_string(value) || parse_percent(json_string_value(value), &n))
		return false;
	*below = n;
	return true;
}

static bool take_count(const json_t *fault, const char *key, __u32 *count)
{
	const json_t *value = json_object_get(fault, key);

	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
	    json_integer_value(value) > UINT32_MAX)
		return false;
	*count = json_integer_value(value);
	return true;
}

static bool take_gemodel(const json_t *model, struct sp_rule *r)
{
	r->flags |= SP_RULE_GEMODEL;
	r->ge_bad = SP_ALWAYS;
	return take_percent(model, "p", &r->ge_p) && take_percent(model, "r", &r->ge_r) &&
	       take_percent(model, "bad", &r->ge_bad) && take_percent(model, "good", &r->ge_good);
}

static bool take_loss(const json_t *fault, struct sp_rule *r)
{
	const json_t *loss = json_object_get(fault, "loss"), *model = json_object_get(loss, "gemodel");

	if (!take_percent(fault, "loss_correlation", &r->loss_correlation))
		return false;
	if (json_is_true(json_object_get(fault, "drop"))) {
		r->drop_below = SP_ALWAYS;
		return take_percent(fault, "percent", &r->drop_below);
	}
	if (model)
		return take_gemodel(model, r);
	if (json_is_object(loss))
		return take_count(loss, "every", &r->drop_every);
	return take_percent(fault, "loss", &r->drop_below);
}

static bool take_answers(const json_t *fault, struct sp_rule *r)
{
	const char *reset = get_string(fault, "reset");

	if (reset)
		r->reset_ends = strcmp(reset, "local") == 0    ? SP_END_LOCAL
				: strcmp(reset, "remote") == 0 ? SP_END_REMOTE
							       : SP_END_LOCAL | SP_END_REMOTE;
	if (json_object_get(fault, "refuse"))
		r->refuse = SP_REFUSE_TCP_RESET; /* whichever: lots don't depend on it */
	r->flow_below = SP_ALWAYS;
	return !(r->reset_ends || r->refuse) || take_percent(fault, "percent", &r->flow_below);
}

/* Its percentage is one of queries, responses or answers, or of connections: see struct sp_rule. */
static bool take_meaning(const json_t *fault, struct sp_rule *r)
{
	static const struct {
		const char *key;
		enum sp_meaning meaning;
	} keys[] = {
		{"dns", SP_MEANS_DNS},
		{"http", SP_MEANS_HTTP},
		{"ntp", SP_MEANS_NTP},
		{"stall", SP_MEANS_STALL},
		{"limit", SP_MEANS_LIMIT},
		{"mtu", SP_MEANS_MTU},
		{"slow_close", SP_MEANS_SLOW_CLOSE},
		{"half_open", SP_MEANS_HALF_OPEN},
		{"rate_limit", SP_MEANS_RATE_LIMIT},
		{"disconnects", SP_MEANS_DISCONNECTS},
		{"answer", SP_MEANS_ANSWER},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (json_object_get(fault, keys[i].key))
			r->meaning = keys[i].meaning;
	r->meaning_below = SP_ALWAYS;
	if (!r->meaning)
		return true;
	if (r->meaning == SP_MEANS_SLOW_CLOSE)
		r->flags |= SP_RULE_HOLDS;
	return r->meaning <= SP_MEANS_NTP ? take_percent(fault, "percent", &r->meaning_below)
					  : take_percent(fault, "percent", &r->flow_below);
}

static bool take_reorder(const json_t *fault, struct sp_rule *r)
{
	const json_t *reorder = json_object_get(fault, "reorder");
	const char *by = get_string(reorder, "by");
	uint64_t ns = 0;

	if (!take_percent(fault, "reorder_correlation", &r->reorder_correlation))
		return false;
	if (!json_is_object(reorder)) {
		const char *text = json_string_value(reorder);

		return (text && strcmp(text, "jitter") == 0) ||
		       take_percent(fault, "reorder", &r->reorder_below);
	}
	if (by && parse_duration(by, &ns))
		return false;
	r->reorder_by_ns = ns;
	return take_percent(reorder, "percent", &r->reorder_below) &&
	       take_count(reorder, "gap", &r->reorder_gap);
}

static bool take_bends(const json_t *fault, struct sp_rule *r)
{
	const char *checksum = get_string(fault, "checksum");

	if (checksum && strcmp(checksum, "valid") == 0)
		r->flags |= SP_RULE_CORRUPT_VALID;
	r->rate = json_object_get(fault, "rate") ? 1 : 0; /* whichever */
	if (!take_reorder(fault, r))
		return false;
	if (json_object_get(fault, "delay") || r->rate || r->reorder_by_ns)
		r->flags |= SP_RULE_HOLDS;
	return take_percent(fault, "duplicate", &r->duplicate_below) &&
	       take_percent(fault, "duplicate_correlation", &r->duplicate_correlation) &&
	       take_percent(fault, "corrupt", &r->corrupt_below) &&
	       take_percent(fault, "corrupt_correlation", &r->corrupt_correlation);
}

static bool take_fault(const json_t *fault, struct sp_rule *r)
{
	return json_is_object(fault) && take_loss(fault, r) && take_answers(fault, r) &&
	       take_bends(fault, r) && take_meaning(fault, r);
}

static const json_t *find_target(const json_t *plan, const char *name)
{
	const json_t *list = json_object_get(plan, "targets");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *other = get_string(json_array_get(list, i), "name");

		if (other && strcmp(other, name) == 0)
			return json_array_get(list, i);
	}
	return NULL;
}

/* A share is a threshold of 32 bits, written as a number without a loss. That of the step stands for its targets' own. */
static bool take_share(const json_t *step, const json_t *target, struct sp_rule *r)
{
	const json_t *own = json_object_get(step, "share");
	const json_t *share = own && !json_is_null(own) ? own : json_object_get(target, "share");
	double value = json_is_number(share) ? json_number_value(share) : share ? -1 : 1;

	if (!(value >= 0 && value <= 1))
		return false;
	r->share = value * (double)SP_ALWAYS;
	return true;
}

static bool take_rule(const json_t *plan, const json_t *step, const json_t *target, struct replay_rule *rule)
{
	uint64_t times = get_u64(step, "times");

	rule->step = get_string(step, "name");
	rule->target = json_string_value(target);
	rule->at_ns = get_u64(step, "at_ns");
	rule->for_ns = get_u64(step, "for_ns");
	rule->every_ns = get_u64(step, "every_ns");
	rule->rule.shadow = json_is_true(json_object_get(step, "shadow"));
	rule->rule.times = times == NO_NS ? 1 : times > SP_MAX_SLOTS ? SP_MAX_SLOTS : times;
	return rule->step && rule->target && take_share(step, find_target(plan, rule->target), &rule->rule) &&
	       take_fault(json_object_get(step, "fault"), &rule->rule);
}

/* The number of the rule whose seed this one has: its own, or that of the same step and target in an earlier phase. */
static size_t seed_of(const json_t *plan, size_t i)
{
	uint64_t n = get_u64(json_array_get(json_object_get(plan, "rules"), i), "seed_of");

	return n < i ? n : i;
}

static int take_rules(const json_t *plan, struct replay_rule *rules, size_t *n)
{
	const json_t *steps = json_object_get(plan, "steps");
	uint64_t seed = json_integer_value(json_object_get(plan, "seed"));

	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i), *targets = json_object_get(step, "targets");

		for (size_t k = 0; k < json_array_size(targets); k++) {
			if (*n == SP_MAX_RULES ||
			    !take_rule(plan, step, json_array_get(targets, k), &rules[*n]))
				return -EBADMSG;
			rules[*n].rule.seed = rule_seed(seed, seed_of(plan, *n));
			(*n)++;
		}
	}
	return 0;
}

int replay_rules(const json_t *plan, struct replay_rule **ret_rules, size_t *ret_n)
{
	struct replay_rule *rules = calloc(SP_MAX_RULES, sizeof(*rules));
	size_t n = 0;
	int err = rules ? take_rules(plan, rules, &n) : -ENOMEM;

	if (err) {
		free(rules);
		return err;
	}
	*ret_rules = rules;
	*ret_n = n;
	return 0;
}
