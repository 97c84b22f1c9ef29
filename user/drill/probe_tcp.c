/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe that connects and hangs up. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/probe.h"

struct tcp {
	struct sockaddr_storage address;
	socklen_t address_len;
	int fd; /* -1: no sample is under way */
	uint64_t started;
};

static int read_address(const struct plan_probe *plan, struct tcp *tcp)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&tcp->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&tcp->address;

	if (inet_pton(AF_INET, plan->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(plan->port);
		tcp->address_len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, plan->host, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(plan->port);
	tcp->address_len = sizeof(*v6);
	return 0;
}

static int tcp_open(struct probe *p)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));
	int err;

	if (!tcp)
		return -ENOMEM;
	tcp->fd = -1;
	err = read_address(p->plan, tcp);
	if (err)
		free(tcp);
	else
		p->state = tcp;
	return err;
}

static void tcp_close(struct probe *p)
{
	struct tcp *tcp = p->state;

	if (tcp->fd >= 0)
		close(tcp->fd);
	free(tcp);
}

static const char *error_word(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
		return "reset";
	case ETIMEDOUT:
		return "timeout";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "unreachable";
	default:
		return strerrordesc_np(error) ?: "unknown error";
	}
}

static void finish(struct probe *p, int error)
{
	struct tcp *tcp = p->state;
	uint64_t now = clock_mono_ns();
	struct probe_sample sample = {
		.mono_ns = now,
		.latency_ns = now - tcp->started,
		.healthy = !error,
		.error = error ? error_word(error) : NULL,
	};

	if (tcp->fd >= 0)
		close(tcp->fd); /* takes it off the epoll, too */
	tcp->fd = -1;
	probe_rest(p, now);
	probe_tell(p, &sample);
}

static void start(struct probe *p)
{
	struct tcp *tcp = p->state;
	int err;

	tcp->started = clock_mono_ns();
	tcp->fd = socket(tcp->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tcp->fd < 0) {
		finish(p, errno);
	} else if (!connect(tcp->fd, (struct sockaddr *)&tcp->address, tcp->address_len)) {
		finish(p, 0);
	} else if (errno != EINPROGRESS) {
		finish(p, errno);
	} else {
		err = probe_watch(p, tcp->fd, EPOLLOUT);
		if (err)
			finish(p, -err);
	}
}

static uint64_t tcp_run(struct probe *p, uint64_t now)
{
	struct tcp *tcp = p->state;

	if (tcp->fd >= 0 && now >= tcp->started + p->plan->timeout_ns)
		finish(p, ETIMEDOUT);
	if (tcp->fd < 0 && now >= p->due)
		start(p);
	return tcp->fd >= 0 ? tcp->started + p->plan->timeout_ns : p->due;
}

static void tcp_ready(struct probe *p)
{
	struct tcp *tcp = p->state;
	socklen_t len = sizeof(int);
	int error = 0;

	if (tcp->fd < 0)
		return;
	if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	finish(p, error);
}

const struct probe_kind probe_tcp = {
	.open = tcp_open,
	.close = tcp_close,
	.run = tcp_run,
	.ready = tcp_ready,
};
