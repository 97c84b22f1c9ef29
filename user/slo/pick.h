/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of recovery and detection, narrowed down, in ascending order of their values. */
#ifndef SHEARPIN_PICK_H
#define SHEARPIN_PICK_H

#include "slo/results.h"

struct pick_filter {
	const char *step, *probe, *target; /* NULL: all */
	bool by_flow;
	bool detection; /* else recovery */
};

struct pick_sample {
	uint64_t value; /* NO_NS: none; these come last */
	const struct result_window *window;
	const char *name; /* of the probe, or of the path */
	uint64_t
		seq; /* of the event that the value rests on; without a value, that of the window's opening or closing */
};

struct picks {
	struct pick_sample *items;
	size_t n, missing;
};

/* False: no memory, and the results have failed. */
bool picks_take(struct results *results, const struct pick_filter *filter, struct picks *ret);
void picks_free(struct picks *picks);
/* Nearest rank; NULL: there is no sample. */
const struct pick_sample *picks_at(const struct picks *picks, unsigned percent);
struct result_samples picks_summary(const struct picks *picks);

/* Is the path one of this target's? NULL: of any. */
bool pick_is_of(const struct results *results, const struct result_path *path, const char *target);

static inline bool pick_wants(const char *wanted, const char *name)
{
	return !wanted || __builtin_strcmp(wanted, name) == 0;
}

#endif
