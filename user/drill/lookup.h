/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names to addresses without waiting: each lookup is getaddrinfo() in a thread of its own, which may take half a minute
 * where a resolver does not answer, and nobody waits for. It sees the network namespace of the thread that asked, and the
 * /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf of this process.
 */
#ifndef SHEARPIN_LOOKUP_H
#define SHEARPIN_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/units.h"

/* The most addresses that are taken of one answer. */
#define LOOKUP_ADDRESSES 64

struct answer {
	int error;                /* of getaddrinfo(); 0: there are addresses */
	char words[96];           /* "Name or service not known"; "" without an error */
	struct prefix *addresses; /* single ones, sorted, none twice */
	size_t n;
};

void answer_free(struct answer *answer);

/* Blocks: the addresses of both families. */
void answer_find(const char *name, struct answer *ret);

struct lookup;

/*
 * Ask `find` (answer_find, but in tests) in a thread. Once the answer is there, 1 is added to the eventfd `done_fd`, of which
 * the lookup has a copy of its own. 0 or a negative errno.
 */
int lookup_start(const char *name, int done_fd, void (*find)(const char *name, struct answer *ret),
		 struct lookup **ret);
/* The answer, if it is there: true, and the lookup is gone; answer_free() it. */
bool lookup_take(struct lookup *lookup, struct answer *ret);
/* Nobody wants the answer any more; its thread cleans up when it is done. Accepts NULL. */
void lookup_drop(struct lookup *lookup);

#endif
