/* SPDX-License-Identifier: BSD-2-Clause */
/* What run.start says of the host, as names and words. */
#ifndef SHEARPIN_FACTS_H
#define SHEARPIN_FACTS_H

#include <jansson.h>

#include "slo/results.h"

/* The data of run.start: the members that are known by name; others, and such as are not as expected, are left out. */
void take_facts(struct results *results, const json_t *data);

#endif
