/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results as documents. Pure: the same results give the same bytes. A failed allocation shows in out->failed.
 *
 * report_markdown() writes report.md: the sections that existing readers of reconnect reports look for, under their
 * names, and then shearpin's own. If the evidence is incomplete the first line says INCOMPLETE, and why. A value that
 * wasn't measured is '-'.
 * report_json() writes results.json (docs/run-directory.md).
 * report_html() writes report.html: one page that needs nothing beside it.
 * report_junit() writes junit.xml: a test suite a run, a test case an SLO and a window (docs/reports.md), in the form of
 * junit-10.xsd of Jenkins' xUnit plugin.
 */
#ifndef SHEARPIN_REPORT_H
#define SHEARPIN_REPORT_H

#include "base/buf.h"
#include "slo/results.h"

void report_markdown(const struct results *results, struct buf *out);
void report_json(const struct results *results, struct buf *out);
void report_html(const struct results *results, struct buf *out);
void report_junit(const struct results *results, struct buf *out);
void report_junit_runs(const struct results *const *runs, size_t n, struct buf *out);

#endif
