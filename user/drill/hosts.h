/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names among a plan's targets (`host:`). At the start of the run each must have addresses: they join the target's
 * `remotes`. While the run lasts each name is looked up again, every HOSTS_EVERY_NS, and when a window opens and the last
 * answer is older than HOSTS_FRESH_NS; nobody waits for that (lookup.h).
 *
 * An address that is new joins the target. One that is not in the answer any more stays: connections to it may live on for
 * long, and a fault that let go of them would end where nobody looks. A lookup that fails changes nothing. Each change is an
 * event, `target.resolved`.
 *
 * One thread uses a struct hosts. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_HOSTS_H
#define SHEARPIN_HOSTS_H

#include "drill/journal.h"
#include "drill/lookup.h"

#define HOSTS_EVERY_NS (5 * NS_PER_S)
#define HOSTS_FRESH_NS (1 * NS_PER_S)
#define HOSTS_PATIENCE_NS (15 * NS_PER_S) /* for all names at the start */
/* What a name may gain while the run lasts; the programs' maps have room for so many. */
#define HOSTS_MORE ENGINE_HOST_ROOM

/* What the run has to say to a new address. */
struct hosts_gate {
	/* Why the target must not have this address; NULL: it may. The reason may be written into text. */
	const char *(*bar)(void *arg, const struct plan_target *target, const struct prefix *address,
			   char *text, size_t size);
	/* The targets of the plan have got addresses: let the kernel know. */
	int (*grown)(void *arg);
	void *arg;
};

struct hosts;

/*
 * Look up all names, at once, and write their addresses into the plan. cancel_fd: when it becomes readable, -ECANCELED.
 * -ENOENT: some name has no address, and -ETIMEDOUT: no answer within HOSTS_PATIENCE_NS; then ret_reason says which. Of a target
 * that is there only to be picked by `any_of` neither is an error. *ret is NULL for a plan without names. The plan must outlive it.
 */
int hosts_open(struct plan *plan, void (*find)(const char *name, struct answer *ret), int cancel_fd,
	       struct hosts **ret, char *ret_reason, size_t size);
void hosts_close(struct hosts *hosts); /* accepts NULL, and so do the following */

/*
 * The target `to` stands for `from`, and has its names and addresses: from here on what these names gain is gained by it, too. To be
 * called before the first hosts_run(). 0 or -ENOMEM.
 */
int hosts_share(struct hosts *hosts, const struct plan_target *from, struct plan_target *to);
/* The addresses of the start. */
void hosts_tell(const struct hosts *hosts, struct journal *journal);
/* A descriptor that becomes readable when an answer is there; -1: none ever is. */
int hosts_fd(const struct hosts *hosts);
/* All windows count from here on. */
void hosts_set_zero(struct hosts *hosts, uint64_t zero_ns);
/* Take the answers that are there, ask what is due. *ret_next: when to call again (UINT64_MAX: never). */
int hosts_run(struct hosts *hosts, const struct hosts_gate *gate, struct journal *journal, uint64_t now,
	      uint64_t *ret_next);

#endif
