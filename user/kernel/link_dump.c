/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/link_dump.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "kernel/rtnl.h"

#define TRIES 8 /* of a dump during which something changed */

/* What the kernel takes from user space; the rest is its own view of things (net/ipv6/addrconf.c, inet6_rtm_newaddr()). */
#define ADDRESS_FLAGS                                                                                        \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN |   \
	 IFA_F_OPTIMISTIC)
#define ROUTE_FLAGS RTNH_F_ONLINK

static size_t header_size(const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWNEIGH:
		return sizeof(struct ndmsg);
	default:
		return sizeof(struct rtmsg);
	}
}

const struct nlattr *link_dump_attr(const struct nlmsghdr *message, unsigned type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, header_size(message))
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

const struct nlmsghdr *link_dump_next(const void *data, size_t len, size_t *at)
{
	const struct nlmsghdr *message = (const void *)((const char *)data + *at);

	if (*at >= len || !mnl_nlmsg_ok(message, len - *at) ||
	    mnl_nlmsg_get_payload_len(message) < header_size(message))
		return NULL;
	*at += MNL_ALIGN(message->nlmsg_len);
	return message;
}

/* ---- one message in the form that is kept ---- */

struct copy {
	int ifindex;
	struct link_dump *dump;
	bool proxies;
};

static struct nlmsghdr *begin(char *bytes, const struct nlmsghdr *from)
{
	struct nlmsghdr *to = mnl_nlmsg_put_header(bytes);

	to->nlmsg_type = from->nlmsg_type;
	memcpy(mnl_nlmsg_put_extra_header(to, header_size(from)), mnl_nlmsg_get_payload(from),
	       header_size(from));
	return to;
}

static void copy_attr(struct nlmsghdr *to, const struct nlattr *attr)
{
	mnl_attr_put(to, attr->nla_type, mnl_attr_get_payload_len(attr), mnl_attr_get_payload(attr));
}

static void add(struct buf *list, const struct nlmsghdr *message)
{
	static const char padding[MNL_ALIGNTO];

	buf_add(list, message, message->nlmsg_len);
	buf_add(list, padding, MNL_ALIGN(message->nlmsg_len) - message->nlmsg_len);
}

static uint32_t flags_of(const struct nlmsghdr *message)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	const struct nlattr *flags = link_dump_attr(message, IFA_FLAGS);

	return flags ? mnl_attr_get_u32(flags) : address->ifa_flags;
}

/* Temporary and stable private addresses are the kernel's own. */
static int on_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	uint32_t flags = flags_of(message);
	struct copy *c = arg;
	char bytes[1024];
	struct nlmsghdr *to;
	const struct nlattr *attr;

	if ((int)address->ifa_index != c->ifindex || message->nlmsg_len > sizeof(bytes) / 2 ||
	    (address->ifa_family == AF_INET6 && flags & (IFA_F_TEMPORARY | IFA_F_STABLE_PRIVACY)))
		return MNL_CB_OK;
	to = begin(bytes, message);
	((struct ifaddrmsg *)mnl_nlmsg_get_payload(to))->ifa_flags = 0;
	mnl_attr_put_u32(to, IFA_FLAGS, flags & ADDRESS_FLAGS);
	mnl_attr_for_each(attr, message, sizeof(*address))
	{
		if (mnl_attr_get_type(attr) != IFA_FLAGS)
			copy_attr(to, attr);
	}
	add(&c->dump->addresses, to);
	return MNL_CB_OK;
}

