/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shearpin plan` says of steps, on standard output. */
#ifndef SHEARPIN_PLAN_STEP_H
#define SHEARPIN_PLAN_STEP_H

#include "scenario/plan.h"

/* What it does in one of its windows, on the line at hand. */
void plan_print_step(const struct plan *plan, const struct plan_step *step);
/* What is off, and what needs --allow-exec; nothing, if there is nothing. */
void plan_print_needs(const struct plan *plan);

#endif
