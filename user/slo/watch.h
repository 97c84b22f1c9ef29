/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the windows did to the paths, and how these came back: follows attempts, hits, payload and ends of connections in the order
 * of their time. docs/definitions.md has the terms. Memory is bounded by the number of paths and windows.
 */
#ifndef SHEARPIN_WATCH_H
#define SHEARPIN_WATCH_H

#include "slo/current.h"
#include "slo/moment.h"
#include "slo/results.h"

#define WATCH_MOST_FLOWS 262144 /* of all windows together; further ones are left out */

struct watchers;

/* `current` is set to the moment's time before each watch_moment(). 0 or a negative errno. */
int watch_new(struct results *results, const struct current *current, struct watchers **ret);
/* Accepts NULL. */
void watch_free(struct watchers *watchers);
/* Anything but a sample. */
void watch_moment(struct watchers *watchers, const struct moment *moment);
/* The log is over: settle what is open, put the windows' flows into their order, note what was left out. */
void watch_end(struct watchers *watchers);

#endif
