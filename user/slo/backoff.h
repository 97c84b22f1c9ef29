/* SPDX-License-Identifier: BSD-2-Clause */
/* How the intervals between attempts follow each other: docs/definitions.md, "Back-off". Pure. */
#ifndef SHEARPIN_BACKOFF_H
#define SHEARPIN_BACKOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slo/results.h"

/*
 * at_ns: times of attempts in ascending order. silent: the attempts got no answer, so that each interval may hold a timeout before
 * the wait. 0 or -ENOMEM.
 */
int backoff_classify(const uint64_t *at_ns, size_t n, bool silent, struct result_backoff *ret);

#endif
