/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/owners.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/engine.h"
#include "shearpin.skel.h"

#define BATCH 512

struct owners {
	struct bpf_link *link;
};

int owners_open(struct engine *engine, struct owners **ret)
{
	struct owners *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->link = bpf_program__attach_iter(engine_programs(engine)->progs.owners, NULL);
	if (!o->link) {
		err = -errno;
		free(o);
		return err;
	}
	*ret = o;
	return 0;
}

void owners_close(struct owners *owners)
{
	if (!owners)
		return;
	bpf_link__destroy(owners->link);
	free(owners);
}

int owners_walk(struct owners *owners, void (*call)(void *arg, const struct sp_owner *owner), void *arg)
{
	struct sp_owner found[BATCH];
	int fd = bpf_iter_create(bpf_link__fd(owners->link));
	int n = 0, err;
	ssize_t len;

	if (fd < 0)
		return -errno;
	/* A walk over many files gives up in between, for others' sake, and is to be asked again. */
	while ((len = read(fd, found, sizeof(found))) > 0 || (len < 0 && errno == EAGAIN)) {
		for (size_t i = 0; len > 0 && i < len / sizeof(*found); i++) {
			call(arg, &found[i]);
			n++;
		}
	}
	err = len < 0 ? -errno : 0;
	close(fd);
	return err ? err : n;
}
