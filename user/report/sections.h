/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of report.md, each with its heading. */
#ifndef SHEARPIN_SECTIONS_H
#define SHEARPIN_SECTIONS_H

#include "base/buf.h"
#include "slo/results.h"

void section_summary(const struct results *r, struct buf *out);
void section_matrix(const struct results *r, struct buf *out);
void section_acceptance(const struct results *r, struct buf *out);
void section_counters(const struct results *r, struct buf *out);
void section_fidelity(const struct results *r,
		      struct buf *out); /* nothing, if there is neither receipt nor line */
void section_probes(const struct results *r, struct buf *out);

/* The SLO that the Summary's target is: recovery_p99 of all steps and probes, else the first recovery_p99; or NULL. */
const struct result_slo *target_slo(const struct results *r);

#endif
