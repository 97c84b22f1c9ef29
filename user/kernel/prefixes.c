/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/prefixes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/engine.h"
#include "kernel/vectors.h"
#include "shearpin.skel.h"

/* Kernels before 6.13 want a free entry to replace one, too. */
static size_t room(const struct plan *plan, int family)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];

		n += ENGINE_HOST_ROOM * t->n_hosts;
		for (size_t k = 0; k < t->n_remotes; k++)
			n += t->remotes[k].family == family;
	}
	return n + 1;
}

int prefixes_size(const struct plan *plan, struct shearpin *skel)
{
	int err = bpf_map__set_max_entries(skel->maps.prefixes4, room(plan, AF_INET));

	return err ?: bpf_map__set_max_entries(skel->maps.prefixes6, room(plan, AF_INET6));
}

static int put4(int fd, const struct prefix_rules *entry)
{
	struct sp_prefix4 key = {.len = entry->prefix.len};

	memcpy(&key.addr, entry->prefix.addr, sizeof(key.addr));
	return bpf_map_update_elem(fd, &key, &entry->rules, BPF_ANY);
}

static int put6(int fd, const struct prefix_rules *entry)
{
	struct sp_prefix6 key = {.len = entry->prefix.len};

	memcpy(key.addr, entry->prefix.addr, sizeof(key.addr));
	return bpf_map_update_elem(fd, &key, &entry->rules, BPF_ANY);
}

static int fill(const struct plan *plan, int family, int fd,
		int (*put)(int fd, const struct prefix_rules *entry))
{
	struct prefix_rules *list = NULL;
	size_t n = 0;
	int err = vectors_prefixes(plan, family, &list, &n);

	for (size_t i = 0; !err && i < n; i++)
		err = put(fd, &list[i]);
	free(list);
	return err;
}

int prefixes_fill(const struct plan *plan, struct shearpin *skel)
{
	int err = fill(plan, AF_INET, bpf_map__fd(skel->maps.prefixes4), put4);

	return err ?: fill(plan, AF_INET6, bpf_map__fd(skel->maps.prefixes6), put6);
}
