/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/link_state.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "base/timeutil.h"
#include "kernel/link_dump.h"
#include "kernel/netdev.h"
#include "kernel/rtnl.h"

#define MAGIC 0x6b6e696c70726873 /* "shrplink" */
#define PASSES 8                 /* over routes that may need each other */

/* At the beginning of what is kept. */
struct kept_header {
	uint64_t magic, boot_s; /* CLOCK_BOOTTIME, when it was kept */
};

static uint64_t boot_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

int link_state_set(int ifindex, bool up)
{
	struct rtnl_request request = {0};
	struct ifinfomsg *info;

	rtnl_begin(&request, RTM_NEWLINK, 0);
	info = mnl_nlmsg_put_extra_header(&request.header, sizeof(*info));
	info->ifi_index = ifindex;
	info->ifi_flags = up ? IFF_UP : 0;
	info->ifi_change = IFF_UP;
	return rtnl_ask(&request.header, NULL, NULL);
}

/* ---- what stands in the way ---- */

static bool is_vlan(const struct nlattr *linkinfo)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, linkinfo)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			return !strcmp(mnl_attr_get_str(attr), "vlan");
	}
	return false;
}

struct look {
	int ifindex;
	const struct link_dump *dump;
	char *why; /* "": nothing stands in the way */
	size_t size;
};

/* It goes down with what it is on, and comes back without its routes (net/8021q/vlan.c, vlan_device_event()). */
static int on_link(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const char *name = "?";
	const struct nlattr *attr;
	int lower = 0;
	bool vlan = false;
	struct look *l = arg;

	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			name = mnl_attr_get_str(attr);
			break;
		case IFLA_LINK:
			lower = (int)mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			return MNL_CB_OK;
		case IFLA_LINKINFO:
			vlan = is_vlan(attr);
			break;
		}
	}
	if (vlan && lower == l->ifindex && info->ifi_flags & IFF_UP)
		snprintf(l->why, l->size, "the VLAN %s on it would lose its routes, too", name);
	return MNL_CB_OK;
}

static int on_nexthop(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *attr;
	struct look *l = arg;

	mnl_attr_for_each(attr, message, sizeof(struct nhmsg))
	{
		if (mnl_attr_get_type(attr) == NHA_OIF && (int)mnl_attr_get_u32(attr) == l->ifindex)
			snprintf(l->why, l->size,
				 "nexthop objects (`ip nexthop`) lead through it, and can't be put back");
	}
	return MNL_CB_OK;
}

static bool is_address_of(const struct link_dump *dump, const struct nlattr *wanted)
{
	const struct nlmsghdr *message;
	size_t at = 0;

	while ((message = link_dump_next(dump->addresses.data, dump->addresses.len, &at))) {
		const struct nlattr *attr = link_dump_attr(message, IFA_ADDRESS);

		if (attr && mnl_attr_get_payload_len(attr) == mnl_attr_get_payload_len(wanted) &&
		    !memcmp(mnl_attr_get_payload(attr), mnl_attr_get_payload(wanted),
			    mnl_attr_get_payload_len(attr)))
			return true;
	}
	return false;
}

/* With an address go the routes' preference for it, also on other interfaces (net/ipv6/route.c, rt6_remove_prefsrc()). */
static int on_route(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *source = link_dump_attr(message, RTA_PREFSRC),
			    *oif = link_dump_attr(message, RTA_OIF);
	struct look *l = arg;

	if (source && oif && (int)mnl_attr_get_u32(oif) != l->ifindex && is_address_of(l->dump, source))
		snprintf(
			l->why, l->size,
			"an IPv6 route through another interface has one of its addresses as its source, and "
			"would lose it");
	return MNL_CB_OK;
}

static int dump_all(uint16_t type, size_t header, unsigned char family, mnl_cb_t call, struct look *l)
{
	struct rtnl_request request = {0};

	rtnl_begin(&request, type, NLM_F_DUMP);
	*(unsigned char *)mnl_nlmsg_put_extra_header(&request.header, header) = family;
	return rtnl_ask(&request.header, call, l);
}

