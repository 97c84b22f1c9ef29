/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of a path's attempts in a window follow each other, so that the intervals between them tell how the client waits. */
#ifndef SHEARPIN_SERIES_H
#define SHEARPIN_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slo/results.h"

/* Zeroed: none yet. */
struct series {
	uint64_t *pids; /* of the attempts; 0: unknown */
	size_t n;
	size_t start;              /* of the attempts since the last connection that was established */
	size_t longest, n_longest; /* of all such runs: where it starts, how many it has */
	bool broken;
};

/* One more attempt. 0 or -ENOMEM. */
int series_add(struct series *series, uint64_t pid);
/* A connection was established: the next attempt starts another run. */
void series_break(struct series *series);
/*
 * How the longest run goes; of several processes that have four attempts or more in it, that with the most. at_ns: of all
 * attempts. silent: they get no answer. 0 or -ENOMEM.
 */
int series_backoff(const struct series *series, const uint64_t *at_ns, bool silent,
		   struct result_backoff *ret);
void series_clear(struct series *series);

#endif
