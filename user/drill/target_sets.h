/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of targets (by bit, as the observer tells them), each kept once and known by a number: of a plan's targets there are few,
 * which many connections share. They stay; bounded by TARGET_SETS_MOST.
 */
#ifndef SHEARPIN_TARGET_SETS_H
#define SHEARPIN_TARGET_SETS_H

#include <linux/types.h>
#include <stdint.h>

#include "abi.h"

#define TARGET_SETS_MOST 65536

struct target_sets;

/* The empty set is in it, as 0. 0 or a negative errno. */
int target_sets_open(struct target_sets **ret);
void target_sets_close(struct target_sets *sets); /* accepts NULL */

/* The set's number, the same each time. 0, -ENOSPC (too many) or -ENOMEM. */
int target_sets_number(struct target_sets *sets, const struct sp_bits *set, uint32_t *ret);
/* The set of a number that was given out; holds until the next is. */
const struct sp_bits *target_sets_get(const struct target_sets *sets, uint32_t number);

#endif