int link_state_check(const char *name, char *ret_why, size_t size)
{
	struct look l = {.why = ret_why, .size = size};
	struct link_dump dump = {0};
	struct netdev device;
	int err = netdev_find(name, &device);

	ret_why[0] = '\0';
	if (err)
		return err;
	if (!(device.flags & IFF_UP)) {
		snprintf(ret_why, size, "it is down already");
		return -EOPNOTSUPP;
	}
	err = link_dump(device.ifindex, &dump);
	l.ifindex = device.ifindex;
	l.dump = &dump;
	if (!err)
		err = dump_all(RTM_GETLINK, sizeof(struct ifinfomsg), AF_UNSPEC, on_link, &l);
	if (!err)
		err = dump_all(RTM_GETROUTE, sizeof(struct rtmsg), AF_INET6, on_route, &l);
	if (!err) /* Linux before 5.3 has none */
		(void)dump_all(RTM_GETNEXTHOP, sizeof(struct nhmsg), AF_UNSPEC, on_nexthop, &l);
	link_dump_free(&dump);
	return err ?: ret_why[0] ? -EOPNOTSUPP : 0;
}

/* ---- keeping ---- */

static unsigned count(const struct buf *messages)
{
	unsigned n = 0;

	for (size_t at = 0; link_dump_next(messages->data, messages->len, &at); n++)
		;
	return n;
}

int link_state_keep(const char *name, struct buf *ret, struct link_counts *ret_counts)
{
	const struct kept_header header = {MAGIC, boot_s()};
	struct link_dump dump;
	struct netdev device;
	int err = netdev_find(name, &device);

	if (!err)
		err = link_dump(device.ifindex, &dump);
	if (err)
		return err;
	*ret_counts = (struct link_counts){.ifindex = device.ifindex,
					   .was_up = device.flags & IFF_UP,
					   .addresses = count(&dump.addresses),
					   .neighbours = count(&dump.neighbours),
					   .routes = count(&dump.routes)};
	buf_add(ret, &header, sizeof(header));
	buf_add(ret, dump.addresses.data ?: "", dump.addresses.len);
	buf_add(ret, dump.neighbours.data ?: "", dump.neighbours.len);
	buf_add(ret, dump.routes.data ?: "", dump.routes.len);
	link_dump_free(&dump);
	return ret->failed ? -ENOMEM : 0;
}

/* ---- putting back ---- */

struct kept {
	const struct nlmsghdr **messages;
	bool *done; /* of each: it is there */
	size_t n;
	uint64_t age_s;
};

static int read_kept(const void *data, size_t len, struct kept *ret)
{
	const struct kept_header *header = data;
	const struct nlmsghdr *message;
	size_t at = sizeof(*header);

	*ret = (struct kept){};
	if (len < sizeof(*header) || header->magic != MAGIC)
		return -EBADMSG;
	ret->age_s = boot_s() - header->boot_s;
	ret->messages = calloc(len / sizeof(struct nlmsghdr) + 1, sizeof(*ret->messages));
	ret->done = calloc(len / sizeof(struct nlmsghdr) + 1, sizeof(*ret->done));
	if (!ret->messages || !ret->done)
		return -ENOMEM;
	while ((message = link_dump_next(data, len, &at)))
		ret->messages[ret->n++] = message;
	return at == len ? 0 : -EBADMSG;
}

static void free_kept(struct kept *k)
{
	free(k->messages);
	free(k->done);
}

/* With more flags in an attribute (0: none), and of a lifetime what is left of it. */
static int send_as(const struct nlmsghdr *message, uint16_t flags, uint32_t address_flags, uint64_t age_s)
{
	size_t len = MNL_ALIGN(message->nlmsg_len);
	struct nlmsghdr *copy = calloc(1, len);
	struct nlattr *attr;
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, message, message->nlmsg_len);
	copy->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	copy->nlmsg_seq = 1;
	copy->nlmsg_pid = 0;
	attr = message->nlmsg_type == RTM_NEWADDR ? (struct nlattr *)link_dump_attr(copy, IFA_FLAGS) : NULL;
	if (attr)
		*(uint32_t *)mnl_attr_get_payload(attr) |= address_flags;
	attr = message->nlmsg_type == RTM_NEWADDR ? (struct nlattr *)link_dump_attr(copy, IFA_CACHEINFO)
						  : NULL;
	if (attr) {
		struct ifa_cacheinfo *info = mnl_attr_get_payload(attr);

		if (info->ifa_valid != UINT32_MAX)
			info->ifa_valid = info->ifa_valid > age_s ? info->ifa_valid - age_s : 1;
		if (info->ifa_prefered != UINT32_MAX)
			info->ifa_prefered = info->ifa_prefered > age_s ? info->ifa_prefered - age_s : 0;
	}
	err = rtnl_ask(copy, NULL, NULL);
	free(copy);
	return err;
}

