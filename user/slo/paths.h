/* SPDX-License-Identifier: BSD-2-Clause */
/* The paths of the results, and the connections on them that the log speaks of now. Both are bounded. */
#ifndef SHEARPIN_PATHS_H
#define SHEARPIN_PATHS_H

#include "slo/moment.h"
#include "slo/results.h"

#define PATHS_MOST 16384 /* further ones are left out */
#define PATHS_MOST_CONNS                                                                                     \
	131072 /* twice what the kernel follows at one time; beyond, the one told of longest ago is forgotten */

struct watch;

/* Beside the struct result_path of the same index. */
struct path {
	struct watch *watches;           /* of windows that are not settled yet */
	uint64_t first_payload_ns[WAYS]; /* NO_NS: none so far */
	uint64_t ended_payload_ns[WAYS]; /* the last one on a connection that is over; NO_NS: none */
	uint64_t live;                   /* connections that had payload, and are not over */
	struct moment_process process;   /* the last one seen */
};

struct conn {
	uint32_t path;
	bool lost; /* there was no room for its path */
	bool live;
	uint64_t since_ns;         /* when it was established; 0: before the observer */
	uint64_t payload_ns[WAYS]; /* the last that the log tells of; NO_NS: none */
	uint64_t resent_ns[WAYS];  /* ... segment that was sent again */
};

struct paths {
	struct results *results;
	struct path *items; /* as many as the results have paths */
	struct table *by_key, *conns;
	uint64_t lost; /* events of paths that there was no room for */
};

/* 0 or a negative errno. After a failure paths_free() is due, too. */
int paths_init(struct paths *paths, struct results *results);
void paths_free(struct paths *paths);
/* Tell the results what their paths are called, and by which process they are used. */
void paths_end(struct paths *paths);

/* The path's index, made if it isn't known yet. False: no room, no memory. */
bool paths_find(struct paths *paths, const struct flow_key *path, const struct moment_targets *targets,
		size_t *ret);
/* The connection of a conn.* event, made if it isn't known yet; NULL: no memory. It holds until the next call. */
struct conn *paths_conn(struct paths *paths, const struct moment *moment);
/* The path of a flow that was hit. False: it has none. */
bool paths_hit(struct paths *paths, const struct moment *moment, size_t *ret);
/* No more payload is to come on the connection. */
void paths_quiet(struct paths *paths, struct conn *conn);
/* The connection is over. */
void paths_forget(struct paths *paths, const struct flow_key *flow);

#endif
