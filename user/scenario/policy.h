/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's policy (docs/policy.md): which interfaces and prefixes a plan may touch, for how long, and which peers are
 * protected. Pure, as scenario.h is: a file is read, and a plan is held against it.
 *
 * What a policy does not name, it does not restrict. It keeps the tree that it was read from, since a refusal names the
 * line of the rule that it is due to.
 */
#ifndef SHEARPIN_POLICY_H
#define SHEARPIN_POLICY_H

#include "scenario/model.h"

struct policy_prefixes {
	struct prefix *items;
	const struct node **nodes; /* of each */
	size_t count;
	const struct node *node; /* NULL: not given */
};

struct policy {
	struct arena arena;
	const char *path;
	struct value version, longest_window;
	struct texts interfaces; /* shell patterns; node is NULL: not given */
	struct policy_prefixes allow, forbid;
	struct texts protect; /* each one for parse_peer() */
};

/*
 * 0 and *ret_policy; -EINVAL when there are mistakes (all of them in ret_errors, as scenario_load() has them); another
 * negative errno when the file can't be read (-ENOENT, -EACCES, -EFBIG beyond SCENARIO_MAX_BYTES, ...; ret_errors says it
 * in words, too).
 */
int policy_load(const char *path, struct policy **ret_policy, struct scenario_errors *ret_errors);
int policy_parse(const char *name, const char *text, size_t len, struct policy **ret_policy,
		 struct scenario_errors *ret_errors);

/*
 * Does the plan keep the policy? Its interfaces must be known (drill_interfaces()); a target counts whether a step uses
 * it or not. 0; or -EPERM and the first rule that it breaks, in words that begin with "path:line: ".
 */
int policy_check(const struct policy *policy, const struct plan *plan, char *ret_reason, size_t size);

/* Accepts NULL. */
void policy_free(struct policy *policy);

#endif
