/* SPDX-License-Identifier: BSD-2-Clause */
/* The time line of `shearpin plan`, on standard output: a picture, then every window in order. */
#ifndef SHEARPIN_PLAN_TIME_H
#define SHEARPIN_PLAN_TIME_H

#include "scenario/plan.h"

/* As text, in a ring of four buffers: as many may be in one statement. */
const char *plan_duration(uint64_t ns);
/* `width`: of the column of names. 0 or -ENOMEM. */
int plan_print_time(const struct plan *plan, int width);

#endif
