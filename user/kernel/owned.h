/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owners that a plan's targets name: found when a run starts, told to the programs (bpf/owned.bpf.h), and followed
 * until they are gone. A process is held by a pidfd, so that another of the same number is never taken for it; the id of a
 * cgroup is never given again.
 */
#ifndef SHEARPIN_OWNED_H
#define SHEARPIN_OWNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

struct engine;
struct owned;

enum owned_kind {
	OWNED_CGROUP,
	OWNED_UNIT,
	OWNED_PROCESS,
};

struct owned_item {
	size_t target;
	enum owned_kind kind;
	char *path;     /* of the cgroup; NULL: a process */
	uint64_t id;    /* of the cgroup */
	unsigned level; /* ... below the root */
	uint32_t pid;   /* of the process, as the plan has it */
	char comm[16];  /* its name; terminated */
	int fd;         /* the cgroup's directory, or a pidfd */
	bool gone;
};

/*
 * Find them all, from the network namespace of the run. *ret is NULL if no target names one. -ENOENT: one is not there, or
 * can't be a target; any other negative errno: the host failed. ret_reason says what is wrong, for people.
 */
int owned_open(const struct plan *plan, struct owned **ret, char *ret_reason, size_t size);
void owned_close(struct owned *owned); /* accepts NULL; before the engine is closed */

/* Tell the engine's programs. By then nothing is armed. Errors as above. */
int owned_tell(struct owned *owned, struct engine *engine, char *ret_reason, size_t size);

/* Readable when a process of them may have ended. */
int owned_fd(const struct owned *owned);
/*
 * The next owner that has gone since, whose rules match nothing from here on; NULL: none. `now` is CLOCK_MONOTONIC ns; cgroups
 * are looked at once a second.
 */
const struct owned_item *owned_next_gone(struct owned *owned, uint64_t now);

const struct owned_item *owned_items(const struct owned *owned, size_t *ret_n);

#endif
