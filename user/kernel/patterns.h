/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names and paths of a plan's rules, as the entries of the programs' trie: struct sp_pattern says how they are written.
 * Pure.
 *
 * A name is a list of labels, "api.example.com", in any case, with or without a dot at its end; "." is the root. With "*" as
 * its first label it stands for every name that has one or more labels in its place (RFC 4592), and not for the name behind
 * it. A path ends with "*" if it stands for all that begin so. No byte of either is more than itself: there are no escapes.
 */
#ifndef SHEARPIN_PATTERNS_H
#define SHEARPIN_PATTERNS_H

#include <linux/types.h>

#include "abi.h"
#include "scenario/plan.h"

struct pattern_rules {
	struct sp_pattern pattern;
	struct sp_bits rules;
};

/*
 * The distinct entries, each with the rules of all patterns that cover it, since the longest entry alone is found; free() the
 * list. -EINVAL: a name is none (RFC 1035, 2.3.4: labels of 1 to 63 bytes, 255 in all), or a path does not fit.
 */
int patterns_list(const struct plan *plan, struct pattern_rules **ret_list, size_t *ret_n);

#endif
