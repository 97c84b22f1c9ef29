/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses, neighbours and routes of an interface as netlink messages, in the form in which they can be compared and sent again. */
#ifndef SHEARPIN_LINK_DUMP_H
#define SHEARPIN_LINK_DUMP_H

#include <stdbool.h>

#include <libmnl/libmnl.h>

#include "base/buf.h"

/* One behind the other in a buffer, each with its padding. */
struct link_dump {
	struct buf addresses, neighbours, routes;
};

int link_dump(int ifindex, struct link_dump *ret);
void link_dump_free(struct link_dump *dump);

/* The message at *at of so many bytes, which moves on; NULL: the last was the last one, or what follows is none. */
const struct nlmsghdr *link_dump_next(const void *data, size_t len, size_t *at);

/* Is there one that is the same in all that makes it what it is? Of an address that is itself and the length of its prefix. */
bool link_dump_has(const struct buf *messages, const struct nlmsghdr *wanted);

/* The value of an attribute; NULL: it has none. */
const struct nlattr *link_dump_attr(const struct nlmsghdr *message, unsigned type);
/* Does a route go through another host? */
bool link_dump_has_gateway(const struct nlmsghdr *route);

#endif
