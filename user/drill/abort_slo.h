/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An objective while the run goes on: is it missed by what has been seen so far? What the figures are is said in docs/definitions.md;
 * user/slo computes the same from the log when all is over. Percentiles are judged exactly, by counting (nearest rank: a limit
 * is met by the q-quantile of n values if ceil(q * n) of them are within it).
 */
#ifndef SHEARPIN_ABORT_SLO_H
#define SHEARPIN_ABORT_SLO_H

#include "drill/expect.h"

struct abort_slo;

/* 0 or -ENOMEM. What is passed must outlive it. */
int abort_slo_open(const struct plan *plan, const struct plan_slo *slo, const struct timetable *timetable,
		   const struct condition_ops *ops, struct abort_slo **ret);
void abort_slo_close(struct abort_slo *slo); /* accepts NULL */
void abort_slo_sample(struct abort_slo *slo, const struct probe_sample *sample);
/* Is it missed at `now`? *ret_since: since when, CLOCK_MONOTONIC. */
bool abort_slo_missed(struct abort_slo *slo, uint64_t now, uint64_t *ret_since);
/* What is missed, in words, and the value that is (ns, a share, a count), if there is one. */
bool abort_slo_words(struct abort_slo *slo, uint64_t now, char *ret_words, size_t size, double *ret_value);

#endif
