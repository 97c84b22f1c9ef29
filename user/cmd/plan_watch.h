/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shearpin plan` says of how a run is watched and judged, on standard output. Each prints nothing if there is nothing. */
#ifndef SHEARPIN_PLAN_WATCH_H
#define SHEARPIN_PLAN_WATCH_H

#include "scenario/plan.h"

/* `width`: of the column of names */
void plan_print_probes(const struct plan *plan, int width);
/* " above 5", on the line at hand. */
void plan_print_compare(const struct plan_compare *compare);
void plan_print_objectives(const struct plan *plan);
void plan_print_aborts(const struct plan *plan);
void plan_print_checks(const struct plan *plan);

#endif
