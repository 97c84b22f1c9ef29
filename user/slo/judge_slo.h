/* SPDX-License-Identifier: BSD-2-Clause */
/* Objectives: what each is about, and whether it is met. */
#ifndef SHEARPIN_JUDGE_SLO_H
#define SHEARPIN_JUDGE_SLO_H

#include "slo/results.h"

/* UNIT_NS for a key that isn't known. */
enum slo_unit slo_unit(const char *key);
/* Whether an objective with these words is about paths. by: "any", "probe", "flow", NULL for "any". */
bool slo_is_by_flow(const struct results *results, const char *key, const char *probe, const char *target,
		    const char *by);

/* The most attempts a second that the objectives allow on the path in the step, or RESULT_STORM. */
uint64_t slo_most_attempts(const struct results *results, const char *step, const struct result_path *path);

/* The windows' measures are there. */
void judge_slos(struct results *results);

#endif
