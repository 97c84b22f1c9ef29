/* SPDX-License-Identifier: BSD-2-Clause */
/* What the judges need of plan.json: names, steps, targets, probes, SLOs. */
#ifndef SHEARPIN_PLAN_READ_H
#define SHEARPIN_PLAN_READ_H

#include <jansson.h>

#include "slo/results.h"

/* 0; -ENOENT: no plan.json; -EBADMSG: it is no plan; another negative errno. */
int plan_read(int dirfd, struct results *results);

/* Replace what the results have; run.start says the same in the same form. */
void take_meta(struct results *results, json_t *meta);
void take_interfaces(struct results *results, const json_t *list);

#endif
