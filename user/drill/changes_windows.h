/* SPDX-License-Identifier: BSD-2-Clause */
/* The windows of a plan's changes (changes.h). Pure, but for the look at the paths of files. */
#ifndef SHEARPIN_CHANGES_WINDOWS_H
#define SHEARPIN_CHANGES_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

struct change_times {
	const struct plan_step *step;
	uint32_t instance;      /* from 0 */
	uint64_t opens, closes; /* from the zero on; closes is UINT64_MAX: when the run ends */
	char *key;              /* what it changes; NULL: nothing that another could change, too */
};

/* In the order of their openings. 0 or -ENOMEM. */
int change_times(const struct plan *plan, struct change_times **ret, size_t *ret_n);
void change_times_free(struct change_times *times, size_t n); /* accepts NULL */

/* Two that change one thing and overlap, but neither lies in the other: *ret_a opens first. False: there are none. */
bool change_times_cross(const struct change_times *times, size_t n, const struct change_times **ret_a,
			const struct change_times **ret_b);

#endif
