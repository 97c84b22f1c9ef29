/* SPDX-License-Identifier: BSD-2-Clause */
/* From windows and samples to recovery, SLOs, balance and the outcome. Pure arithmetic on the results. */
#ifndef SHEARPIN_JUDGE_H
#define SHEARPIN_JUDGE_H

#include "slo/results.h"

/* 0 or -ENOMEM. */
int judge(struct results *results);

#endif
