/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/timeutil.h"

static void put_address(struct reach *r, int family, const void *addr, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&r->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&r->address;

	*r = (struct reach){.error = EINPROGRESS};
	r->address.ss_family = family;
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, addr, sizeof(v4->sin_addr));
		v4->sin_port = htons(port);
		r->address_len = sizeof(*v4);
	} else {
		memcpy(&v6->sin6_addr, addr, sizeof(v6->sin6_addr));
		v6->sin6_port = htons(port);
		r->address_len = sizeof(*v6);
	}
}

bool reach_is_single(const struct prefix *p)
{
	return p->len == (p->family == AF_INET ? 32 : 128);
}

size_t reach_target(const struct plan_target *t, struct reach ret[PLAN_MAX_REACH])
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_remotes; i++)
		for (size_t k = 0; reach_is_single(&t->remotes[i]) && k < t->n_remote_ports; k++)
			if (n < PLAN_MAX_REACH)
				put_address(&ret[n++], t->remotes[i].family, t->remotes[i].addr,
					    t->remote_ports[k].first);
	return n;
}

int reach_address(const char *host, uint16_t port, struct reach *ret)
{
	uint8_t addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, addr) == 1)
		put_address(ret, AF_INET, addr, port);
	else if (inet_pton(AF_INET6, host, addr) == 1)
		put_address(ret, AF_INET6, addr, port);
	else
		return -EINVAL;
	return 0;
}

/* A port of this host that is drawn for the connection may be the one that is asked: then it has opened to itself. */
bool reach_is_own(int fd)
{
	struct sockaddr_storage ends[2] = {0};
	socklen_t len[2] = {sizeof(ends[0]), sizeof(ends[1])};

	return !getsockname(fd, (struct sockaddr *)&ends[0], &len[0]) &&
	       !getpeername(fd, (struct sockaddr *)&ends[1], &len[1]) && len[0] == len[1] &&
	       !memcmp(&ends[0], &ends[1], len[0]);
}

/* The socket of a connection that is under way; -1: it is decided. */
static int start(struct reach *r)
{
	int fd = socket(r->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		r->error = errno;
		return -1;
	}
	r->error = connect(fd, (const struct sockaddr *)&r->address, r->address_len) ? errno : 0;
	if (r->error == EINPROGRESS)
		return fd;
	if (!r->error && reach_is_own(fd))
		r->error = ECONNREFUSED;
	close(fd);
	return -1;
}

static void take_answer(struct reach *r, struct pollfd *p, uint64_t took)
{
	socklen_t len = sizeof(r->error);

	if (!p->revents)
		return;
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &r->error, &len))
		r->error = errno;
	if (!r->error && reach_is_own(p->fd))
		r->error = ECONNREFUSED;
	r->took = took;
	close(p->fd);
	p->fd = -1;
}

static bool is_any_accepted(const struct reach *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!items[i].error)
			return true;
	return false;
}

static bool is_decided(const struct reach *items, const struct pollfd *fds, size_t n, bool first)
{
	if (first && is_any_accepted(items, n))
		return true;
	for (size_t i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			return false;
	return true;
}

static int follow(struct reach *items, struct pollfd *fds, size_t n, uint64_t timeout_ns, bool first)
{
	uint64_t began = clock_mono_ns(), took = 0;
	bool last = false; /* a look at what is there once the time is over: this thread may be late */

	while (!last && !is_decided(items, fds, n, first)) {
		uint64_t left = took < timeout_ns ? timeout_ns - took : 0;
		const struct timespec wait = {left / NS_PER_S, left % NS_PER_S};

		last = !left;
		if (ppoll(fds, n + 1, &wait, NULL) < 0 && errno != EINTR)
			return -errno;
		took = clock_mono_ns() - began;
		if (fds[n].revents)
			return -ECANCELED;
		for (size_t i = 0; i < n; i++)
			take_answer(&items[i], &fds[i], took);
	}
	return 0;
}

int reach_try(struct reach *items, size_t n, uint64_t timeout_ns, bool first, int cancel_fd)
{
	struct pollfd fds[n + 1];
	bool enough;
	int err;

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = start(&items[i]), .events = POLLOUT};
	fds[n] = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
	err = follow(items, fds, n, timeout_ns, first);
	enough = first && is_any_accepted(items, n);
	for (size_t i = 0; i < n; i++) {
		if (fds[i].fd < 0)
			continue;
		close(fds[i].fd);
		items[i].error = enough ? EINPROGRESS : ETIMEDOUT;
		items[i].took = timeout_ns;
	}
	return err;
}

void reach_name(const struct reach *r, char *text, size_t size)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&r->address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&r->address;
	char host[INET6_ADDRSTRLEN];

	if (r->address.ss_family == AF_INET)
		snprintf(text, size, "%s:%u", inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)),
			 ntohs(v4->sin_port));
	else
		snprintf(text, size, "[%s]:%u", inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)),
			 ntohs(v6->sin6_port));
}

void reach_words(const struct reach *r, char *text, size_t size)
{
	char took[32];

	format_duration(r->took, took, sizeof(took));
	if (!r->error)
		snprintf(text, size, "accepts connections");
	else if (r->error == ECONNREFUSED)
		snprintf(text, size, "connection refused");
	else if (r->error == ETIMEDOUT)
		snprintf(text, size, "timed out after %s", took);
	else
		snprintf(text, size, "%s", strerrordesc_np(r->error) ?: "unknown error");
}

const char *reach_cause(const struct reach *r)
{
	switch (r->error) {
	case 0:
		return NULL;
	case ECONNREFUSED:
		return "the host is there, and nothing listens on that port now, or a firewall rejects it";
	case ETIMEDOUT:
		return "nobody answers: a firewall drops it, the host is down, or the address is wrong";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "no route leads there, or a router or firewall says so";
	case EACCES:
	case EPERM:
		return "a firewall, here or there, forbids it";
	default:
		return "the connection could not be opened";
	}
}
