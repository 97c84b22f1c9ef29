/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "base/timeutil.h"
#include "kernel/line.h"
#include "kernel/rtnl.h"

#define MTU 65521   /* as much as a TAP takes: IP's 65535 less an Ethernet header */
#define QUEUE 32767 /* frames that wait for the TAP's reader; Linux 6.1 takes no more */
#define ALIAS "shearpin delay line"
#define MAX_NAMES 4096 /* that are tried */

/* Linux 6.2; the headers of Debian 12 do not have them. */
#define TAP_USO4 0x20
#define TAP_USO6 0x40

#define ROOT_HANDLE TC_H_MAKE(1U << 16, 0)
#define CHILD_HANDLE TC_H_MAKE(2U << 16, 0)
#define NETEM_NS 1000 /* the least with which it frees the sender */
#define FQ_SLACK_NS 1000

int line_random_mac(uint8_t ret_mac[6])
{
	if (getrandom(ret_mac, 6, 0) != 6)
		return -errno;
	ret_mac[0] = (ret_mac[0] & ~1) | 2;
	return 0;
}

/* Before it is up: or IPv6 solicits routers. A kernel without IPv6 has no such file. */
static int disable_ipv6(const char *name)
{
	char path[64 + IF_NAMESIZE];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		/* A container may have /proc/sys for reading only; the line's programs drop what isn't theirs. */
		return errno == ENOENT || errno == EROFS || errno == EACCES ? 0 : -errno;
	if (write(fd, "1", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

/* A TAP gets an address and a queue. */
static int bring_up(int ifindex, const uint8_t *mac)
{
	struct rtnl_request request = {0};
	struct ifinfomsg *link;

	rtnl_begin(&request, RTM_NEWLINK, 0);
	link = mnl_nlmsg_put_extra_header(&request.header, sizeof(*link));
	link->ifi_index = ifindex;
	link->ifi_flags = link->ifi_change = IFF_UP | IFF_NOARP;
	mnl_attr_put_u32(&request.header, IFLA_MTU, MTU);
	mnl_attr_put_strz(&request.header, IFLA_IFALIAS, ALIAS);
	if (mac) {
		mnl_attr_put(&request.header, IFLA_ADDRESS, 6, mac);
		mnl_attr_put_u32(&request.header, IFLA_TXQLEN, QUEUE);
	}
	return rtnl_ask(&request.header, NULL, NULL);
}

static struct nlattr *begin_qdisc(struct rtnl_request *request, int ifindex, uint32_t parent, uint32_t handle,
				  const char *kind)
{
	struct tcmsg *tc;

	rtnl_begin(request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
	tc = mnl_nlmsg_put_extra_header(&request->header, sizeof(*tc));
	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = parent;
	tc->tcm_handle = handle;
	mnl_attr_put_strz(&request->header, TCA_KIND, kind);
	return mnl_attr_nest_start(&request->header, TCA_OPTIONS);
}

int line_device_unqueue(const struct line_device *device)
{
	struct rtnl_request request = {0};

	mnl_attr_nest_cancel(&request.header,
			     begin_qdisc(&request, device->ifindex, TC_H_ROOT, 0, "noqueue"));
	return rtnl_ask(&request.header, NULL, NULL);
}

static int set_offloads(int fd)
{
	const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (!ioctl(fd, TUNSETOFFLOAD, tcp | TAP_USO4 | TAP_USO6))
		return 0;
	return errno == EINVAL && !ioctl(fd, TUNSETOFFLOAD, tcp) ? 0 : -errno;
}

static int create_tap(struct line_device *device, bool offloads)
{
	struct ifreq request = {.ifr_name = LINE_NAME "%d", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int vnet_bytes = LINE_VNET_BYTES, err;

	device->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device->fd < 0)
		return -errno;
	if (ioctl(device->fd, TUNSETIFF, &request) || ioctl(device->fd, TUNSETVNETHDRSZ, &vnet_bytes))
		return -errno;
	err = offloads ? set_offloads(device->fd) : ioctl(device->fd, TUNSETOFFLOAD, 0) ? -errno : 0;
	if (err)
		return err;
	memcpy(device->name, request.ifr_name, sizeof(device->name));
	device->ifindex = if_nametoindex(device->name);
	return device->ifindex ? 0 : -errno;
}

int line_tap_open(const uint8_t mac[6], bool offloads, struct line_device *ret)
{
	struct line_device device = {0};
	int err = create_tap(&device, offloads);

	if (!err)
		err = disable_ipv6(device.name);
	if (!err)
		err = line_device_unqueue(&device);
	if (!err)
		err = bring_up(device.ifindex, mac);
	if (err)
		line_device_close(&device);
	else
		*ret = device;
	return err;
}

/* Under the first name that is free. */
static int create_macvlan(int below, const uint8_t mac[6], struct line_device *device)
{
	int err = -EEXIST;

	for (int n = 0; err == -EEXIST && n < MAX_NAMES; n++) {
		struct rtnl_request request = {0};
		struct nlattr *info, *data;

		snprintf(device->name, sizeof(device->name), LINE_NAME "%hu", (unsigned short)n);
		rtnl_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
		mnl_nlmsg_put_extra_header(&request.header, sizeof(struct ifinfomsg));
		mnl_attr_put_strz(&request.header, IFLA_IFNAME, device->name);
		mnl_attr_put_u32(&request.header, IFLA_LINK, below);
		mnl_attr_put(&request.header, IFLA_ADDRESS, 6, mac);
		info = mnl_attr_nest_start(&request.header, IFLA_LINKINFO);
		mnl_attr_put_strz(&request.header, IFLA_INFO_KIND, "macvlan");
		data = mnl_attr_nest_start(&request.header, IFLA_INFO_DATA);
		mnl_attr_put_u32(&request.header, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
		mnl_attr_nest_end(&request.header, data);
		mnl_attr_nest_end(&request.header, info);
		err = rtnl_ask(&request.header, NULL, NULL);
	}
	if (err)
		return err;
	device->ifindex = if_nametoindex(device->name);
	return device->ifindex ? 0 : -errno;
}

int line_macvlan_open(const struct line_device *tap, const uint8_t mac[6], struct line_device *ret)
{
	struct line_device device = {.fd = -1};
	int err = create_macvlan(tap->ifindex, mac, &device);

	if (!err)
		err = disable_ipv6(device.name);
	if (!err)
		err = bring_up(device.ifindex, NULL);
	if (err)
		line_device_close(&device);
	else
		*ret = device;
	return err;
}

static int add_netem(int ifindex, uint32_t limit)
{
	struct rtnl_request request = {0};
	struct nlattr *attr = begin_qdisc(&request, ifindex, TC_H_ROOT, ROOT_HANDLE, "netem");
	struct tc_netem_qopt *netem = mnl_nlmsg_put_extra_header(&request.header, sizeof(*netem));

	netem->limit = limit;
	mnl_attr_put_u64(&request.header, TCA_NETEM_LATENCY64, NETEM_NS);
	mnl_attr_nest_end(&request.header, attr);
	return rtnl_ask(&request.header, NULL, NULL);
}

/* What lies beyond the horizon is sent at the horizon, not dropped. */
static int add_fq(int ifindex, uint32_t limit, uint64_t horizon_ns)
{
	struct rtnl_request request = {0};
	struct nlattr *attr = begin_qdisc(&request, ifindex, TC_H_MAKE(ROOT_HANDLE, 1), CHILD_HANDLE, "fq");

	mnl_attr_put_u32(&request.header, TCA_FQ_PLIMIT, limit);
	mnl_attr_put_u32(&request.header, TCA_FQ_FLOW_PLIMIT, limit);
	mnl_attr_put_u32(&request.header, TCA_FQ_RATE_ENABLE, 0);
	mnl_attr_put_u32(&request.header, TCA_FQ_TIMER_SLACK, FQ_SLACK_NS);
	mnl_attr_put_u32(&request.header, TCA_FQ_HORIZON, horizon_ns / NS_PER_US);
	mnl_attr_put_u8(&request.header, TCA_FQ_HORIZON_DROP, 0);
	mnl_attr_nest_end(&request.header, attr);
	return rtnl_ask(&request.header, NULL, NULL);
}

int line_device_pace(const struct line_device *device, uint32_t limit, uint64_t horizon_ns)
{
	int err = add_netem(device->ifindex, limit);

	return err ?: add_fq(device->ifindex, limit, horizon_ns);
}

static int on_link(const struct nlmsghdr *message, void *arg)
{
	struct line_drops *drops = arg;
	struct rtnl_link_stats64 stats = {0};
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
	{
		size_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != IFLA_STATS64)
			continue;
		memcpy(&stats, mnl_attr_get_payload(attr), len < sizeof(stats) ? len : sizeof(stats));
		drops->tx = stats.tx_dropped;
	}
	return MNL_CB_OK;
}

static __u64 read_queue_drops(const struct nlattr *nest)
{
	struct gnet_stats_queue queue = {0};
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == TCA_STATS_QUEUE &&
		    mnl_attr_get_payload_len(attr) >= sizeof(queue))
			memcpy(&queue, mnl_attr_get_payload(attr), sizeof(queue));
	}
	return queue.drops;
}

struct wanted_qdisc {
	int ifindex;
	__u64 drops;
};

/* The root counts what is dropped below it, too. */
static int on_qdisc(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct wanted_qdisc *wanted = arg;
	const struct nlattr *attr;

	if (tc->tcm_ifindex != wanted->ifindex || tc->tcm_parent != TC_H_ROOT)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*tc))
	{
		if (mnl_attr_get_type(attr) == TCA_STATS2)
			wanted->drops = read_queue_drops(attr);
	}
	return MNL_CB_OK;
}

