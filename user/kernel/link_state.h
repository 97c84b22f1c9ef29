/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an interface loses when it is set down, kept and put back: routes of all tables that lead through it, IPv6 addresses, and
 * neighbours that somebody has entered (ip-link(8) down; net/ipv4/fib_frontend.c, net/ipv6/addrconf.c, net/core/neighbour.c).
 * What the kernel makes anew by itself is left to it: its own IPv6 routes, link-local and temporary addresses; and routes that
 * expire are left to who made them.
 *
 * It is kept as netlink messages, as the kernel has given them: of this boot alone. All of it is about the current network namespace.
 * Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_LINK_STATE_H
#define SHEARPIN_LINK_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct link_counts {
	int ifindex;
	bool was_up;
	unsigned addresses, neighbours, routes; /* that were there */
};

/*
 * May it be set down, and everything be put back? -ENODEV: there is no such interface; -EOPNOTSUPP: it loses what can't be put
 * back; then ret_why has words for people.
 */
int link_state_check(const char *name, char *ret_why, size_t size);

/* Add what is to be kept to a buffer. */
int link_state_keep(const char *name, struct buf *ret, struct link_counts *ret_counts);

int link_state_set(int ifindex, bool up);

/*
 * Set it up, and put back what is missing. *ret_changed: anything was done. It may have another name by now. -ENODEV: it is gone; -EBADMSG: that is nothing that was
 * kept. Goes on after an error, and returns the first.
 */
int link_state_put_back(const char *name, int ifindex, const void *kept, size_t len, bool *ret_changed);

#endif
