/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/rtnl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#define REPLY_BYTES                                                                                          \
	32768      /* what the kernel puts into one datagram of a dump, and more than one message has */
#define SEQUENCE 1 /* a socket serves one request */

struct nlmsghdr *rtnl_begin(struct rtnl_request *request, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(request->bytes);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	/* A dump ends by itself; with an acknowledgement, too, it would end twice. */
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		header->nlmsg_flags |= NLM_F_ACK;
	header->nlmsg_seq = SEQUENCE;
	return header;
}

int rtnl_ask(struct nlmsghdr *request, mnl_cb_t call, void *arg)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char *reply = malloc(REPLY_BYTES);
	int err = -ENOMEM;
	ssize_t len;

	if (!socket || !reply) {
		err = reply ? -errno : -ENOMEM;
		goto out;
	}
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) {
		err = -errno;
		goto out;
	}
	do {
		len = mnl_socket_recvfrom(socket, reply, REPLY_BYTES);
		err = len < 0 ? -errno
			      : mnl_cb_run(reply, len, SEQUENCE, mnl_socket_get_portid(socket), call, arg);
		if (err == MNL_CB_ERROR)
			err = -errno;
	} while (err > MNL_CB_STOP);
out:
	free(reply);
	if (socket)
		mnl_socket_close(socket);
	return err < 0 ? err : 0;
}
