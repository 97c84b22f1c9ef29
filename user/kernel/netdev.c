/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/netdev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "kernel/rtnl.h"

#define MESSAGE_BYTES 32768 /* more than a link with its statistics */

static uint32_t read_xdp(const struct nlattr *xdp)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, xdp)
	{
		if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

static int on_link(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct netdev *device = arg;
	const struct nlattr *attr;

	device->ifindex = info->ifi_index;
	device->flags = info->ifi_flags;
	device->type = info->ifi_type;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			strncpy(device->name, mnl_attr_get_str(attr), sizeof(device->name) - 1);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(device->mac))
				memcpy(device->mac, mnl_attr_get_payload(attr), sizeof(device->mac));
			break;
		case IFLA_XDP:
			device->xdp_prog = read_xdp(attr);
			break;
		}
	}
	return MNL_CB_OK;
}

int netdev_find(const char *name, struct netdev *ret_device)
{
	struct rtnl_request request = {0};
	struct netdev device = {0};
	int err;

	if (strlen(name) >= IF_NAMESIZE)
		return -ENODEV;
	rtnl_begin(&request, RTM_GETLINK, 0);
	mnl_nlmsg_put_extra_header(&request.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&request.header, IFLA_IFNAME, name);
	err = rtnl_ask(&request.header, on_link, &device);
	if (!err)
		*ret_device = device;
	return err;
}

bool netdev_is_ethernet(const struct netdev *device)
{
	return device->type == ARPHRD_ETHER || device->type == ARPHRD_LOOPBACK;
}

static int on_route(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) == RTA_OIF)
			*(unsigned *)arg = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int netdev_route(const struct prefix *to, char ret_name[IF_NAMESIZE])
{
	struct rtnl_request request = {0};
	unsigned ifindex = 0;
	struct rtmsg *route;
	int err;

	rtnl_begin(&request, RTM_GETROUTE, 0);
	route = mnl_nlmsg_put_extra_header(&request.header, sizeof(*route));
	route->rtm_family = to->family;
	route->rtm_dst_len = to->family == AF_INET ? 32 : 128;
	mnl_attr_put(&request.header, RTA_DST, route->rtm_dst_len / 8, to->addr);
	err = rtnl_ask(&request.header, on_route, &ifindex);
	if (err)
		return err;
	return ifindex && if_indextoname(ifindex, ret_name) ? 0 : -ENETUNREACH;
}

int netdev_watch(int *ret_fd)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static bool is_gone(const char *message, ssize_t len, int ifindex)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)message;
	int left = len;

	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);

		/* Of the family AF_BRIDGE it tells of a port that leaves its bridge. */
		if (header->nlmsg_type == RTM_DELLINK && info->ifi_family == AF_UNSPEC &&
		    info->ifi_index == ifindex)
			return true;
	}
	return false;
}

int netdev_lost(int fd, const int *ifindexes, size_t n)
{
	_Alignas(struct nlmsghdr) char message[MESSAGE_BYTES];
	bool overrun;
	ssize_t len;

	do {
		len = recv(fd, message, sizeof(message), 0);
		overrun = len < 0 && errno == ENOBUFS; /* missed some: look for ourselves */
		for (size_t i = 0; i < n; i++) {
			char name[IF_NAMESIZE];

			if ((len > 0 && is_gone(message, len, ifindexes[i])) ||
			    (overrun && !if_indextoname(ifindexes[i], name)))
				return i;
		}
	} while (len > 0 || overrun);
	return -1;
}
