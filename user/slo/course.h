/* SPDX-License-Identifier: BSD-2-Clause */
/* The course of a run beside its windows: expectations, phases, waits, and what ended it. */
#ifndef SHEARPIN_COURSE_H
#define SHEARPIN_COURSE_H

#include <jansson.h>

#include "evidence/read.h"
#include "slo/results.h"

/* Of an event with its whole document. False: it is not as documented, and changed nothing. */
bool course_expect(struct results *results, const struct event *event, const json_t *json, bool pass);
bool course_phase(struct results *results, const struct event *event, const json_t *json, bool ends);
bool course_zero(struct results *results, const struct event *event, const json_t *json);
bool course_wait(struct results *results, const struct event *event, const json_t *json, bool ends);
void course_abort(struct results *results, const struct event *event, const json_t *data);

/* What of the plan's expectations the log decides not, or more than once. */
void course_judge(struct results *results);

#endif
