/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices of a delay line, in the current network namespace: a TAP (with 10-byte vnet headers), a macvlan on one, and
 * its queueing disciplines. A TAP goes with its descriptor, and a macvlan with its TAP. All of them are without ARP and
 * IPv6, so that nobody sends by them on his own account. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_LINE_DEVICE_H
#define SHEARPIN_LINE_DEVICE_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define LINE_VNET_BYTES 10 /* struct virtio_net_hdr, before each frame that is read or written */

struct line_device {
	int fd; /* of the TAP; -1: a macvlan, or not there */
	int ifindex;
	char name[IF_NAMESIZE];
};

/* A locally administered unicast address. */
int line_random_mac(uint8_t ret_mac[6]);

/*
 * Open and bring up a TAP that holds 32767 frames for its reader. With offloads, GSO packets and partial checksums come as
 * they are; without, whole frames with complete checksums do. -ENOENT, -ENODEV: there is no /dev/net/tun.
 */
int line_tap_open(const uint8_t mac[6], bool offloads, struct line_device *ret);

/* A macvlan on the TAP, up; what is sent on it to its own address comes in at the TAP. -EOPNOTSUPP: no macvlan here. */
int line_macvlan_open(const struct line_device *tap, const uint8_t mac[6], struct line_device *ret);

/*
 * Let a device send each packet at its delivery time, at most horizon_ns ahead, and free the sender from waiting for that:
 * fq below a netem with a delay of 1 us. Both hold `limit` packets. -ENOENT: the kernel lacks one of them.
 */
int line_device_pace(const struct line_device *device, uint32_t limit, uint64_t horizon_ns);

/* Take that back: no queue but the TAP's own. */
int line_device_unqueue(const struct line_device *device);

struct line_drops {
	__u64 tx;    /* of the device */
	__u64 qdisc; /* of the root qdisc and those below it */
};
int line_device_drops(const struct line_device *device, struct line_drops *ret);

/* Close the TAP, or delete the macvlan. */
void line_device_close(struct line_device *device);

#endif