int line_device_drops(const struct line_device *device, struct line_drops *ret)
{
	struct rtnl_request link = {0}, qdisc = {0};
	struct wanted_qdisc wanted = {.ifindex = device->ifindex};
	struct line_drops drops = {0};
	struct ifinfomsg *info;
	struct tcmsg *tc;
	int err;

	rtnl_begin(&link, RTM_GETLINK, 0);
	info = mnl_nlmsg_put_extra_header(&link.header, sizeof(*info));
	info->ifi_index = device->ifindex;
	err = rtnl_ask(&link.header, on_link, &drops);
	if (err)
		return err;
	rtnl_begin(&qdisc, RTM_GETQDISC, NLM_F_DUMP);
	tc = mnl_nlmsg_put_extra_header(&qdisc.header, sizeof(*tc));
	tc->tcm_ifindex = device->ifindex;
	err = rtnl_ask(&qdisc.header, on_qdisc, &wanted);
	if (err)
		return err;
	drops.qdisc = wanted.drops;
	*ret = drops;
	return 0;
}

static void delete_link(int ifindex)
{
	struct rtnl_request request = {0};
	struct ifinfomsg *link;

	rtnl_begin(&request, RTM_DELLINK, 0);
	link = mnl_nlmsg_put_extra_header(&request.header, sizeof(*link));
	link->ifi_index = ifindex;
	(void)rtnl_ask(&request.header, NULL, NULL); /* what stays goes with the TAP */
}

void line_device_close(struct line_device *device)
{
	if (device->fd >= 0)
		close(device->fd);
	else if (device->ifindex)
		delete_link(device->ifindex);
	*device = (struct line_device){.fd = -1};
}
