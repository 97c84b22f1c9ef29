/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/lifeline.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_ether.h>

#include "kernel/ancestors.h"
#include "kernel/netdev.h"
#include "kernel/rehearse.h"

#define ANY_PORT 40000 /* stands for a port that nothing names */
#define TCP_STATE_ESTABLISHED 1

struct guarded {
	struct in6_addr local, remote;    /* IPv4-mapped for IPv4 */
	uint16_t local_port, remote_port; /* 0: any */
	bool named;                       /* by --protect: `remote_port` may be on either side */
	const char *why;
	const char *file; /* that protects it, and where; NULL: none */
	unsigned line;
};

struct lifeline {
	struct guarded *flows;
	size_t n;
};

static int add(struct lifeline *l, const struct guarded *flow)
{
	struct guarded *flows = realloc(l->flows, (l->n + 1) * sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	l->flows = flows;
	flows[l->n++] = *flow;
	return 0;
}

static int read_address(const char *text, struct in6_addr *ret)
{
	char mapped[INET6_ADDRSTRLEN + 8];

	if (inet_pton(AF_INET6, text, ret) == 1)
		return 0;
	snprintf(mapped, sizeof(mapped), "::ffff:%.40s", text);
	return strchr(text, '.') && inet_pton(AF_INET6, mapped, ret) == 1 ? 0 : -EINVAL;
}

/* "client-address client-port server-address server-port", sshd(8). */
static int add_ssh(struct lifeline *l, const char *text)
{
	struct guarded flow = {.why = "the operator's SSH connection"};
	char remote[64], local[64];

	if (!text ||
	    sscanf(text, "%63s %hu %63s %hu", remote, &flow.remote_port, local, &flow.local_port) != 4 ||
	    read_address(remote, &flow.remote) || read_address(local, &flow.local))
		return 0;
	return add(l, &flow);
}

/* Of the environment that the process was started with: sudo takes the variable away, and tmux the ancestor. */
static int add_ssh_of(pid_t pid, struct lifeline *l)
{
	static const char key[] = "SSH_CONNECTION=";
	char path[64], *entry = NULL;
	size_t size = 0;
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return 0; /* as in add_sockets_of() */
	while (!err && getdelim(&entry, &size, '\0', file) > 0)
		if (!strncmp(entry, key, strlen(key)))
			err = add_ssh(l, entry + strlen(key));
	free(entry);
	fclose(file);
	return err;
}

struct inodes {
	unsigned long *items;
	size_t n;
};

static int add_inode(struct inodes *set, unsigned long inode)
{
	unsigned long *items = realloc(set->items, (set->n + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	set->items = items;
	items[set->n++] = inode;
	return 0;
}

static int add_sockets_of(pid_t pid, struct inodes *set)
{
	char path[64], target[64];
	const struct dirent *entry;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0; /* it has ended, or hides from us: then it is not this session's */
	while (!err && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		unsigned long inode;

		target[len > 0 ? len : 0] = 0;
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			err = add_inode(set, inode);
	}
	closedir(dir);
	return err;
}

/* An address of /proc/net/tcp, tcp6: words in host order, as hexadecimal numbers. */
static bool read_proc_address(const char *hex, struct in6_addr *ret)
{
	size_t words = strlen(hex) / 8;
	uint32_t word;

	if (words != 1 && words != 4)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->s6_addr[10] = ret->s6_addr[11] = words == 1 ? 0xff : 0;
	for (size_t i = 0; i < words; i++) {
		if (sscanf(hex + 8 * i, "%8x", &word) != 1)
			return false;
		memcpy(ret->s6_addr + (words == 1 ? 12 : 4 * i), &word, sizeof(word));
	}
	return true;
}

static int add_connections(struct lifeline *l, const char *table, const struct inodes *set)
{
	struct guarded flow = {.why = "a connection of this shell's ancestors"};
	char line[512], local[40], remote[40];
	unsigned local_port, remote_port, state;
	unsigned long inode;
	FILE *file = fopen(table, "re");
	int err = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno; /* no IPv6 */
	while (!err && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*d: %39[^:]:%x %39[^:]:%x %x %*s %*s %*s %*s %*s %lu", local, &local_port,
			   remote, &remote_port, &state, &inode) != 6 ||
		    state != TCP_STATE_ESTABLISHED)
			continue;
		for (size_t i = 0; !err && i < set->n; i++) {
			if (set->items[i] != inode || !read_proc_address(local, &flow.local) ||
			    !read_proc_address(remote, &flow.remote))
				continue;
			flow.local_port = local_port;
			flow.remote_port = remote_port;
			err = add(l, &flow);
		}
	}
	fclose(file);
	return err;
}

static int add_ancestors(struct lifeline *l)
{
	struct inodes set = {0};
	pid_t all[ANCESTORS_MOST];
	size_t n = ancestors_find(all);
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		err = add_sockets_of(all[i], &set);
		if (!err)
			err = add_ssh_of(all[i], l);
	}
	if (!err)
		err = add_connections(l, "/proc/self/net/tcp", &set);
	if (!err)
		err = add_connections(l, "/proc/self/net/tcp6", &set);
	free(set.items);
	return err;
}

