/* SPDX-License-Identifier: BSD-2-Clause */
/* The maps that the programs look up remote addresses in, from the plan's targets. Functions return 0 or a negative errno. */
#ifndef SHEARPIN_PREFIXES_H
#define SHEARPIN_PREFIXES_H

#include "scenario/plan.h"

struct shearpin;

/* Before the programs are loaded: room for what the targets have, and for what their names may gain (ENGINE_HOST_ROOM). */
int prefixes_size(const struct plan *plan, struct shearpin *skel);

/*
 * After it, and again whenever targets have gained addresses: nothing is taken out, so that no lookup finds less than
 * before at any time.
 */
int prefixes_fill(const struct plan *plan, struct shearpin *skel);

#endif
