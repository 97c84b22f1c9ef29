/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/sweep.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/attach.h"
#include "kernel/host.h"

struct sweep {
	void (*call)(void *arg, const struct swept *swept);
	void *arg;
	const struct netns *netns;
};

static void sweep_interface(const struct sweep *sweep, const struct if_nameindex *interface)
{
	struct swept swept = {.netns = sweep->netns, .interface = interface->if_name};
	int claim, removed;

	/* A claim for nothing would be in the way of a run that starts just now. */
	if (!attach_has_stub(interface->if_index))
		return;
	removed = host_claim(interface->if_index, &claim);
	if (removed == -EADDRINUSE)
		return; /* a live run's */
	if (!removed) {
		removed = attach_sweep(interface->if_index);
		close(claim);
	}
	swept.error = removed < 0 ? removed : 0;
	/* An interface that goes away meanwhile takes its filters along. */
	if (removed && removed != -ENODEV)
		sweep->call(sweep->arg, &swept);
}

static int sweep_here(void *arg)
{
	struct if_nameindex *interfaces = if_nameindex();

	if (!interfaces)
		return -errno;
	for (const struct if_nameindex *i = interfaces; i->if_index; i++)
		sweep_interface(arg, i);
	if_freenameindex(interfaces);
	return 0;
}

int sweep_host(void (*call)(void *arg, const struct swept *swept), void *arg)
{
	struct sweep sweep = {.call = call, .arg = arg};
	struct netns *list;
	size_t n;
	int err = netns_list(&list, &n);

	if (err)
		return err;
	for (size_t i = 0; i < n; i++) {
		struct swept swept = {.netns = &list[i]};

		sweep.netns = &list[i];
		swept.error = netns_call(&list[i], sweep_here, &sweep);
		/* A process that has ended took its namespace along; a file there need be none. */
		if (swept.error && swept.error != -ENOENT && swept.error != -EINVAL)
			call(arg, &swept);
	}
	free(list);
	return 0;
}
