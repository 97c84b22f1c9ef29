/* SPDX-License-Identifier: BSD-2-Clause */
/* How well faults were kept: receipts from the log, their intervals and sums. docs/definitions.md has the terms. */
#ifndef SHEARPIN_FIDELITY_H
#define SHEARPIN_FIDELITY_H

#include <jansson.h>

#include "slo/results.h"

/* Larger numbers are no measurement: 78 hours in nanoseconds, years of packets. Sums of smaller ones don't overflow. */
#define FIDELITY_MAX (1ULL << 48)

/*
 * The receipt in the data of a fault.close, kept by the results. *ret is NULL if there is none. False: there is one, but it
 * isn't as documented: a number that is none or out of range, a histogram that isn't its count's, more hits than lots,
 * a loss that isn't the difference.
 */
bool fidelity_read(struct results *results, const json_t *data, struct result_receipt **ret);

/* The `line` event's data. False: it isn't as documented. */
bool fidelity_read_line(struct results *results, const json_t *data);

/* Shares and intervals of every receipt, their sums by step, and notes of what the line lost. */
void judge_fidelity(struct results *results);

#endif
