/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TTL 64

struct raw {
	int fd4, fd6; /* fd6: -1 where the host has no IPv6 */
};

static int open_socket(int family, __u32 mark)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int raw_open(__u32 mark, struct raw **ret)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	int err;

	if (!raw)
		return -ENOMEM;
	raw->fd4 = open_socket(AF_INET, mark);
	raw->fd6 = open_socket(AF_INET6, mark);
	err = raw->fd4 < 0 ? raw->fd4 : raw->fd6 < 0 && raw->fd6 != -EAFNOSUPPORT ? raw->fd6 : 0;
	if (err) {
		raw_close(raw);
		return err;
	}
	*ret = raw;
	return 0;
}

void raw_close(struct raw *raw)
{
	if (!raw)
		return;
	if (raw->fd4 >= 0)
		close(raw->fd4);
	if (raw->fd6 >= 0)
		close(raw->fd6);
	free(raw);
}

/* RFC 1071, over memory in network order, an even number of bytes. */
static uint32_t sum_words(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i + 1 < len; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

struct endpoint {
	const __u32 *addr;
	uint16_t port;
};

static bool is_mapped(const __u32 *addr)
{
	return IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)addr);
}

static uint32_t sum_pseudo(const struct endpoint *from, const struct endpoint *to, uint8_t proto, size_t len)
{
	size_t skip = is_mapped(to->addr) ? 3 : 0, bytes = is_mapped(to->addr) ? 4 : 16;

	return sum_words(to->addr + skip, bytes,
			 sum_words(from->addr + skip, bytes, htons(proto) + htons(len)));
}

/* The kernel fills in length, id and checksum of an IPv4 header. */
static struct iphdr ip4_header(const struct endpoint *from, const struct endpoint *to, uint8_t proto,
			       size_t len)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = TTL, .protocol = proto};

	ip.tot_len = htons(sizeof(ip) + len);
	ip.frag_off = htons(IP_DF);
	ip.saddr = from->addr[3];
	ip.daddr = to->addr[3];
	return ip;
}

static struct ip6_hdr ip6_header(const struct endpoint *from, const struct endpoint *to, uint8_t proto,
				 size_t len)
{
	struct ip6_hdr ip = {.ip6_hlim = TTL};

	ip.ip6_flow = htonl(6U << 28);
	ip.ip6_hlim = TTL;
	ip.ip6_plen = htons(len);
	ip.ip6_nxt = proto;
	memcpy(&ip.ip6_src, from->addr, 16);
	memcpy(&ip.ip6_dst, to->addr, 16);
	return ip;
}

struct message {
	uint8_t bytes[160];
	size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
	memcpy(m->bytes + m->len, data, len);
	m->len += len;
}

static void put_ip(struct message *m, const struct endpoint *from, const struct endpoint *to, uint8_t proto,
		   size_t len)
{
	struct iphdr ip4 = ip4_header(from, to, proto, len);
	struct ip6_hdr ip6 = ip6_header(from, to, proto, len);

	if (is_mapped(to->addr))
		put(m, &ip4, sizeof(ip4));
	else
		put(m, &ip6, sizeof(ip6));
}

static int send_to(const struct raw *raw, const struct message *m, const struct endpoint *to,
		   uint32_t ifindex)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = to->addr[3]};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool is4 = is_mapped(to->addr);

	memcpy(&v6.sin6_addr, to->addr, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
		v6.sin6_scope_id = ifindex;
	if (sendto(is4 ? raw->fd4 : raw->fd6, m->bytes, m->len, 0,
		   is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is4 ? sizeof(v4) : sizeof(v6)) < 0)
		return -errno;
	return 0;
}

static int send_rst(const struct raw *raw, const struct endpoint *from, const struct endpoint *to,
		    uint32_t seq, uint32_t ack, uint32_t ifindex)
{
	struct tcphdr tcp = {.rst = 1, .ack = 1, .doff = sizeof(tcp) / 4};
	struct message m = {.len = 0};

	tcp.source = htons(from->port);
	tcp.dest = htons(to->port);
	tcp.seq = htonl(seq);
	tcp.ack_seq = htonl(ack);
	tcp.check = sum_finish(sum_words(&tcp, sizeof(tcp), sum_pseudo(from, to, IPPROTO_TCP, sizeof(tcp))));
	put_ip(&m, from, to, IPPROTO_TCP, sizeof(tcp));
	put(&m, &tcp, sizeof(tcp));
	return send_to(raw, &m, to, ifindex);
}

