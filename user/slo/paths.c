/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"

static void on_evict(void *arg, const void *key, void *value)
{
	(void)key;
	paths_quiet(arg, value);
}

int paths_init(struct paths *paths, struct results *results)
{
	int err;

	*paths = (struct paths){.results = results};
	err = table_open(sizeof(struct flow_key), sizeof(uint32_t), PATHS_MOST, &paths->by_key);
	if (!err)
		err = table_open(sizeof(struct flow_key), sizeof(struct conn), PATHS_MOST_CONNS,
				 &paths->conns);
	if (!err)
		table_on_evict(paths->conns, on_evict, paths);
	return err;
}

void paths_free(struct paths *paths)
{
	table_close(paths->by_key);
	table_close(paths->conns);
	free(paths->items);
}

void paths_end(struct paths *paths)
{
	struct results *r = paths->results;
	const struct moment_process *process;

	for (size_t i = 0; i < r->n_paths; i++) {
		process = &paths->items[i].process;
		if (process->pid)
			r->paths[i].process = results_keepf(r, "%s[%" PRIu64 "]%s%s", process->comm,
							    process->pid, process->cgroup ? " " : "",
							    process->cgroup ? process->cgroup : "");
	}
}

static bool add_path(struct paths *paths, const struct flow_key *key, const struct moment_targets *targets)
{
	struct results *r = paths->results;
	char name[FLOW_NAME];
	uint32_t *index;
	bool is_new;

	if (!results_grow(r, r->paths, r->n_paths) || !results_grow(r, paths->items, r->n_paths))
		return false;
	index = table_put(paths->by_key, key, &is_new);
	if (!index) {
		r->failed = true;
		return false;
	}
	flow_key_name(key, name);
	*index = r->n_paths;
	r->paths[r->n_paths] = (struct result_path){
		.target = r->targets[targets->first].name,
		.name = results_keep(r, name),
		.incoming = key->incoming,
	};
	paths->items[r->n_paths++] = (struct path){
		.first_payload_ns = {NO_NS, NO_NS},
		.ended_payload_ns = {NO_NS, NO_NS},
	};
	return true;
}

bool paths_find(struct paths *paths, const struct flow_key *key, const struct moment_targets *targets,
		size_t *ret)
{
	const uint32_t *index = table_find(paths->by_key, key);
	struct results *r = paths->results;
	size_t i;

	if (index) {
		*ret = *index;
	} else {
		*ret = r->n_paths;
		if (table_count(paths->by_key) >= PATHS_MOST || !add_path(paths, key, targets)) {
			paths->lost++;
			return false;
		}
	}
	for (i = 0; i < RESULT_TARGET_WORDS; i++)
		r->paths[*ret].targets[i] |= targets->bits[i];
	return true;
}

static bool has_port(const struct port_range *ports, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (port >= ports[i].first && port <= ports[i].last)
			return true;
	}
	return false;
}

/* Where nobody saw who opened it: a target that names the port of one end tells who is called. */
static enum flow_opener guess_opener(const struct results *r, const struct moment *m)
{
	const struct result_target *t = &r->targets[m->targets->first];
	bool remote = has_port(t->remote_ports, t->n_remote_ports, m->flow.remote_port);
	bool local = has_port(t->local_ports, t->n_local_ports, m->flow.local_port);

	if (m->opener != OPENER_UNKNOWN || remote == local)
		return m->opener;
	return remote ? OPENER_OUT : OPENER_IN;
}

static void start_conn(struct paths *paths, struct conn *conn, const struct moment *m)
{
	struct flow_key key = flow_key_path(&m->flow, guess_opener(paths->results, m));
	bool is_tcp = m->flow.proto == IPPROTO_TCP;
	size_t path = 0;

	*conn = (struct conn){
		.since_ns = is_tcp && m->opener == OPENER_UNKNOWN ? 0 : m->ns,
		.payload_ns = {NO_NS, NO_NS},
		.resent_ns = {NO_NS, NO_NS},
	};
	conn->lost = !paths_find(paths, &key, m->targets, &path);
	conn->path = path;
	if (!conn->lost) /* a rule that hit it may have been another target's */
		paths->results->paths[path].target = paths->results->targets[m->targets->first].name;
}

struct conn *paths_conn(struct paths *paths, const struct moment *m)
{
	struct conn *conn;
	bool is_new;

	conn = table_put(paths->conns, &m->flow, &is_new);
	if (!conn) {
		paths->results->failed = true;
		return NULL;
	}
	if (is_new) {
		start_conn(paths, conn, m);
	} else if (m->kind == MOMENT_ATTEMPT) { /* between the same ends as one before */
		paths_quiet(paths, conn);
		start_conn(paths, conn, m);
	}
	return conn;
}

bool paths_hit(struct paths *paths, const struct moment *m, size_t *ret)
{
	const struct conn *conn = table_find(paths->conns, &m->flow);
	struct flow_key key;

	if (conn) {
		*ret = conn->path;
		return !conn->lost;
	}
	key = flow_key_path(&m->flow, guess_opener(paths->results, m));
	return paths_find(paths, &key, m->targets, ret);
}

void paths_quiet(struct paths *paths, struct conn *conn)
{
	if (conn->live)
		paths->items[conn->path].live--;
	conn->live = false;
}

void paths_forget(struct paths *paths, const struct flow_key *flow)
{
	struct conn *conn = table_find(paths->conns, flow);

	if (!conn)
		return;
	paths_quiet(paths, conn);
	table_remove(paths->conns, flow);
}
