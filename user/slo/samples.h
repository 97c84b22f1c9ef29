/* SPDX-License-Identifier: BSD-2-Clause */
/* The probes' samples in the order of their time: changes of state, latency, and how many were healthy while a window was open. */
#ifndef SHEARPIN_SAMPLES_H
#define SHEARPIN_SAMPLES_H

#include "slo/current.h"
#include "slo/moment.h"
#include "slo/results.h"

struct samples;

/* The results have their probes already; `current` is set to the sample's time before each. 0 or -ENOMEM. */
int samples_new(struct results *results, const struct current *current, struct samples **ret);
/* Accepts NULL. */
void samples_free(struct samples *samples);
void samples_add(struct samples *samples, const struct moment *moment);
/* The log is over: compute the percentiles. */
void samples_end(struct samples *samples);

#endif
