/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/flows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#define BATCH 1024

struct flows {
	int map_fd;
	uint32_t slot;
	bool started;
	__u32 position; /* a hash table's batches are told apart by bucket */
};

/* Lives for one call: hundreds of windows may be open for reading at a time. */
struct batch {
	struct sp_flow_key keys[BATCH], mine[BATCH];
	struct sp_flow values[BATCH];
};

int flows_open(int map_fd, uint32_t slot, struct flows **ret)
{
	struct flows *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->map_fd = map_fd;
	f->slot = slot;
	*ret = f;
	return 0;
}

void flows_close(struct flows *flows)
{
	free(flows);
}

/* 1: there is more, 0: that was the last batch, or a negative errno. */
static int take(struct flows *f, struct batch *b,
		void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_flow *flow), void *arg)
{
	__u32 n = BATCH, mine = 0;
	int err = bpf_map_lookup_batch(f->map_fd, f->started ? &f->position : NULL, &f->position, b->keys,
				       b->values, &n, NULL);
	bool last = err == -ENOENT;

	if (err && !last)
		return err;
	f->started = true;
	for (__u32 i = 0; i < n; i++) {
		if (b->keys[i].slot != f->slot)
			continue;
		call(arg, &b->keys[i], &b->values[i]);
		b->mine[mine++] = b->keys[i];
	}
	for (__u32 i = 0; i < mine; i++) {
		err = bpf_map_delete_elem(f->map_fd, &b->mine[i]);
		if (err && err != -ENOENT)
			return err;
	}
	return !last;
}

int flows_take(struct flows *f,
	       void (*call)(void *arg, const struct sp_flow_key *key, const struct sp_flow *flow), void *arg)
{
	struct batch *b = malloc(sizeof(*b));
	int more = b ? take(f, b, call, arg) : -ENOMEM;

	free(b);
	return more;
}