int lifeline_open(struct lifeline **ret)
{
	struct lifeline *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	err = add_ssh(l, getenv("SSH_CONNECTION"));
	if (!err)
		err = add_ancestors(l);
	if (err) {
		lifeline_close(l);
		return err;
	}
	*ret = l;
	return 0;
}

void lifeline_close(struct lifeline *lifeline)
{
	if (!lifeline)
		return;
	free(lifeline->flows);
	free(lifeline);
}

static void map_address(const struct prefix *address, struct in6_addr *ret)
{
	*ret = (struct in6_addr){0};
	if (address->family == AF_INET6) {
		memcpy(ret->s6_addr, address->addr, 16);
	} else {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		memcpy(ret->s6_addr + 12, address->addr, 4);
	}
}

int lifeline_protect(struct lifeline *lifeline, const char *text, const char *file, unsigned line)
{
	struct guarded flow = {.named = true, .why = "--protect", .file = file, .line = line};
	struct prefix address;
	int err = parse_peer(text, &address, &flow.remote_port);

	if (err)
		return -EINVAL;
	map_address(&address, &flow.remote);
	return add(lifeline, &flow);
}

/* A packet of a guarded flow, as a frame. */
struct probe {
	struct in6_addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
	bool syn;
};

struct frame {
	uint8_t bytes[128];
	size_t len;
};

static void put(struct frame *f, const void *data, size_t len)
{
	memcpy(f->bytes + f->len, data, len);
	f->len += len;
}

static void put_ip(struct frame *f, const struct probe *p, size_t payload)
{
	if (IN6_IS_ADDR_V4MAPPED(&p->src) || IN6_IS_ADDR_V4MAPPED(&p->dst)) {
		struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = p->proto};

		ip.tot_len = htons(sizeof(ip) + payload);
		memcpy(&ip.saddr, p->src.s6_addr + 12, 4);
		memcpy(&ip.daddr, p->dst.s6_addr + 12, 4);
		put(f, &ip, sizeof(ip));
	} else {
		struct ip6_hdr ip = {.ip6_flow = htonl(6U << 28), .ip6_hlim = 64, .ip6_nxt = p->proto};

		ip.ip6_plen = htons(payload);
		ip.ip6_src = p->src;
		ip.ip6_dst = p->dst;
		put(f, &ip, sizeof(ip));
	}
}

