/* SPDX-License-Identifier: BSD-2-Clause */
/* drill_results.json, as the auto-heal runtime's drills write it: a result a window (docs/reports.md). */
#ifndef SHEARPIN_DRILL_RESULTS_H
#define SHEARPIN_DRILL_RESULTS_H

#include "base/buf.h"
#include "slo/results.h"

void report_drill_results(const struct results *const *runs, size_t n, struct buf *out);

#endif
