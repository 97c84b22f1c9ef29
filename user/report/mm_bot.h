/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that the MM-bot suite's reader takes: runs/<n>.json, one a window, and findings.json (docs/reports.md). */
#ifndef SHEARPIN_MM_BOT_H
#define SHEARPIN_MM_BOT_H

#include "report/documents.h"
#include "slo/results.h"

void report_mm_bot(const struct results *const *runs, size_t n, struct documents *out);

/* The text of findings.json. */
void mm_bot_findings(const struct results *const *runs, size_t n, struct buf *out);

/* A step's name as these files have it: lower case, anything but letters and digits becomes an underscore. */
void mm_bot_scenario(const char *step, struct buf *out);

#endif
