/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conn_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/timeutil.h"

#define KEPT 16384
#define ONE_WAY_NS NS_PER_S

struct path_key {
	uint32_t local[4], remote[4];
	uint16_t port; /* of the end that was called */
	uint8_t proto, incoming;
};
_Static_assert(sizeof(struct path_key) == 36, "no byte of it is left to chance");

struct path {
	bool is_hit, recovered;
	bool had[SP_DIRS];   /* payload, ever */
	uint64_t hit_ns;     /* since it was last back, the first time */
	uint64_t tried_ns;   /* the last sign of life of its application */
	uint64_t closes_ns;  /* of the last window that hit it */
	uint64_t one_way_ns; /* payload since then in one direction only; 0: none */
};

struct conn_paths {
	struct table *table;
	size_t waiting;    /* paths that are hit and not recovered */
	bool is_forgotten; /* one of them made way */
};

static void note_evicted(void *arg, const void *key, void *value)
{
	struct conn_paths *paths = arg;
	const struct path *path = value;

	(void)key;
	if (path->is_hit && !path->recovered) {
		paths->waiting--;
		paths->is_forgotten = true;
	}
}

int conn_paths_open(struct conn_paths **ret)
{
	struct conn_paths *paths = calloc(1, sizeof(*paths));
	int err;

	if (!paths)
		return -ENOMEM;
	err = table_open(sizeof(struct path_key), sizeof(struct path), KEPT, &paths->table);
	if (err) {
		free(paths);
		return err;
	}
	table_on_evict(paths->table, note_evicted, paths);
	*ret = paths;
	return 0;
}

void conn_paths_close(struct conn_paths *paths)
{
	if (!paths)
		return;
	table_close(paths->table);
	free(paths);
}

static struct path *path_of(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener)
{
	struct path_key key = {.proto = flow->proto};
	bool is_new;

	memcpy(key.local, flow->local, sizeof(key.local));
	memcpy(key.remote, flow->remote, sizeof(key.remote));
	key.incoming = opener == SP_DIR_IN || (opener == SP_DIRS && flow->local_port < flow->remote_port);
	key.port = key.incoming ? flow->local_port : flow->remote_port;
	return table_put(paths->table, &key, &is_new);
}

void conn_paths_hit(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		    uint64_t hit_ns, uint64_t closes_ns)
{
	struct path *path = path_of(paths, flow, opener);

	if (!path) {
		paths->is_forgotten = true;
		return;
	}
	if (!path->is_hit || path->recovered) {
		paths->waiting++;
		path->hit_ns = hit_ns;
	}
	path->is_hit = true;
	path->recovered = false;
	path->one_way_ns = 0;
	if (closes_ns > path->closes_ns)
		path->closes_ns = closes_ns;
}

void conn_paths_tried(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener, uint64_t ns)
{
	struct path *path = path_of(paths, flow, opener);

	if (path && ns > path->tried_ns)
		path->tried_ns = ns;
}

static void recover(struct conn_paths *paths, struct path *path)
{
	path->recovered = true;
	paths->waiting--;
}

void conn_paths_data(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		     const uint64_t data_ns[SP_DIRS])
{
	struct path *path = path_of(paths, flow, opener);
	bool since[SP_DIRS];

	if (!path)
		return;
	for (int dir = 0; dir < SP_DIRS; dir++) {
		path->had[dir] |= data_ns[dir] > 0;
		since[dir] = data_ns[dir] && data_ns[dir] >= path->closes_ns;
	}
	if (!path->is_hit || path->recovered)
		return;
	if (since[SP_DIR_IN] && since[SP_DIR_OUT])
		recover(paths, path);
	else if ((since[SP_DIR_IN] || since[SP_DIR_OUT]) && !path->one_way_ns)
		path->one_way_ns = since[SP_DIR_IN] ? data_ns[SP_DIR_IN] : data_ns[SP_DIR_OUT];
}

/* That there is payload in one direction only, time has shown. */
static bool is_one_way(const struct path *path, uint64_t now)
{
	return path->one_way_ns && now >= path->one_way_ns + ONE_WAY_NS &&
	       !(path->had[SP_DIR_IN] && path->had[SP_DIR_OUT]);
}

/* Somebody tries to restore what was in use. One that only connects and hangs up would never be seen to be back. */
static bool is_tried(const struct path *path)
{
	return path->tried_ns > path->hit_ns && (path->had[SP_DIR_IN] || path->had[SP_DIR_OUT]);
}

bool conn_paths_recovered(struct conn_paths *paths, uint64_t now, bool tried_only)
{
	struct path *path = NULL;

	while (paths->waiting && (path = table_next(paths->table, path, NULL))) {
		if (!path->is_hit || path->recovered || (tried_only && !is_tried(path)))
			continue;
		if (!is_one_way(path, now))
			return false;
		recover(paths, path);
	}
	return !paths->is_forgotten;
}
