/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a host knows of its runs. Two things, both of which end with the process, however it ends:
 * - the claim on an interface: a name in the abstract socket namespace, which belongs to the network namespace;
 * - the record of a run, /run/shearpin/<pid>.json, on which its owner holds a lock. A record without a lock is
 *   what a killed run leaves; nothing acts any more, and the next reader removes it.
 */
#ifndef SHEARPIN_HOST_H
#define SHEARPIN_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HOST_RECORDS "/run/shearpin"

/* Claim an interface; close the descriptor to give it back. -EADDRINUSE: another run has it. */
int host_claim(int ifindex, int *ret_fd);

struct host_record;
/* Write this run's record (a JSON document) and lock it. */
int host_record_open(const char *json, struct host_record **ret);
/* Write it anew; a reader sees the one or the other. */
int host_record_update(struct host_record *record, const char *json);
void host_record_close(struct host_record *record); /* removes it; accepts NULL */

struct host_run {
	pid_t pid;
	bool alive; /* its owner holds the lock */
	char *json; /* the record */
	char path[64];
};

/* All records; free with host_runs_free(). */
int host_runs(struct host_run **ret_runs, size_t *ret_n);
void host_runs_free(struct host_run *runs, size_t n);
/* Remove the record of a run that has ended. -EBUSY: it has an owner. */
int host_forget(const struct host_run *run);

/* End a live run: SIGTERM, and SIGKILL if it still holds its record after timeout_ns. 0, or a negative errno; -ESRCH: its
 * owner can't be seen from here (another pid namespace). */
int host_end(const struct host_run *run, uint64_t timeout_ns, bool *ret_killed);

/* Identity of a network namespace (inode of nsfs). */
int host_netns(pid_t pid, uint64_t *ret_inode);

#endif
