/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which paths a fault has hit, and whether each is back: what the recovery phase waits for where no probe tells. A path is
 * all connections between a local address and a remote address and port (incoming: a local address and port, and a remote
 * address), as in docs/definitions.md, where recovery by flow is defined, too: user/slo says the same of the log. A hit may be
 * told of behind the payload that its path came back with. Bounded: the paths used last are kept.
 */
#ifndef SHEARPIN_CONN_PATHS_H
#define SHEARPIN_CONN_PATHS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "drill/windows.h"

struct conn_paths;

/* The plan must outlive them. 0 or a negative errno. */
int conn_paths_open(const struct plan *plan, struct conn_paths **ret);
void conn_paths_close(struct conn_paths *paths); /* accepts NULL */

/* Who opened a flow, of enum sp_dir, if nobody saw it: a target that names the port of one end tells who is called. */
unsigned conn_paths_opener(const struct plan_target *target, const struct sp_flow_key *flow);

/* opener: enum sp_dir; SP_DIRS: unknown, and then the lower port is the one that was called. */

/* A packet that was hit. */
struct conn_paths_hit {
	uint64_t ns;
	struct slot_window window;
	struct sp_bits targets; /* that the flow belongs to beside the rule's own, by their indices */
};

void conn_paths_hit(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		    const struct conn_paths_hit *hit);
/* A sign of life of the path: an attempt, payload, or a segment sent again. */
void conn_paths_tried(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener, uint64_t ns);
/* A handshake. */
void conn_paths_greeted(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
			uint64_t ns);
/* Payload of one connection: the time of the last that was told of, be it sent again, by direction; 0: none so far. */
void conn_paths_data(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		     const uint64_t data_ns[SP_DIRS]);
/*
 * Is every path that was hit back, by what it had since the last window that hit it closed? A path without any payload is a
 * second after its handshake, which payload would follow at once. True if none was hit. tried_only: of those that were hit, only
 * the ones that ever had payload and gave a sign of life after the first hit are waited for.
 */
bool conn_paths_recovered(struct conn_paths *paths, uint64_t now, bool tried_only);

/* Paths that a window has hit. */
struct conn_paths_of {
	size_t step;        /* index */
	uint64_t closes_ns; /* of the step's last window */
	int target;         /* index; -1: any */
};

/* Are these back since closes_ns, of those that are waited for with tried_only? */
bool conn_paths_back(struct conn_paths *paths, uint64_t now, const struct conn_paths_of *of);

#endif
