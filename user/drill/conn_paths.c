/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conn_paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/timeutil.h"
#include "kernel/vectors.h"

#define KEPT 16384
#define GREETED_NS NS_PER_S

struct path_key {
	uint32_t local[4], remote[4];
	uint16_t port; /* of the end that was called */
	uint8_t proto, incoming;
};
_Static_assert(sizeof(struct path_key) == 36, "no byte of it is left to chance");

struct path {
	bool is_missing; /* hit, and not back since its last window closed */
	uint8_t way; /* the only one with payload before the windows that hit it opened; SP_DIRS: there is none */
	uint64_t first_ns[SP_DIRS], last_ns[SP_DIRS]; /* payload; 0: none */
	uint64_t both_ns; /* since then one connection had payload in both directions; 0: none had */
	uint64_t
		greeted_ns; /* while it is missing the first handshake since the closing, otherwise the last */
	uint64_t hit_ns;    /* since it was last back, the first time */
	uint64_t tried_ns;  /* the last sign of life of its application */
	uint64_t closes_ns; /* of the last window that hit it */
	/* Since it was last back: what hit it, and what it belongs to. */
	struct sp_bits rules, targets;
};

struct conn_paths {
	const struct plan *plan;
	struct table *table;
	size_t missing;
	bool is_forgotten; /* one of them made way */
};

static void note_evicted(void *arg, const void *key, void *value)
{
	struct conn_paths *paths = arg;
	const struct path *path = value;

	(void)key;
	if (path->is_missing) {
		paths->missing--;
		paths->is_forgotten = true;
	}
}

int conn_paths_open(const struct plan *plan, struct conn_paths **ret)
{
	struct conn_paths *paths = calloc(1, sizeof(*paths));
	int err;

	if (!paths)
		return -ENOMEM;
	paths->plan = plan;
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

static bool has_port(const struct port_range *ports, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++)
		if (port >= ports[i].first && port <= ports[i].last)
			return true;
	return false;
}

unsigned conn_paths_opener(const struct plan_target *target, const struct sp_flow_key *flow)
{
	bool remote = has_port(target->remote_ports, target->n_remote_ports, flow->remote_port);
	bool local = has_port(target->local_ports, target->n_local_ports, flow->local_port);

	if (remote == local)
		return SP_DIRS;
	return remote ? SP_DIR_OUT : SP_DIR_IN;
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

static bool had_before(const struct path *path, unsigned dir, uint64_t ns)
{
	return path->first_ns[dir] && path->first_ns[dir] < ns;
}

/* The only direction in which there was payload before; SP_DIRS: both, or none. */
static uint8_t way_before(const struct path *path, uint64_t ns)
{
	bool in = had_before(path, SP_DIR_IN, ns);

	if (in == had_before(path, SP_DIR_OUT, ns))
		return SP_DIRS;
	return in ? SP_DIR_IN : SP_DIR_OUT;
}

static bool had_since(const struct path *path, uint64_t closes_ns)
{
	return path->both_ns >= closes_ns || (path->way < SP_DIRS && path->last_ns[path->way] >= closes_ns);
}

static void recover(struct conn_paths *paths, struct path *path)
{
	path->is_missing = false;
	paths->missing--;
}

static void miss(struct conn_paths *paths, struct path *path, const struct conn_paths_hit *hit)
{
	paths->missing++;
	path->is_missing = true;
	path->way = way_before(path, hit->window.opens_ns);
	path->hit_ns = hit->ns;
	path->rules = path->targets = (struct sp_bits){0};
}

void conn_paths_hit(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		    const struct conn_paths_hit *hit)
{
	struct path *path = path_of(paths, flow, opener);

	if (!path) {
		paths->is_forgotten = true;
		return;
	}
	if (!path->is_missing)
		miss(paths, path, hit);
	else if (path->way != way_before(path, hit->window.opens_ns))
		path->way = SP_DIRS;
	if (hit->window.closes_ns > path->closes_ns)
		path->closes_ns = hit->window.closes_ns;
	bits_set(&path->rules, hit->window.rule);
	bits_set(&path->targets, paths->plan->rules[hit->window.rule].target);
	bits_or_all(&path->targets, &hit->targets);
	if (had_since(path, path->closes_ns))
		recover(paths, path);
}

void conn_paths_tried(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener, uint64_t ns)
{
	struct path *path = path_of(paths, flow, opener);

	if (path && ns > path->tried_ns)
		path->tried_ns = ns;
}

void conn_paths_greeted(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
			uint64_t ns)
{
	struct path *path = path_of(paths, flow, opener);

	if (path && (!path->is_missing || path->greeted_ns < path->closes_ns))
		path->greeted_ns = ns;
}

void conn_paths_data(struct conn_paths *paths, const struct sp_flow_key *flow, unsigned opener,
		     const uint64_t data_ns[SP_DIRS])
{
	uint64_t in = data_ns[SP_DIR_IN], out = data_ns[SP_DIR_OUT], both = in < out ? in : out;
	struct path *path = path_of(paths, flow, opener);

	if (!path)
		return;
	for (int dir = 0; dir < SP_DIRS; dir++) {
		if (!path->first_ns[dir])
			path->first_ns[dir] = data_ns[dir];
		if (data_ns[dir] > path->last_ns[dir])
			path->last_ns[dir] = data_ns[dir];
	}
	if (both > path->both_ns)
		path->both_ns = both;
	if (path->is_missing && had_since(path, path->closes_ns))
		recover(paths, path);
}

/* That there is no payload, time has shown. */
static bool is_back(const struct path *path, uint64_t closes_ns, uint64_t now)
{
	if (had_since(path, closes_ns))
		return true;
	return !path->first_ns[SP_DIR_IN] && !path->first_ns[SP_DIR_OUT] && path->greeted_ns >= closes_ns &&
	       now >= path->greeted_ns + GREETED_NS;
}

/* Somebody tries to restore what was in use. */
static bool is_tried(const struct path *path)
{
	return path->tried_ns > path->hit_ns && (path->first_ns[SP_DIR_IN] || path->first_ns[SP_DIR_OUT]);
}

bool conn_paths_recovered(struct conn_paths *paths, uint64_t now, bool tried_only)
{
	struct path *path = NULL;

	while (paths->missing && (path = table_next(paths->table, path, NULL))) {
		if (!path->is_missing || (tried_only && !is_tried(path)))
			continue;
		if (!is_back(path, path->closes_ns, now))
			return false;
		recover(paths, path);
	}
	return !paths->is_forgotten;
}

static struct sp_bits rules_of(const struct plan *plan, size_t step)
{
	struct sp_bits rules = {0};

	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].step == step)
			bits_set(&rules, i);
	return rules;
}

static bool has_common(const struct sp_bits *a, const struct sp_bits *b)
{
	uint64_t common = 0;

	for (int i = 0; i < SP_WORDS; i++)
		common |= a->w[i] & b->w[i];
	return common;
}

bool conn_paths_back(struct conn_paths *paths, uint64_t now, const struct conn_paths_of *of)
{
	const struct sp_bits rules = rules_of(paths->plan, of->step);
	const struct path *path = NULL;

	while (paths->missing && (path = table_next(paths->table, path, NULL))) {
		if (path->is_missing && is_tried(path) && has_common(&path->rules, &rules) &&
		    (of->target < 0 || bits_get(&path->targets, of->target)) &&
		    !is_back(path, of->closes_ns, now))
			return false;
	}
	return !paths->is_forgotten;
}
