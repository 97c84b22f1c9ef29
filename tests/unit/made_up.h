/* SPDX-License-Identifier: BSD-2-Clause */
/* Results made by hand, for what renders them. Times count in milliseconds from the end of the baseline. */
#ifndef TESTS_MADE_UP_H
#define TESTS_MADE_UP_H

#include "slo/results.h"

/* Monotonic time of so many ms from the end of the baseline. */
uint64_t made_up_ns(int64_t ms);

struct made_up {
	const char *name; /* of everything that a user names; NULL: harmless ones */
	unsigned windows; /* of the step that cuts, a minute apart; beside them one that overlaps the first */
	unsigned paths;   /* the first is that of a client that backs off exponentially */
	unsigned attempts; /* of the first path in each window */
	unsigned changes;  /* of the probe in each window, at least 2 */
	bool last_unrecovered;
	bool incomplete;
};

/* A drill of 10 s baseline, with two probes; the cut has 20 s. For results_free(). Fails the test without memory. */
struct results *made_up_results(const struct made_up *what);

#endif