int raw_reset(const struct raw *raw, const struct sp_socket *s)
{
	struct endpoint local = {s->flow.local, s->flow.local_port},
			remote = {s->flow.remote, s->flow.remote_port};
	int err = 0;

	if (s->ends & SP_END_LOCAL)
		err = send_rst(raw, &remote, &local, s->rcv_nxt, s->snd_nxt, s->ifindex);
	if (s->ends & SP_END_REMOTE) {
		int e = send_rst(raw, &local, &remote, s->snd_nxt, s->rcv_nxt, s->ifindex);

		err = err ?: e;
	}
	return err;
}

#define STAMPS_FIRST 0x0101080a /* RFC 7323, appendix A: NOP, NOP, kind, length */

/* With its checksum, and with time stamps if the connection has them. */
static size_t fill_ack(const struct endpoint *from, const struct endpoint *to, int dir,
		       const struct sp_state *state, struct tcphdr *tcp, uint32_t stamps[3])
{
	size_t len = sizeof(*tcp), more = state->flags[dir] & SP_STATE_STAMPED ? 3 * sizeof(*stamps) : 0;

	*tcp = (struct tcphdr){.ack = 1, .doff = (len + more) / 4};
	tcp->source = htons(from->port);
	tcp->dest = htons(to->port);
	tcp->seq = htonl(state->next_seq[dir]);
	tcp->ack_seq = htonl(state->ack[dir]);
	tcp->window = htons(state->window[dir]);
	stamps[0] = htonl(STAMPS_FIRST);
	stamps[1] = htonl(state->tsval[dir]);
	stamps[2] = htonl(state->tsecr[dir]);
	tcp->check = sum_finish(
		sum_words(tcp, len, sum_words(stamps, more, sum_pseudo(from, to, IPPROTO_TCP, len + more))));
	return more;
}

int raw_acknowledge(const struct raw *raw, const struct sp_flow_key *flow, int dir,
		    const struct sp_state *state)
{
	struct endpoint local = {flow->local, flow->local_port}, remote = {flow->remote, flow->remote_port};
	const struct endpoint *from = dir == SP_DIR_OUT ? &local : &remote;
	const struct endpoint *to = dir == SP_DIR_OUT ? &remote : &local;
	struct message m = {.len = 0};
	uint32_t stamps[3];
	struct tcphdr tcp;
	size_t more = fill_ack(from, to, dir, state, &tcp, stamps);

	put_ip(&m, from, to, IPPROTO_TCP, sizeof(tcp) + more);
	put(&m, &tcp, sizeof(tcp));
	put(&m, stamps, more);
	return send_to(raw, &m, to, state->ifindex);
}

static struct icmphdr icmp_header(bool is4, uint8_t refuse)
{
	struct icmphdr icmp = {.type = is4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH};

	if (refuse == SP_REFUSE_ICMP_HOST)
		icmp.code = is4 ? ICMP_HOST_UNREACH : ICMP6_DST_UNREACH_ADDR;
	else if (refuse == SP_REFUSE_ICMP_ADMIN)
		icmp.code = is4 ? ICMP_PKT_FILTERED : ICMP6_DST_UNREACH_ADMIN;
	else
		icmp.code = is4 ? ICMP_PORT_UNREACH : ICMP6_DST_UNREACH_NOPORT;
	return icmp;
}

int raw_unreachable(const struct raw *raw, const struct sp_event *event)
{
	struct endpoint local = {event->flow.local, event->flow.local_port};
	struct endpoint remote = {event->flow.remote, event->flow.remote_port};
	bool is4 = is_mapped(remote.addr);
	struct tcphdr syn = {.syn = 1, .doff = sizeof(syn) / 4};
	struct icmphdr icmp = icmp_header(is4, event->refuse);
	struct message quote = {.len = 0}, m = {.len = 0};
	uint32_t sum;

	syn.source = htons(local.port);
	syn.dest = htons(remote.port);
	syn.seq = htonl(event->seq);
	put_ip(&quote, &local, &remote, IPPROTO_TCP, sizeof(syn));
	put(&quote, &syn, sizeof(syn));
	sum = is4 ? 0 : sum_pseudo(&remote, &local, IPPROTO_ICMPV6, sizeof(icmp) + quote.len);
	icmp.checksum = sum_finish(sum_words(quote.bytes, quote.len, sum_words(&icmp, sizeof(icmp), sum)));
	put_ip(&m, &remote, &local, is4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, sizeof(icmp) + quote.len);
	put(&m, &icmp, sizeof(icmp));
	put(&m, quote.bytes, quote.len);
	return send_to(raw, &m, &local, 0);
}
