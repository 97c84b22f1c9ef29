/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network namespaces of this host: this process's own, those that /run/netns names, and those that processes are
 * in. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_NETNS_H
#define SHEARPIN_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETNS_DIRECTORY "/run/netns"

struct netns {
	uint64_t inode; /* its identity, as of host_netns() */
	bool own;       /* the one that this process is in */
	char name[64];  /* in /run/netns, or "" */
	char path[320]; /* to open it by */
};

/* Each once, this process's own first; free() the list. */
int netns_list(struct netns **ret_list, size_t *ret_n);

struct netns_identity {
	uint64_t inode;  /* another's, once it is gone */
	uint64_t cookie; /* SO_NETNS_COOKIE: no other's until the next boot */
	char name[64];   /* in /run/netns, or "" */
};

/* This process's own. */
int netns_own(struct netns_identity *ret);

/* Of the one that the calling thread is in. */
int netns_cookie(uint64_t *ret);

/* Call in that namespace, then come back to this one. The result of `call`, or a negative errno if it can't be entered.
 * Aborts if there is no way back. */
int netns_call(const struct netns *netns, int (*call)(void *arg), void *arg);

#endif
