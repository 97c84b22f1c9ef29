/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/conn_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#define BATCH 1024

struct batch {
	struct sp_flow_key keys[BATCH];
	struct sp_conn values[BATCH];
};

int conn_table_each(int map_fd,
		    void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_conn *conn),
		    void *arg)
{
	struct batch *b = malloc(sizeof(*b));
	__u32 position, n;
	bool started = false;
	int err = b ? 0 : -ENOMEM;

	while (!err) {
		n = BATCH;
		err = bpf_map_lookup_batch(map_fd, started ? &position : NULL, &position, b->keys, b->values,
					   &n, NULL);
		if (err && err != -ENOENT)
			break;
		started = true;
		for (__u32 i = 0; i < n; i++)
			call(arg, &b->keys[i], &b->values[i]);
	}
	free(b);
	return err == -ENOENT ? 0 : err;
}

int conn_table_delete(int map_fd, const struct sp_flow_key *key, const struct sp_conn *ended)
{
	struct sp_conn now;
	int err = bpf_map_lookup_elem(map_fd, key, &now);

	if (!err && (now.first_ns != ended->first_ns || !(now.flags & SP_CONN_ENDED)))
		return 0;
	if (!err)
		err = bpf_map_delete_elem(map_fd, key);
	if (err == -ENOENT)
		return 0;
	return err ?: 1;
}
