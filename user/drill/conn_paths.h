/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which paths a fault has hit, and whether each is back: what the recovery phase waits for where no probe tells. A path is
 * all connections between a local address and a remote address and port (incoming: a local address and port, and a remote
 * address), as in docs/definitions.md, where recovery by flow is defined, too. Bounded: the paths used last are kept.
 */
#ifndef SHEARPIN_CONN_PATHS_H
#define SHEARPIN_CONN_PATHS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct conn_paths;

/* 0 or a negative errno. */
int conn_paths_open(struct conn_paths **ret);
void conn_paths_close(struct conn_paths *paths); /* accepts NULL */

/* opener: enum sp_dir; SP_DIRS: unknown, and then the lower port is the one that was called. */

/* A packet of the flow was hit, in a window that closes at closes_ns. */
void conn_paths_hit(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		    uint64_t hit_ns, uint64_t closes_ns);
/* A sign of life of the path: an attempt, payload, or a segment sent again. */
void conn_paths_tried(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener, uint64_t ns);
/* Payload of one connection: the time of the last of its conn.first_data and conn.data, by direction; 0: none so far. */
void conn_paths_data(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		     const uint64_t data_ns[SP_DIRS]);
/*
 * Has every path that was hit had payload in both directions since the window closed? One direction will do where there
 * never was any in the other, and none came for a second. True if none was hit. tried_only: of those that were hit, only
 * the ones that ever had payload and gave a sign of life after the first hit are waited for.
 */
bool conn_paths_recovered(struct conn_paths *paths, uint64_t now, bool tried_only);

#endif