/* Those that somebody has entered; the kernel finds the others again. */
static int on_neighbour(const struct nlmsghdr *message, void *arg)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	struct copy *c = arg;
	char bytes[1024];
	struct nlmsghdr *to;
	const struct nlattr *attr;

	if (neighbour->ndm_ifindex != c->ifindex || message->nlmsg_len > sizeof(bytes) / 2 ||
	    (neighbour->ndm_family != AF_INET && neighbour->ndm_family != AF_INET6) ||
	    (!c->proxies && !(neighbour->ndm_state & NUD_PERMANENT)))
		return MNL_CB_OK;
	to = begin(bytes, message);
	mnl_attr_for_each(attr, message, sizeof(*neighbour))
	{
		if (mnl_attr_get_type(attr) == NDA_DST || mnl_attr_get_type(attr) == NDA_LLADDR ||
		    mnl_attr_get_type(attr) == NDA_PROTOCOL)
			copy_attr(to, attr);
	}
	add(&c->dump->neighbours, to);
	return MNL_CB_OK;
}

/* The hops of a multipath route, each with a header and attributes of its own. */
static bool hops_through(const struct nlattr *multipath, int ifindex)
{
	size_t left = mnl_attr_get_payload_len(multipath), size;
	const struct rtnexthop *hop = mnl_attr_get_payload(multipath);

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		if (hop->rtnh_ifindex == ifindex)
			return true;
		size = RTNH_ALIGN(hop->rtnh_len);
		left -= size < left ? size : left;
		hop = (const void *)((const char *)hop + size);
	}
	return false;
}

static bool leads_through(const struct nlmsghdr *route, int ifindex)
{
	const struct nlattr *oif = link_dump_attr(route, RTA_OIF),
			    *multipath = link_dump_attr(route, RTA_MULTIPATH);

	return (oif && (int)mnl_attr_get_u32(oif) == ifindex) ||
	       (multipath && hops_through(multipath, ifindex));
}

/* That a hop is dead, or its interface down, is no part of the route. */
static void clean_hops(struct nlattr *multipath)
{
	size_t left = mnl_attr_get_payload_len(multipath), size;
	struct rtnexthop *hop = mnl_attr_get_payload(multipath);

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		hop->rtnh_flags &= ROUTE_FLAGS;
		size = RTNH_ALIGN(hop->rtnh_len);
		left -= size < left ? size : left;
		hop = (void *)((char *)hop + size);
	}
}

static bool expires(const struct nlmsghdr *route)
{
	const struct nlattr *attr = link_dump_attr(route, RTA_CACHEINFO);
	const struct rta_cacheinfo *info = attr ? mnl_attr_get_payload(attr) : NULL;

	return info && mnl_attr_get_payload_len(attr) >= sizeof(*info) && info->rta_expires;
}

static bool is_the_kernels(const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);

	return route->rtm_flags & RTM_F_CLONED || route->rtm_protocol == RTPROT_REDIRECT ||
	       expires(message) || (route->rtm_family == AF_INET6 && route->rtm_protocol == RTPROT_KERNEL);
}

static int on_route(const struct nlmsghdr *message, void *arg)
{
	struct copy *c = arg;
	struct nlmsghdr *to;
	const struct nlattr *attr;
	struct buf bytes = {0};

	if (!leads_through(message, c->ifindex) || is_the_kernels(message))
		return MNL_CB_OK;
	if (!buf_reserve(&bytes, 2 * MNL_ALIGN(message->nlmsg_len)))
		return MNL_CB_ERROR;
	to = begin(bytes.data, message);
	((struct rtmsg *)mnl_nlmsg_get_payload(to))->rtm_flags &= ROUTE_FLAGS;
	mnl_attr_for_each(attr, message, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) != RTA_CACHEINFO)
			copy_attr(to, attr);
		if (mnl_attr_get_type(attr) == RTA_MULTIPATH)
			clean_hops((struct nlattr *)link_dump_attr(to, RTA_MULTIPATH));
	}
	add(&c->dump->routes, to);
	buf_free(&bytes);
	return MNL_CB_OK;
}

/* ---- the dumps ---- */

static int ask(uint16_t type, size_t header, unsigned char family, uint8_t neighbour_flags, mnl_cb_t call,
	       struct copy *c)
{
	struct rtnl_request request = {0};
	struct ndmsg *neighbour;
	void *extra;

