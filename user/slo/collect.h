/* SPDX-License-Identifier: BSD-2-Clause */
/* The one pass over events.jsonl. */
#ifndef SHEARPIN_COLLECT_H
#define SHEARPIN_COLLECT_H

#include "slo/results.h"

/*
 * Fills in, after plan_read(): the run's own facts, the windows with their counters and samples, counts, and what
 * the log lacks. 0; -ENOENT: no events.jsonl; another negative errno. A damaged log is no error.
 */
int collect_events(int dirfd, struct results *results);

#endif
