/* SPDX-License-Identifier: BSD-2-Clause */
/* Network interfaces of the current network namespace, by rtnetlink. Functions return 0 or a negative errno. */
#ifndef SHEARPIN_NETDEV_H
#define SHEARPIN_NETDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

struct netdev {
	char name[IF_NAMESIZE];
	int ifindex;
	unsigned flags; /* IFF_* */
	unsigned type;  /* ARPHRD_* */
	uint8_t mac[6];
	uint32_t xdp_prog; /* id of the XDP program that is attached; 0: none */
};

/* -ENODEV: no such interface. */
int netdev_find(const char *name, struct netdev *ret_device);

/* Can the programs read its frames? They need an Ethernet header: Ethernet, veth, bridges, VLANs, lo, ... */
bool netdev_is_ethernet(const struct netdev *device);

/*
 * An interface, and those that hang on it here: its bridge or bond, its VLANs, and so on upwards. Free the list, and nothing else.
 * -ENODEV: no such interface.
 */
int netdev_above(const char *name, const char ***ret_names, size_t *ret_n);

/* The interface that the route to an address leads through; -ENETUNREACH: there is none. */
int netdev_route(const struct prefix *to, char ret_name[IF_NAMESIZE]);

/* A descriptor that becomes readable when interfaces change, for netdev_lost(). */
int netdev_watch(int *ret_fd);
/* Read what came; the index of an interface that is gone, or -1. */
int netdev_lost(int fd, const int *ifindexes, size_t n);

#endif
