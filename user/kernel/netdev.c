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

struct above_device {
	int ifindex, lower, master; /* 0: none */
	bool is_above;
	char name[IF_NAMESIZE];
};

struct above {
	struct above_device *items;
	size_t n;
	bool failed;
};

static int on_any_link(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct above_device device = {.ifindex = info->ifi_index}, *items;
	bool elsewhere = false;
	const struct nlattr *attr;
	struct above *a = arg;

	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			strncpy(device.name, mnl_attr_get_str(attr), sizeof(device.name) - 1);
			break;
		case IFLA_LINK:
			device.lower = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			device.master = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID: /* its lower one is in another namespace */
			elsewhere = true;
			break;
		}
	}
	if (elsewhere)
		device.lower = 0;
	items = reallocarray(a->items, a->n + 1, sizeof(*items));
	a->failed |= !items;
	if (!items)
		return MNL_CB_OK;
	a->items = items;
	items[a->n++] = device;
	return MNL_CB_OK;
}

static bool mark_above(const struct above *a, const struct above_device *from)
{
	bool more = false;

	for (size_t i = 0; i < a->n; i++) {
		struct above_device *d = &a->items[i];

		if (d->is_above || (d->lower != from->ifindex && d->ifindex != from->master))
			continue;
		d->is_above = more = true;
	}
	return more;
}

/* One block: the pointers, and behind them the names. */
static int list_above(const struct above *a, const char ***ret_names, size_t *ret_n)
{
	const char **names = calloc(a->n + 1, sizeof(*names) + IF_NAMESIZE);
	char *text = names ? (char *)(names + a->n + 1) : NULL;

	if (!names)
		return -ENOMEM;
	*ret_n = 0;
	for (size_t i = 0; i < a->n; i++)
		if (a->items[i].is_above) {
			memcpy(text, a->items[i].name, IF_NAMESIZE);
			names[(*ret_n)++] = text;
			text += IF_NAMESIZE;
		}
	*ret_names = names;
	return *ret_n ? 0 : -ENODEV;
}

int netdev_above(const char *name, const char ***ret_names, size_t *ret_n)
{
	struct rtnl_request request = {0};
	struct above a = {0};
	bool more = true;
	int err;

	rtnl_begin(&request, RTM_GETLINK, NLM_F_DUMP);
	mnl_nlmsg_put_extra_header(&request.header, sizeof(struct ifinfomsg));
	err = rtnl_ask(&request.header, on_any_link, &a);
	if (!err && a.failed)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < a.n; i++)
		a.items[i].is_above = !strcmp(a.items[i].name, name);
	while (!err && more) {
		more = false;
		for (size_t i = 0; i < a.n; i++)
			more |= a.items[i].is_above && mark_above(&a, &a.items[i]);
	}
	if (!err)
		err = list_above(&a, ret_names, ret_n);
	free(a.items);
	return err;
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
