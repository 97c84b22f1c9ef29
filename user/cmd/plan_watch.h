/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shearpin plan` says of how a run is watched and judged, on standard output. Each prints nothing if there is nothing. */
#ifndef SHEARPIN_PLAN_WATCH_H
#define SHEARPIN_PLAN_WATCH_H

#include "scenario/plan.h"

/* `width`: of the column of names */
void plan_print_probes(const struct plan *plan, int width);
void plan_print_objectives(const struct plan *plan);

#endif
