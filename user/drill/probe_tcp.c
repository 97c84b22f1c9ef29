/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe that connects and hangs up. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/probe.h"
#include "drill/reach.h"

struct tcp {
	int fd; /* -1: no sample is under way */
	uint64_t started;
};

static int tcp_open(struct probe *p)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return -ENOMEM;
	tcp->fd = -1;
	p->state = tcp;
	return 0;
}

static void tcp_stop(struct probe *p)
{
	struct tcp *tcp = p->state;

	if (tcp->fd >= 0)
		close(tcp->fd); /* takes it off the epoll, too */
	tcp->fd = -1;
}

static void tcp_close(struct probe *p)
{
	tcp_stop(p);
	free(p->state);
}

static void finish(struct probe *p, int error)
{
	struct tcp *tcp = p->state;
	uint64_t now = clock_mono_ns();
	struct probe_sample sample = {
		.mono_ns = now,
		.latency_ns = now - tcp->started,
		.healthy = !error,
		.error = error ? probe_error(error) : NULL,
	};

	tcp_stop(p);
	probe_rest(p, now);
	probe_tell(p, &sample);
}

static void start(struct probe *p)
{
	struct tcp *tcp = p->state;
	struct sockaddr_storage address;
	socklen_t len;
	int err;

	tcp->started = clock_mono_ns();
	err = probe_address(p, &address, &len);
	if (err) {
		finish(p, -err);
		return;
	}
	tcp->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tcp->fd < 0) {
		finish(p, errno);
	} else if (!connect(tcp->fd, (struct sockaddr *)&address, len)) {
		finish(p, reach_is_own(tcp->fd) ? ECONNREFUSED : 0);
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

	if (tcp->fd >= 0 && now >= tcp->started + p->plan->timeout_ns) {
		probe_look(p, tcp->fd, POLLOUT); /* the answer may be there, and nobody has looked */
		if (tcp->fd >= 0)
			finish(p, ETIMEDOUT);
	}
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
	if (!error && reach_is_own(tcp->fd))
		error = ECONNREFUSED;
	finish(p, error);
}

const struct probe_kind probe_tcp = {
	.open = tcp_open,
	.close = tcp_close,
	.run = tcp_run,
	.ready = tcp_ready,
	.stop = tcp_stop,
};
