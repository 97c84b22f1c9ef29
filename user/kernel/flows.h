/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking the flows of a closed window out of the flow table, a batch at a time, so that a window with 100,000 flows does
 * not keep the run from its other work.
 */
#ifndef SHEARPIN_FLOWS_H
#define SHEARPIN_FLOWS_H

#include <linux/types.h>
#include <stdint.h>

#include "abi.h"

struct flows;

/* map_fd: the flow table. 0 or a negative errno. */
int flows_open(int map_fd, uint32_t slot, struct flows **ret);
void flows_close(struct flows *flows); /* accepts NULL */

/* One batch: 1: there may be more, 0: that was the last, or a negative errno. */
int flows_take(struct flows *flows,
	       void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_flow *flow), void *arg);

#endif
