/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of plan.json (docs/run-directory.md), each a member of the object that is open. */
#ifndef SHEARPIN_SCENARIO_PLAN_PARTS_H
#define SHEARPIN_SCENARIO_PLAN_PARTS_H

#include "base/json.h"
#include "scenario/plan.h"

/* "probes" and "watches" */
void plan_probes_to_json(struct json *j, const struct plan *plan);
/* "steps", "disabled" and "phases" */
void plan_steps_to_json(struct json *j, const struct plan *plan);
/* "aborts" and "preflight" */
void plan_conditions_to_json(struct json *j, const struct plan *plan);

/* One objective, as an object. */
void plan_slo_to_json(struct json *j, const char *key, const struct plan *plan, const struct plan_slo *s);
void plan_texts_to_json(struct json *j, const char *key, char *const *items, size_t n);
void plan_compare_to_json(struct json *j, const char *key, const struct plan_compare *c);
void plan_process_to_json(struct json *j, const char *key, const struct plan_process *p);
/* null, where it is 0. */
void plan_time_to_json(struct json *j, const char *key, uint64_t ns);

#endif
