/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/idle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define BATCH 512
#define TTL 64

struct idle {
	struct bpf_link *link;
	int raw4, raw6; /* raw6: -1 where the host has no IPv6 */
};

static int open_raw(int family, __u32 mark)
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

int idle_open(struct bpf_program *program, __u32 mark, struct idle **ret)
{
	struct idle *idle = calloc(1, sizeof(*idle));
	int err;

	if (!idle)
		return -ENOMEM;
	idle->raw4 = open_raw(AF_INET, mark);
	idle->raw6 = open_raw(AF_INET6, mark);
	err = idle->raw4 < 0 ? idle->raw4 : idle->raw6 < 0 && idle->raw6 != -EAFNOSUPPORT ? idle->raw6 : 0;
	if (err)
		goto fail;
	idle->link = bpf_program__attach_iter(program, NULL);
	if (!idle->link) {
		err = -errno;
		goto fail;
	}
	*ret = idle;
	return 0;
fail:
	idle_close(idle);
	return err;
}

void idle_close(struct idle *idle)
{
	if (!idle)
		return;
	bpf_link__destroy(idle->link);
	if (idle->raw4 >= 0)
		close(idle->raw4);
	if (idle->raw6 >= 0)
		close(idle->raw6);
	free(idle);
}

/* RFC 1071, over memory in network order. */
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
	const __u32 *addr; /* IPv4-mapped for IPv4 */
	uint16_t port;
};

static void fill_rst(struct tcphdr *tcp, const struct endpoint *from, const struct endpoint *to, bool is4,
		     uint32_t seq, uint32_t ack)
{
	size_t skip = is4 ? 3 : 0, len = is4 ? 4 : 16;
	uint32_t sum = htons(IPPROTO_TCP) + htons(sizeof(*tcp));

	memset(tcp, 0, sizeof(*tcp));
	tcp->source = htons(from->port);
	tcp->dest = htons(to->port);
	tcp->seq = htonl(seq);
	tcp->ack_seq = htonl(ack);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	tcp->ack = 1;
	sum = sum_words(from->addr + skip, len, sum);
	sum = sum_words(to->addr + skip, len, sum);
	tcp->check = sum_finish(sum_words(tcp, sizeof(*tcp), sum));
}

static int send4(int fd, const struct endpoint *from, const struct endpoint *to, uint32_t seq, uint32_t ack)
{
	struct {
		struct iphdr ip; /* the kernel fills in length, id and checksum */
		struct tcphdr tcp;
	} packet = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = TTL,
		       .protocol = IPPROTO_TCP,
		       .saddr = from->addr[3],
		       .daddr = to->addr[3]},
	};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = to->addr[3]};

	packet.ip.frag_off = htons(IP_DF);
	fill_rst(&packet.tcp, from, to, true, seq, ack);
	if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static int send6(int fd, const struct endpoint *from, const struct endpoint *to, uint32_t seq, uint32_t ack,
		 uint32_t ifindex)
{
	struct {
		struct ip6_hdr ip;
		struct tcphdr tcp;
	} packet;
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};

	memset(&packet.ip, 0, sizeof(packet.ip));
	packet.ip.ip6_flow = htonl(6U << 28);
	packet.ip.ip6_plen = htons(sizeof(packet.tcp));
	packet.ip.ip6_nxt = IPPROTO_TCP;
	packet.ip.ip6_hlim = TTL;
	memcpy(&packet.ip.ip6_src, from->addr, 16);
	memcpy(&packet.ip.ip6_dst, to->addr, 16);
	memcpy(&address.sin6_addr, to->addr, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr))
		address.sin6_scope_id = ifindex;
	fill_rst(&packet.tcp, from, to, false, seq, ack);
	if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return 0;
}

static int send_rst(const struct idle *idle, const struct sp_socket *s, const struct endpoint *from,
		    const struct endpoint *to, uint32_t seq, uint32_t ack)
{
	if (s->family == 4)
		return send4(idle->raw4, from, to, seq, ack);
	return send6(idle->raw6, from, to, seq, ack, s->ifindex);
}

static int reset_one(const struct idle *idle, const struct sp_socket *s)
{
	struct endpoint local = {s->flow.local, s->flow.local_port},
			remote = {s->flow.remote, s->flow.remote_port};
	int err = 0;

	if (s->ends & SP_END_REMOTE)
		err = send_rst(idle, s, &local, &remote, s->snd_nxt, s->rcv_nxt);
	if (s->ends & SP_END_LOCAL) {
		int e = send_rst(idle, s, &remote, &local, s->rcv_nxt, s->snd_nxt);

		err = err ?: e;
	}
	return err;
}

int idle_reset(struct idle *idle, void (*call)(void *arg, const struct sp_socket *socket), void *arg)
{
	struct sp_socket found[BATCH];
	int fd = bpf_iter_create(bpf_link__fd(idle->link));
	int n = 0, err = 0;
	ssize_t len;

	if (fd < 0)
		return -errno;
	while ((len = read(fd, found, sizeof(found))) > 0) {
		for (size_t i = 0; i < len / sizeof(*found); i++) {
			int e = reset_one(idle, &found[i]);

			err = err ?: e;
			n++;
			if (call)
				call(arg, &found[i]);
		}
	}
	if (len < 0)
		err = -errno;
	close(fd);
	return err ?: n;
}