static void build_frame(const struct probe *p, struct frame *f)
{
	bool is4 = IN6_IS_ADDR_V4MAPPED(&p->src) || IN6_IS_ADDR_V4MAPPED(&p->dst);
	struct ethhdr eth = {.h_proto = htons(is4 ? ETH_P_IP : ETH_P_IPV6)};
	struct tcphdr tcp = {
		.source = htons(p->sport), .dest = htons(p->dport), .doff = 5, .syn = p->syn, .ack = !p->syn};
	struct udphdr udp = {
		.source = htons(p->sport), .dest = htons(p->dport), .len = htons(sizeof(udp) + 1)};

	f->len = 0;
	put(f, &eth, sizeof(eth));
	put_ip(f, p, (p->proto == IPPROTO_TCP ? sizeof(tcp) : sizeof(udp)) + 1);
	if (p->proto == IPPROTO_TCP)
		put(f, &tcp, sizeof(tcp));
	else
		put(f, &udp, sizeof(udp)); /* of ICMP nothing is read: as good as any eight bytes */
	put(f, "x", 1);
}

struct check {
	struct engine *engine;
	const struct engine_interface *interfaces;
	size_t n;
	int rule;
};

/* 1: some hook of some interface would hit it. */
static int check_packet(struct check *c, const struct probe *outgoing)
{
	struct probe incoming = *outgoing;
	struct frame frame;

	incoming.src = outgoing->dst;
	incoming.dst = outgoing->src;
	incoming.sport = outgoing->dport;
	incoming.dport = outgoing->sport;
	for (int hook = 0; hook < SP_HOOKS; hook++) {
		build_frame(hook == SP_HOOK_TC_OUT ? outgoing : &incoming, &frame);
		for (size_t i = 0; i < c->n; i++) {
			int err = rehearse(engine_programs(c->engine), hook, c->interfaces[i].ifindex,
					   frame.bytes, frame.len, &c->rule);

			if (err || c->rule >= 0)
				return err ?: 1;
		}
	}
	return 0;
}

static int check_ports(struct check *c, const struct guarded *flow, uint16_t local_port, uint16_t remote_port)
{
	struct probe probe = {
		.src = flow->local, .dst = flow->remote, .sport = local_port, .dport = remote_port};
	int found;

	probe.proto = IPPROTO_TCP;
	found = check_packet(c, &probe);
	probe.syn = true; /* it must be able to come back, too */
	found = found ?: check_packet(c, &probe);
	if (!flow->named)
		return found;
	probe.proto = IPPROTO_UDP;
	found = found ?: check_packet(c, &probe);
	probe.proto = IN6_IS_ADDR_V4MAPPED(&flow->remote) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (!flow->remote_port)
		found = found ?: check_packet(c, &probe);
	return found;
}

static uint16_t first_port(const struct port_range *ranges, size_t n)
{
	return n ? ranges[0].first : ANY_PORT;
}

/* A peer without a port may use any: those that each rule's target names stand for all. */
static int check_named(struct check *c, const struct guarded *flow, const struct plan *plan)
{
	int found = 0;

	/* Whoever has the named port, the other side has one that nothing names. */
	if (flow->remote_port)
		return check_ports(c, flow, ANY_PORT, flow->remote_port)
			       ?: check_ports(c, flow, flow->remote_port, ANY_PORT);
	for (size_t r = 0; !found && r < plan->n_rules; r++) {
		const struct plan_target *t = &plan->targets[plan->rules[r].target];
		uint16_t local = first_port(t->local_ports, t->n_local_ports);
		uint16_t remote = first_port(t->remote_ports, t->n_remote_ports);

		found = check_ports(c, flow, local, remote);
	}
	return found;
}

static void describe(const struct guarded *flow, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "?", rule[96];
	const char *why = flow->why;
	bool is4 = IN6_IS_ADDR_V4MAPPED(&flow->remote);

	inet_ntop(is4 ? AF_INET : AF_INET6, is4 ? (const void *)(flow->remote.s6_addr + 12) : &flow->remote,
		  address, sizeof(address));
	if (flow->file) {
		snprintf(rule, sizeof(rule), "what %.64s:%u protects, traffic", flow->file, flow->line);
		why = rule;
	}
	if (flow->remote_port)
		snprintf(text, size, "%s with %s port %u", why, address, flow->remote_port);
	else
		snprintf(text, size, "%s with %s", why, address);
}

