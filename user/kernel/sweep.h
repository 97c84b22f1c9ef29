/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What killed runs may have left on this host's interfaces (docs/leftovers.md), removed wherever it is: in every network
 * namespace, on every interface that no live run has claimed.
 */
#ifndef SHEARPIN_SWEEP_H
#define SHEARPIN_SWEEP_H

#include "kernel/netns.h"

struct swept {
	const struct netns *netns;
	const char *interface; /* NULL: it is about the namespace as a whole */
	int error;             /* 0: a stub was removed; else why not */
};

/* Tells of each stub, and of each namespace that could not be looked into. 0, or a negative errno if nothing was done. */
int sweep_host(void (*call)(void *arg, const struct swept *swept), void *arg);

#endif
