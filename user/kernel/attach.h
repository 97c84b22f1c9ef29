/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Attachments that end with their owner. XDP and tcx are links, held by descriptors. Without tcx a clsact filter holds
 * a stub (bpf/stub.bpf.c) that goes inert with its owner; attach_close() removes it, and a later start or `clear`
 * removes one that a killed owner has left.
 */
#ifndef SHEARPIN_ATTACH_H
#define SHEARPIN_ATTACH_H

#include <stdbool.h>

#include "kernel/engine.h"

/* Of a stub's filter: behind those that others have, in front of nothing that matters, for it passes on what it does not take. */
#define ATTACH_STUB_PRIORITY 5350
#define ATTACH_STUB_NAME "sp_stub" /* how its programs' names begin */

struct attachments;

struct attach_programs {
	int fd[SP_HOOKS]; /* -1: not wanted at this hook */
};

int attach_open(enum attach_mode mode, const struct attach_programs *programs, struct attachments **ret);
int attach_add(struct attachments *a, int ifindex);
bool attach_uses_tcx(const struct attachments *a);
/* Detach everything; accepts NULL. */
void attach_close(struct attachments *a);

/* Is there a stub, dead or alive? */
bool attach_has_stub(int ifindex);

/*
 * Remove the stub that a dead owner left on this interface, and the clsact qdisc that was made for it, unless others use
 * it by now. The caller holds the claim on the interface (kernel/host.h). 1: removed, 0: there was none, or a negative
 * errno.
 */
int attach_sweep(int ifindex);

/* Does the kernel know tcx links? Asked by trying, on an interface that does not exist. */
bool attach_has_tcx(int tc_prog_fd);

#endif