/*
 * The newest address of a scope stands first in the kernel's list, so that the last one is added first. It was here a moment ago: its
 * routes need it at once, without the second that the kernel would look for another host that has it.
 */
static int add_addresses(struct kept *k, const struct link_dump *now, bool *ret_changed)
{
	int err = 0;

	for (size_t i = k->n; i-- > 0;) {
		const struct nlmsghdr *m = k->messages[i];
		const struct ifaddrmsg *address = mnl_nlmsg_get_payload(m);
		bool is6 = address->ifa_family == AF_INET6;
		int one;

		if (m->nlmsg_type != RTM_NEWADDR || link_dump_has(&now->addresses, m))
			continue;
		*ret_changed = true;
		one = send_as(m, NLM_F_CREATE | NLM_F_EXCL, is6 ? IFA_F_NODAD : 0, k->age_s);
		if (!one && is6)
			one = send_as(m, NLM_F_REPLACE, 0, k->age_s);
		err = err ?: one == -EEXIST ? 0 : one;
	}
	return err;
}

static int add_neighbours(struct kept *k, const struct link_dump *now, bool *ret_changed)
{
	int err = 0;

	for (size_t i = 0; i < k->n; i++) {
		if (k->messages[i]->nlmsg_type != RTM_NEWNEIGH ||
		    link_dump_has(&now->neighbours, k->messages[i]))
			continue;
		*ret_changed = true;
		err = err ?: send_as(k->messages[i], NLM_F_CREATE | NLM_F_REPLACE, 0, 0);
	}
	return err;
}

/* Of one family a new route comes behind those to the same place, of the other it must not become a part of them. */
static int add_route(const struct nlmsghdr *m)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(m);
	int err = send_as(m, NLM_F_CREATE | (route->rtm_family == AF_INET ? NLM_F_APPEND : NLM_F_EXCL), 0, 0);

	return err == -EEXIST ? 0 : err;
}

/* Those to a neighbour come before those through it. The error of one that could not be added in any pass counts. */
static int add_routes(struct kept *k, const struct link_dump *now, bool *ret_changed)
{
	bool more = true;
	int err = 0;

	for (int pass = 0; more && pass < PASSES; pass++) {
		more = pass == 0;
		err = 0;
		for (size_t i = 0; i < k->n; i++) {
			const struct nlmsghdr *m = k->messages[i];
			int one;

			if (m->nlmsg_type != RTM_NEWROUTE || k->done[i] ||
			    (!pass && link_dump_has_gateway(m)))
				continue;
			if (link_dump_has(&now->routes, m)) {
				k->done[i] = true;
				continue;
			}
			*ret_changed = true;
			one = add_route(m);
			k->done[i] = !one;
			more |= !one;
			err = err ?: one;
		}
	}
	return err;
}

static int add_missing(struct kept *k, int ifindex, bool *ret_changed)
{
	struct link_dump now = {0};
	int err = link_dump(ifindex, &now), next;

	if (err)
		return err;
	err = add_addresses(k, &now, ret_changed);
	next = add_neighbours(k, &now, ret_changed);
	err = err ?: next;
	link_dump_free(&now);
	next = link_dump(ifindex, &now); /* an address brings routes with it */
	err = err ?: next;
	if (!next)
		next = add_routes(k, &now, ret_changed);
	link_dump_free(&now);
	return err ?: next;
}

int link_state_put_back(const char *name, int ifindex, const void *kept, size_t len, bool *ret_changed)
{
	char renamed[IF_NAMESIZE];
	struct netdev device;
	struct kept k;
	int err = read_kept(kept, len, &k);

	*ret_changed = false;
	if (!err)
		err = netdev_find(name, &device);
	if (!err && device.ifindex != ifindex)
		err = -ENODEV;
	if (err == -ENODEV && if_indextoname(ifindex, renamed))
		err = netdev_find(renamed, &device);
	if (!err && !(device.flags & IFF_UP)) {
		err = link_state_set(ifindex, true);
		*ret_changed = !err;
	}
	if (!err)
		err = add_missing(&k, ifindex, ret_changed);
	free_kept(&k);
	return err;
}