	rtnl_begin(&request, type, NLM_F_DUMP);
	extra = mnl_nlmsg_put_extra_header(&request.header, header);
	*(unsigned char *)extra = family;
	if (type == RTM_GETNEIGH) {
		neighbour = extra;
		neighbour->ndm_flags = neighbour_flags;
	}
	return rtnl_ask(&request.header, call, c);
}

static int dump_once(struct copy *c)
{
	static const unsigned char families[] = {AF_INET, AF_INET6};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(families); i++) {
		err = ask(RTM_GETADDR, sizeof(struct ifaddrmsg), families[i], 0, on_address, c);
		if (!err)
			err = ask(RTM_GETROUTE, sizeof(struct rtmsg), families[i], 0, on_route, c);
		c->proxies = false;
		if (!err)
			err = ask(RTM_GETNEIGH, sizeof(struct ndmsg), families[i], 0, on_neighbour, c);
		c->proxies = true;
		if (!err)
			err = ask(RTM_GETNEIGH, sizeof(struct ndmsg), families[i], NTF_PROXY, on_neighbour,
				  c);
	}
	return err;
}

int link_dump(int ifindex, struct link_dump *ret)
{
	struct copy c = {.ifindex = ifindex, .dump = ret};
	int err = -EINTR;

	*ret = (struct link_dump){};
	/* -EINTR: something changed between two pieces of a dump. */
	for (int i = 0; i < TRIES && err == -EINTR; i++) {
		link_dump_free(ret);
		err = dump_once(&c);
	}
	if (!err && (ret->addresses.failed || ret->neighbours.failed || ret->routes.failed))
		err = -ENOMEM;
	if (err)
		link_dump_free(ret);
	return err;
}

void link_dump_free(struct link_dump *dump)
{
	buf_free(&dump->addresses);
	buf_free(&dump->neighbours);
	buf_free(&dump->routes);
}

/* ---- comparison ---- */

static bool same_attr(const struct nlmsghdr *a, const struct nlmsghdr *b, unsigned type)
{
	const struct nlattr *x = link_dump_attr(a, type), *y = link_dump_attr(b, type);

	if (!x || !y)
		return x == y;
	return mnl_attr_get_payload_len(x) == mnl_attr_get_payload_len(y) &&
	       !memcmp(mnl_attr_get_payload(x), mnl_attr_get_payload(y), mnl_attr_get_payload_len(x));
}

static bool same_address(const struct nlmsghdr *a, const struct nlmsghdr *b)
{
	const struct ifaddrmsg *x = mnl_nlmsg_get_payload(a), *y = mnl_nlmsg_get_payload(b);

	return x->ifa_family == y->ifa_family && x->ifa_prefixlen == y->ifa_prefixlen &&
	       same_attr(a, b, IFA_ADDRESS) && same_attr(a, b, IFA_LOCAL);
}

static bool same(const struct nlmsghdr *a, const struct nlmsghdr *b)
{
	if (a->nlmsg_type != b->nlmsg_type)
		return false;
	if (a->nlmsg_type == RTM_NEWADDR)
		return same_address(a, b);
	return a->nlmsg_len == b->nlmsg_len &&
	       !memcmp(mnl_nlmsg_get_payload(a), mnl_nlmsg_get_payload(b), mnl_nlmsg_get_payload_len(a));
}

bool link_dump_has(const struct buf *messages, const struct nlmsghdr *wanted)
{
	const struct nlmsghdr *message;
	size_t at = 0;

	while ((message = link_dump_next(messages->data, messages->len, &at)))
		if (same(message, wanted))
			return true;
	return false;
}

bool link_dump_has_gateway(const struct nlmsghdr *route)
{
	return link_dump_attr(route, RTA_GATEWAY) || link_dump_attr(route, RTA_VIA) ||
	       link_dump_attr(route, RTA_MULTIPATH);
}
