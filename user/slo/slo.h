/* SPDX-License-Identifier: BSD-2-Clause */
/* Event log -> results: the one place that computes what docs/definitions.md defines. */
#ifndef SHEARPIN_SLO_H
#define SHEARPIN_SLO_H

#include "slo/results.h"

/*
 * Judge the run in the directory by its plan.json and events.jsonl, read once, in memory that doesn't depend on the
 * number of events. `run` is the directory's name for the results. A damaged or cut log is no error: the results
 * say in `incomplete` what is wrong with it.
 *
 * 0 and *ret_results (for results_free()); -ENOENT: one of the two files is missing; -EBADMSG: plan.json is no plan;
 * -EPROTONOSUPPORT: the log is of a later version's format; another negative errno.
 */
int slo_compute(int dirfd, const char *run, struct results **ret_results);

#endif
