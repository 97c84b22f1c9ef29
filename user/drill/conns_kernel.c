/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conns_kernel.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/cgroups.h"
#include "kernel/owners.h"

struct side {
	struct engine *engine;
	struct owners *owners; /* NULL: this kernel has no such walk */
	struct cgroups *cgroups;
};

static int observed_target(void *arg, unsigned bit)
{
	const struct side *side = arg;

	return engine_observed_target(side->engine, bit);
}

static int conn_delete(void *arg, const struct sp_flow_key *key, const struct sp_conn *ended)
{
	const struct side *side = arg;

	return engine_conn_delete(side->engine, key, ended);
}

static int conns_each(void *arg, conns_entry *call, void *call_arg)
{
	const struct side *side = arg;

	return engine_conns_each(side->engine, call, call_arg);
}

static int walk(void *arg, void (*call)(void *arg, const struct sp_owner *owner), void *call_arg)
{
	const struct side *side = arg;

	return side->owners ? owners_walk(side->owners, call, call_arg) : -EOPNOTSUPP;
}

static const char *cgroup_path(void *arg, uint64_t id, uint32_t pid)
{
	const struct side *side = arg;

	return cgroups_path(side->cgroups, id, pid);
}

int conns_kernel_open(struct engine *engine, struct conns_kernel *ret)
{
	struct side *side = calloc(1, sizeof(*side));
	int err;

	if (!side)
		return -ENOMEM;
	*ret = (struct conns_kernel){
		.arg = side,
		.observed_target = observed_target,
		.conn_delete = conn_delete,
		.conns_each = conns_each,
		.owners_walk = walk,
		.cgroup_path = cgroup_path,
	};
	side->engine = engine;
	err = cgroups_open(&side->cgroups);
	if (!err)
		(void)owners_open(engine, &side->owners); /* who holds a socket is told if it can be known */
	if (err)
		conns_kernel_close(ret);
	return err;
}

void conns_kernel_close(struct conns_kernel *kernel)
{
	struct side *side = kernel->arg;

	if (!side)
		return;
	owners_close(side->owners);
	cgroups_close(side->cgroups);
	free(side);
	*kernel = (struct conns_kernel){0};
}
