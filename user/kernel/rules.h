/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan's rules in the kernel's form, but for the time at which they start. Pure. */
#ifndef SHEARPIN_RULES_H
#define SHEARPIN_RULES_H

#include <linux/types.h>

#include "abi.h"
#include "scenario/plan.h"

void rules_fill(const struct plan *plan, struct sp_rule *rules);

/* Does any rule of the plan reset or refuse; delay, duplicate or alter; keep receipts? */
bool rules_answer(const struct plan *plan);
bool rules_bend(const struct plan *plan);
bool rules_have_receipts(const struct plan *plan);

#endif
