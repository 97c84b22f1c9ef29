/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shearpin plan` says of how a run is watched and judged, on standard output. Each prints nothing if there is nothing. */
#ifndef SHEARPIN_PLAN_WATCH_H
#define SHEARPIN_PLAN_WATCH_H

#include "scenario/plan.h"

/* `width`: of the column of names */
void plan_print_probes(const struct plan *plan, int width);
/* On the line at hand: " for 5s", "status 200 and .*ok", " above 5". */
void plan_print_duration(const char *before, uint64_t ns);
void plan_print_answer(const struct plan_probe *probe);
void plan_print_compare(const struct plan_compare *compare);
void plan_print_objectives(const struct plan *plan);
void plan_print_aborts(const struct plan *plan);
void plan_print_checks(const struct plan *plan);

#endif
