/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of report.md, each with its heading. */
#ifndef SHEARPIN_SECTIONS_H
#define SHEARPIN_SECTIONS_H

#include "base/buf.h"
#include "slo/results.h"

void section_summary(const struct results *r, struct buf *out);
void section_expects(const struct results *r, struct buf *out); /* nothing, if there is none */
void section_phases(const struct results *r, struct buf *out);  /* the same */
void section_matrix(const struct results *r, struct buf *out);
void section_acceptance(const struct results *r, struct buf *out);
void section_counters(const struct results *r, struct buf *out);
void section_fidelity(const struct results *r,
		      struct buf *out); /* nothing, if there is neither receipt nor line */
void section_probes(const struct results *r, struct buf *out);
void section_flows(const struct results *r, struct buf *out);    /* nothing, if no flow was observed */
void section_attempts(const struct results *r, struct buf *out); /* nothing, if there was none in a window */

/* "| disconnect #2 | ": the head of a row. */
void section_window(const struct result_window *w, struct buf *out);

/* The SLO that the Summary's target is: the recovery_p99 that is narrowed down the least, and of such the first; or NULL. */
const struct result_slo *target_slo(const struct results *r);

#endif