static bool in_ports(uint16_t port, const struct port_range *ranges, size_t n)
{
	for (size_t i = 0; port && i < n; i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return !n || !port;
}

static bool covers_ports(const struct plan_target *t, uint16_t local, uint16_t remote)
{
	return in_ports(local, t->local_ports, t->n_local_ports) &&
	       in_ports(remote, t->remote_ports, t->n_remote_ports);
}

static bool covers_flow(const struct plan_target *t, const struct guarded *flow)
{
	if (!flow->named && t->proto && t->proto != IPPROTO_TCP)
		return false;
	return covers_ports(t, flow->local_port, flow->remote_port) ||
	       (flow->named && covers_ports(t, flow->remote_port, 0));
}

bool lifeline_covers(const struct lifeline *lifeline, const struct plan_target *target,
		     const struct prefix *address, char *ret_flow, size_t size)
{
	struct in6_addr peer;

	map_address(address, &peer);
	for (size_t i = 0; i < lifeline->n; i++) {
		const struct guarded *flow = &lifeline->flows[i];

		if (!IN6_ARE_ADDR_EQUAL(&flow->remote, &peer) || !covers_flow(target, flow))
			continue;
		describe(flow, ret_flow, size);
		return true;
	}
	return false;
}

/* The interface that has an address; false: none here has. */
static bool find_own(const struct in6_addr *local, char name[IF_NAMESIZE])
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct in6_addr address = {0};

		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET6) {
			address = ((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr;
		} else if (i->ifa_addr->sa_family == AF_INET) {
			address.s6_addr[10] = address.s6_addr[11] = 0xff;
			memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)i->ifa_addr)->sin_addr, 4);
		} else {
			continue;
		}
		found = IN6_ARE_ADDR_EQUAL(&address, local);
		if (found)
			snprintf(name, IF_NAMESIZE, "%.15s", i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

static int find_route(const struct in6_addr *remote, char name[IF_NAMESIZE])
{
	bool is4 = IN6_IS_ADDR_V4MAPPED(remote);
	struct prefix to = {.family = is4 ? AF_INET : AF_INET6, .len = is4 ? 32 : 128};

	memcpy(to.addr, remote->s6_addr + (is4 ? 12 : 0), is4 ? 4 : 16);
	return netdev_route(&to, name);
}

/* A session whose own address is not here is in another network namespace. */
static bool goes_through(const struct guarded *flow, const char *const *names, size_t n)
{
	char own[IF_NAMESIZE] = "", route[IF_NAMESIZE] = "";

	if (!flow->named && !find_own(&flow->local, own))
		return false;
	if (find_route(&flow->remote, route))
		route[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], own) || !strcmp(names[i], route))
			return true;
	return false;
}

int lifeline_through(const struct lifeline *lifeline, const char *interface, char *ret_flow, size_t size)
{
	const char **names;
	size_t n;
	int err = netdev_above(interface, &names, &n), found = 0;

	if (err)
		return err;
	for (size_t i = 0; !found && i < lifeline->n; i++) {
		found = goes_through(&lifeline->flows[i], names, n);
		if (found)
			describe(&lifeline->flows[i], ret_flow, size);
	}
	free(names);
	return found;
}

int lifeline_check(struct lifeline *lifeline, struct engine *engine, const struct plan *plan,
		   const struct engine_interface *interfaces, size_t n, struct lifeline_hit *ret_hit)
{
	struct check c = {.engine = engine, .interfaces = interfaces, .n = n};

	for (size_t i = 0; i < lifeline->n; i++) {
		const struct guarded *flow = &lifeline->flows[i];
		int found = flow->named ? check_named(&c, flow, plan)
					: check_ports(&c, flow, flow->local_port, flow->remote_port);

		if (!found)
			continue;
		if (found > 0) {
			describe(flow, ret_hit->flow, sizeof(ret_hit->flow));
			ret_hit->rule = c.rule;
		}
		return found;
	}
	return 0;
}
