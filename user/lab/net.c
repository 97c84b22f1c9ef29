/* SPDX-License-Identifier: BSD-2-Clause */
#include "lab/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

#define MESSAGE_BYTES 4096
#define PREFIX4 24
#define PREFIX6 64

struct message {
	union {
		struct nlmsghdr header;
		char bytes[MESSAGE_BYTES];
	};
};

int lab_net_enter(int netns_fd)
{
	return setns(netns_fd, CLONE_NEWNET) ? -errno : 0;
}

static struct nlmsghdr *begin(struct message *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *n = mnl_nlmsg_put_header(m->bytes);

	n->nlmsg_type = type;
	n->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	n->nlmsg_seq = 1;
	return n;
}

/* Send one request on a socket of the current namespace and wait for its acknowledgement. */
static int request(struct nlmsghdr *n)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char answer[MESSAGE_BYTES];
	int r = -1;
	ssize_t len;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, n, n->nlmsg_len) < 0)
		goto out;
	len = mnl_socket_recvfrom(nl, answer, sizeof(answer));
	if (len >= 0)
		r = mnl_cb_run(answer, len, n->nlmsg_seq, mnl_socket_get_portid(nl), NULL, NULL);
out:
	r = r < 0 ? -errno : 0;
	mnl_socket_close(nl);
	return r;
}

int lab_net_pair(int peer_netns_fd)
{
	struct nlattr *info, *data, *peer;
	struct nlmsghdr *n;
	struct message m;

	n = begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_nlmsg_put_extra_header(n, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(n, IFLA_IFNAME, LAB_INTERFACE);
	info = mnl_attr_nest_start(n, IFLA_LINKINFO);
	mnl_attr_put_strz(n, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(n, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(n, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(n, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(n, IFLA_IFNAME, LAB_INTERFACE);
	mnl_attr_put_u32(n, IFLA_NET_NS_FD, peer_netns_fd);
	mnl_attr_nest_end(n, peer);
	mnl_attr_nest_end(n, data);
	mnl_attr_nest_end(n, info);
	return request(n);
}

static int link_up(const char *name)
{
	struct ifinfomsg *link;
	struct nlmsghdr *n;
	struct message m;

	n = begin(&m, RTM_NEWLINK, 0);
	link = mnl_nlmsg_put_extra_header(n, sizeof(*link));
	link->ifi_index = if_nametoindex(name);
	if (!link->ifi_index)
		return -errno;
	link->ifi_flags = IFF_UP;
	link->ifi_change = IFF_UP;
	return request(n);
}

/* An IPv6 address is not probed for duplicates: there can be none, and it would be tentative for a second. */
static int add_address(const char *name, int family, const char *address)
{
	size_t len = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	uint8_t binary[sizeof(struct in6_addr)];
	struct ifaddrmsg *a;
	struct nlmsghdr *n;
	struct message m;

	if (inet_pton(family, address, binary) != 1)
		return -EINVAL;
	n = begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	a = mnl_nlmsg_put_extra_header(n, sizeof(*a));
	a->ifa_family = family;
	a->ifa_prefixlen = family == AF_INET ? PREFIX4 : PREFIX6;
	a->ifa_flags = family == AF_INET ? 0 : IFA_F_NODAD;
	a->ifa_index = if_nametoindex(name);
	if (!a->ifa_index)
		return -errno;
	mnl_attr_put(n, IFA_LOCAL, len, binary);
	mnl_attr_put(n, IFA_ADDRESS, len, binary);
	return request(n);
}

/* How the kernel says that IPv6 is not built in, or switched off. */
static bool no_ipv6(int error)
{
	return error == -EOPNOTSUPP || error == -EAFNOSUPPORT || error == -EACCES;
}

int lab_net_configure(const struct lab_end *end, bool *ret_ipv6)
{
	int r = link_up("lo");

	if (!r)
		r = link_up(LAB_INTERFACE);
	if (!r)
		r = add_address(LAB_INTERFACE, AF_INET, end->address4);
	if (r)
		return r;
	r = add_address(LAB_INTERFACE, AF_INET6, end->address6);
	*ret_ipv6 = !r;
	return no_ipv6(r) ? 0 : r;
}
