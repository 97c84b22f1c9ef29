/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policies that a run keeps (docs/policy.md): the host's own, if it has one, and those that the command line adds.
 * None takes the place of another, so nothing that a command line says widens what the host allows.
 */
#ifndef SHEARPIN_POLICIES_H
#define SHEARPIN_POLICIES_H

#include "kernel/lifeline.h"
#include "scenario/policy.h"

#define POLICY_PATH "/etc/shearpin/policy.yaml"

struct policies {
	struct policy **items;
	size_t count;
};

/*
 * Read POLICY_PATH and each of `paths`; of these every one must be there. 0; or a negative errno, when one of them
 * can't be read or has mistakes, and the mistakes of all of them in *ret_mistakes (lines for people, free() it; NULL: out
 * of memory). policies_close() in any case.
 */
int policies_open(struct policies *p, const char *const *paths, size_t n, char **ret_mistakes);
/* policy_check() with each: 0, or -EPERM and the first rule that the plan breaks. */
int policies_check(const struct policies *p, const struct plan *plan, char *ret_reason, size_t size);
/* Guard the peers that they protect. 0 or a negative errno. */
int policies_protect(const struct policies *p, struct lifeline *lifeline);
void policies_close(struct policies *p);

#endif
