/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lab's network: one veth pair between two network namespaces, made over rtnetlink. Both ends are called
 * LAB_INTERFACE. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_LAB_NET_H
#define SHEARPIN_LAB_NET_H

#include <stdbool.h>
#include <stdint.h>

#define LAB_INTERFACE "lab0"

/* The address of one end, in text, with a prefix length of 24 (IPv4) or 64 (IPv6). */
struct lab_end {
	const char *address4;
	const char *address6;
};

/* Move the calling thread into a network namespace. */
int lab_net_enter(int netns_fd);

/* Make the pair: one end in the calling thread's namespace, the other in the peer's. -EOPNOTSUPP: no veth here. */
int lab_net_pair(int peer_netns_fd);

/*
 * Bring up lo and the end in the calling thread's namespace, with its addresses usable at once. A host without IPv6
 * gets the IPv4 address only: then *ret_ipv6 is false.
 */
int lab_net_configure(const struct lab_end *end, bool *ret_ipv6);

#endif
