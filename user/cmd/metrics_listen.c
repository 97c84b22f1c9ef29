/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/metrics_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

struct place_to_listen {
	int family;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t len;
};

static int parse_port(const char *text)
{
	char *end;
	long port = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || port < 1 || port > 65535 ? -1 : (int)port;
}

/* The brackets of an IPv6 address are taken away. */
static int parse_host(const char *host, size_t len, char *ret, size_t size)
{
	if (len && host[0] == '[') {
		if (len < 3 || host[len - 1] != ']')
			return -EINVAL;
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return -EINVAL;
	}
	if (len >= size)
		return -EINVAL;
	memcpy(ret, host, len);
	ret[len] = '\0';
	return 0;
}

static int parse(const char *text, struct place_to_listen *ret)
{
	const char *colon = strrchr(text, ':');
	int port = colon ? parse_port(colon + 1) : -1;
	char host[INET6_ADDRSTRLEN];

	if (port < 0 || parse_host(text, colon - text, host, sizeof(host)))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &ret->address.v4.sin_addr) == 1) {
		ret->family = ret->address.v4.sin_family = AF_INET;
		ret->address.v4.sin_port = htons(port);
		ret->len = sizeof(ret->address.v4);
		return 0;
	}
	if (*host && inet_pton(AF_INET6, host, &ret->address.v6.sin6_addr) != 1)
		return -EINVAL;
	ret->family = ret->address.v6.sin6_family = AF_INET6;
	ret->address.v6.sin6_port = htons(port);
	ret->len = sizeof(ret->address.v6);
	return 0;
}

/* A host without IPv6 has all its addresses in IPv4. */
static void fall_back(struct place_to_listen *place)
{
	uint16_t port = place->address.v6.sin6_port;

	place->family = AF_INET;
	place->len = sizeof(place->address.v4);
	place->address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
}

static int listen_at(const struct place_to_listen *place)
{
	int fd = socket(place->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, off = 0,
	    err = 0;

	if (fd < 0)
		return -errno;
	/* A suite that follows another would otherwise find the port waiting for the other's connections to time out. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		err = -errno;
	if (!err && place->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&place->address.v6.sin6_addr) &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)))
		err = -errno;
	if (!err && (bind(fd, &place->address.any, place->len) || listen(fd, BACKLOG)))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int metrics_listen(const char *address, char *ret_reason, size_t size)
{
	struct place_to_listen place;
	int fd;

	if (parse(address, &place)) {
		snprintf(ret_reason, size,
			 "`%s` is no address, expected ADDR:PORT as in 127.0.0.1:9469, [::1]:9469 or :9469",
			 address);
		return -EINVAL;
	}
	fd = listen_at(&place);
	if (fd == -EAFNOSUPPORT && *address == ':') {
		fall_back(&place);
		fd = listen_at(&place);
	}
	if (fd < 0)
		snprintf(ret_reason, size, "%s: %s", address, strerror(-fd));
	return fd;
}
