/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for the course of a run, and counts of it: plain text, not escaped. */
#ifndef SHEARPIN_REPORT_COURSE_H
#define SHEARPIN_REPORT_COURSE_H

#include "base/buf.h"
#include "slo/results.h"

uint64_t expects_met(const struct results *r);
uint64_t slos_met(const struct results *r);

/* "healthy, after 4.2s, value 0.97": what decided. The value is left out if the words have it: "3 lines, after 2s". */
void expect_seen(const struct result_expect *e, struct buf *out);
/* "back within 90 s #1: healthy at no time (probe=dor equals=healthy within=90s)": what a failure reads as. */
void expect_failure(const struct result_expect *e, struct buf *out);
bool slo_has_value(const struct result_slo *slo);
/* "is 11.2 s, expected <= 10 s", "has no value, expected <= 10 s" */
void slo_value(const struct result_slo *slo, struct buf *out);
/* "recovery_p99 is 11.2 s, expected <= 10 s; disconnect #2, gateway decides": the same of an objective. */
void slo_failure(const struct result_slo *slo, struct buf *out);
/* "all", "10 %", "shadow: none is touched" */
void phase_share(const struct result_phase *p, struct buf *out);
/*
 * "probe=api unhealthy_for=120s; value 125; for 120s": the condition that ended the run, and how long it held, if that is part of
 * it. Nothing, if there is none.
 */
void abort_condition(const struct results *r, struct buf *out);
/* "a, b": the steps that are turned off. */
void disabled_steps(const struct results *r, struct buf *out);

#endif
