/* SPDX-License-Identifier: BSD-2-Clause */
/* Which window of each step opened last, as time goes on. */
#ifndef SHEARPIN_CURRENT_H
#define SHEARPIN_CURRENT_H

#include "slo/results.h"

struct current_step {
	const char *name;                      /* without that of a phase */
	struct result_window *window;          /* NULL: none has opened yet */
	uint64_t targets[RESULT_TARGET_WORDS]; /* of the window, by their indices in the results */
	const struct result_window *told;      /* what `targets` was made of, and of how many of its parts */
	size_t n_told;
};

struct current {
	struct results *results;
	struct current_step *steps; /* in the order of their first appearance; never fewer */
	size_t n_steps;
	size_t *step_of; /* by window, in the order of the results */
	size_t n_known;
	uint64_t from_ns, to_ns; /* between these times `window` holds */
	uint64_t first_ns;       /* when the first window of all opened; NO_NS: none has */
};

void current_init(struct current *current, struct results *results);
void current_free(struct current *current);
/* The results' windows, or their times, have changed. */
void current_changed(struct current *current);
/* Set every step's window for this time. */
void current_set(struct current *current, uint64_t ns);

static inline bool current_is_open(const struct current_step *step, uint64_t ns)
{
	return step->window && ns < step->window->closed_ns;
}

#endif
