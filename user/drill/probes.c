/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/probes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/timeutil.h"

struct probe {
	const struct plan_probe *plan;
	struct sockaddr_storage address;
	socklen_t address_len;
	int fd; /* -1: no sample is under way */
	uint64_t started, due;
	bool known, healthy;
	uint64_t sampled; /* when */
};

struct probes {
	struct probe *items;
	size_t n;
	int epoll_fd;
	uint64_t tag;
	void (*call)(void *arg, const struct probe_sample *sample);
	void *arg;
};

static int read_address(struct probe *p)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&p->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&p->address;

	if (inet_pton(AF_INET, p->plan->host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(p->plan->port);
		p->address_len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, p->plan->host, &v6->sin6_addr) != 1)
		return -EINVAL;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(p->plan->port);
	p->address_len = sizeof(*v6);
	return 0;
}

int probes_open(const struct plan *plan, int epoll_fd, uint64_t tag,
		void (*call)(void *arg, const struct probe_sample *sample), void *arg, struct probes **ret)
{
	struct probes *probes = calloc(1, sizeof(*probes));
	uint64_t now = clock_mono_ns();
	int err = 0;

	if (!probes)
		return -ENOMEM;
	probes->items = calloc(plan->n_probes + 1, sizeof(*probes->items));
	if (!probes->items) {
		free(probes);
		return -ENOMEM;
	}
	probes->epoll_fd = epoll_fd;
	probes->tag = tag;
	probes->call = call;
	probes->arg = arg;
	for (; !err && probes->n < plan->n_probes; probes->n++) {
		struct probe *p = &probes->items[probes->n];

		p->plan = &plan->probes[probes->n];
		p->fd = -1;
		p->due = now;
		err = read_address(p);
	}
	if (err) {
		probes_close(probes);
		return err;
	}
	*ret = probes;
	return 0;
}

void probes_close(struct probes *probes)
{
	if (!probes)
		return;
	for (size_t i = 0; i < probes->n; i++)
		if (probes->items[i].fd >= 0)
			close(probes->items[i].fd);
	free(probes->items);
	free(probes);
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
		return strerror(error);
	}
}

static void finish(struct probes *probes, struct probe *p, int error)
{
	uint64_t now = clock_mono_ns();
	struct probe_sample sample = {
		.probe = p->plan,
		.index = p - probes->items,
		.mono_ns = now,
		.latency_ns = now - p->started,
		.healthy = !error,
		.changed = !p->known || p->healthy != !error,
		.error = error ? error_word(error) : NULL,
	};

	if (p->fd >= 0)
		close(p->fd); /* takes it off the epoll, too */
	p->fd = -1;
	p->known = true;
	p->healthy = !error;
	p->sampled = now;
	/* Keep to the raster; samples that a slow one has covered are left out. */
	p->due += p->plan->every_ns;
	if (p->due < now)
		p->due = now - (now - p->due) % p->plan->every_ns + p->plan->every_ns;
	probes->call(probes->arg, &sample);
}

static void start(struct probes *probes, struct probe *p)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.u64 = probes->tag + (p - probes->items)};

	p->started = clock_mono_ns();
	p->fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0) {
		finish(probes, p, errno);
	} else if (!connect(p->fd, (struct sockaddr *)&p->address, p->address_len)) {
		finish(probes, p, 0);
	} else if (errno != EINPROGRESS || epoll_ctl(probes->epoll_fd, EPOLL_CTL_ADD, p->fd, &event)) {
		finish(probes, p, errno);
	}
}

uint64_t probes_run(struct probes *probes, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < probes->n; i++) {
		struct probe *p = &probes->items[i];
		uint64_t when;

		if (p->fd >= 0 && now >= p->started + p->plan->timeout_ns)
			finish(probes, p, ETIMEDOUT);
		if (p->fd < 0 && now >= p->due)
			start(probes, p);
		when = p->fd >= 0 ? p->started + p->plan->timeout_ns : p->due;
		if (when < next)
			next = when;
	}
	return next;
}

void probes_ready(struct probes *probes, size_t index)
{
	struct probe *p = &probes->items[index];
	socklen_t len = sizeof(int);
	int error = 0;

	if (index >= probes->n || p->fd < 0)
		return;
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	finish(probes, p, error);
}

bool probes_healthy(const struct probes *probes, const char **ret_unhealthy)
{
	for (size_t i = 0; i < probes->n; i++) {
		if (probes->items[i].known && probes->items[i].healthy)
			continue;
		*ret_unhealthy = probes->items[i].plan->name;
		return false;
	}
	return true;
}

bool probes_healthy_since(const struct probes *probes, uint64_t mono_ns)
{
	for (size_t i = 0; i < probes->n; i++)
		if (!probes->items[i].known || !probes->items[i].healthy ||
		    probes->items[i].sampled < mono_ns)
			return false;
	return true;
}
