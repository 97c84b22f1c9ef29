/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shearpin plan` says of targets and faults, on standard output. */
#ifndef SHEARPIN_PLAN_TARGET_H
#define SHEARPIN_PLAN_TARGET_H

#include "scenario/plan.h"

/* As the words of `inject`, on the line at hand. */
void plan_print_fault(const struct plan_fault *fault);
/* `width`: of the column of names. Nothing, if there are none. */
void plan_print_targets(const struct plan *plan, int width);
void plan_print_answers(const struct plan *plan, int width);

#endif
