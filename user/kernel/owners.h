/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who holds the sockets of the observed flows: a BPF iterator walks the open files of all processes and yields those of this
 * network namespace that the observer's targets match (bpf/owners.bpf.h). A socket that several processes hold comes once
 * for each.
 */
#ifndef SHEARPIN_OWNERS_H
#define SHEARPIN_OWNERS_H

#include <linux/types.h>

#include "abi.h"

struct engine;
struct owners;

/* The engine outlives the owners. 0 or a negative errno. */
int owners_open(struct engine *engine, struct owners **ret);
void owners_close(struct owners *owners); /* accepts NULL */

/* One walk; returns how many it found, or a negative errno. Its time is that of all open files of the host. */
int owners_walk(struct owners *owners, void (*call)(void *arg, const struct sp_owner *owner), void *arg);

#endif
