/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands behind the `=` of a fault's word on the command line. */
#ifndef SHEARPIN_SCENARIO_WORD_VALUE_H
#define SHEARPIN_SCENARIO_WORD_VALUE_H

#include "scenario/tree.h"

/*
 * A mapping in braces, as in a file: {percent: 25%, by: 3ms}. Of `loss` and `reorder` also without: every:10,
 * percent=25%,by=3ms and gemodel:p=1%,r=10%. Anything else is a scalar. NULL: no memory, or a mistake was told.
 */
struct node *word_value(struct arena *a, struct errors *errors, const char *word, const char *key,
			const char *value);

#endif
