/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan's rules in the kernel's form, but for the time at which they start. Pure. */
#ifndef SHEARPIN_RULES_H
#define SHEARPIN_RULES_H

#include <linux/types.h>

#include "abi.h"
#include "scenario/plan.h"

/* Where a rule starts until its time is set. */
#define RULES_NEVER UINT64_MAX

void rules_fill(const struct plan *plan, struct sp_rule *rules);

/* The rules of each meaning (meanings[SP_MEANINGS]), and those that need more of a packet than its headers; all zero before. */
void rules_fill_meanings(const struct plan *plan, struct sp_bits *meanings, struct sp_bits *content);

/* Does any rule of the plan answer packets; delay, duplicate or alter; have a meaning; keep a state of flows; receipts? */
bool rules_answer(const struct plan *plan);
bool rules_bend(const struct plan *plan);
bool rules_mean(const struct plan *plan);
bool rules_keep_states(const struct plan *plan);
bool rules_have_receipts(const struct plan *plan);
/* Does any only count what it would hit? */
bool rules_have_shadows(const struct plan *plan);

#endif
