/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "packet/frame.h"

#define MAC_BYTES 12
#define TAG_BYTES 4

static const uint8_t mark[60] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5, 'e', 'n', 'd'};

int capture_open(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, size = 4 << 20, err;

	if (fd < 0)
		return -errno;
	at.sll_ifindex = if_nametoindex(name);
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static void restore_tag(const struct msghdr *msg, struct captured *c)
{
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR((struct msghdr *)msg, cmsg)) {
		struct tpacket_auxdata aux;
		uint8_t tag[TAG_BYTES];

		if (cmsg->cmsg_level != SOL_PACKET || cmsg->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(cmsg), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		tag[0] = aux.tp_vlan_tpid >> 8;
		tag[1] = aux.tp_vlan_tpid;
		tag[2] = aux.tp_vlan_tci >> 8;
		tag[3] = aux.tp_vlan_tci;
		memmove(c->data + MAC_BYTES + TAG_BYTES, c->data + MAC_BYTES, c->len - MAC_BYTES);
		memcpy(c->data + MAC_BYTES, tag, sizeof(tag));
		c->len += TAG_BYTES;
		c->csum_start += TAG_BYTES;
	}
}

/* As the device would. */
static void complete(struct captured *c)
{
	uint16_t sum = ~sum_fold(sum_bytes(c->data + c->csum_start, c->len - c->csum_start, 0));
	size_t at = c->csum_start + c->csum_offset;

	c->data[at] = sum >> 8;
	c->data[at + 1] = sum;
}

int capture_next(int fd, struct captured *ret)
{
	struct virtio_net_hdr header;
	struct iovec parts[] = {{&header, sizeof(header)}, {ret->data, sizeof(ret->data) - TAG_BYTES}};
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct msghdr msg = {
		.msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t len;

	if (poll(&wait, 1, CAPTURE_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	len = recvmsg(fd, &msg, 0);
	if (len < 0)
		return -errno;
	if (len < (ssize_t)sizeof(header) + ETH_HLEN)
		return -EBADMSG;
	ret->len = len - sizeof(header);
	ret->partial = header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	ret->csum_start = header.csum_start;
	ret->csum_offset = header.csum_offset;
	restore_tag(&msg, ret);
	if (ret->partial)
		complete(ret);
	return 0;
}

bool capture_is_silent(int fd, int other_end_fd)
{
	struct captured c;

	if (capture_send(other_end_fd, mark, sizeof(mark), NULL) || capture_next(fd, &c))
		return false;
	return c.len == sizeof(mark) && !memcmp(c.data, mark, sizeof(mark));
}

int capture_send(int fd, const void *frame, size_t len, const struct offload *offload)
{
	struct virtio_net_hdr header = {0};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)frame, len}};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

	if (offload && offload->csum_start) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = offload->csum_start;
		header.csum_offset = offload->csum_offset;
	}
	if (offload && offload->segment) {
		header.gso_type = offload->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		header.gso_size = offload->segment;
		header.hdr_len = offload->headers;
	}
	return sendmsg(fd, &msg, 0) == (ssize_t)(sizeof(header) + len) ? 0 : -errno;
}
