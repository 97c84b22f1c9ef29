/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scenario's `preflight` asks for. Values of environment variables are never told. Whoever asks waits: for each address as long
 * as its time-out, for a probe until its first sample.
 */
#ifndef SHEARPIN_CHECKS_H
#define SHEARPIN_CHECKS_H

#include "drill/findings.h"
#include "scenario/plan.h"

/*
 * Make the plan's checks, one finding or more for each: FINDING_WARN instead of _FAIL where the check says so. out: the run directory
 * that is to be (NULL: below the current one). A probe that starts a program is only asked where
 * that is allowed. 0; -ECANCELED: cancel_fd (-1: none) became readable; or a negative errno.
 */
int checks_make(const struct plan *plan, const char *out, bool allow_exec, int cancel_fd,
		struct findings *findings);

#endif
