/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a probe goes to, and what became of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "drill/probe.h"

static int put_address(int family, const void *addr, uint16_t port, struct sockaddr_storage *ret,
		       socklen_t *ret_len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = family;
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, addr, sizeof(v4->sin_addr));
		v4->sin_port = htons(port);
		*ret_len = sizeof(*v4);
	} else {
		memcpy(&v6->sin6_addr, addr, sizeof(v6->sin6_addr));
		v6->sin6_port = htons(port);
		*ret_len = sizeof(*v6);
	}
	return 0;
}

static bool is_single(const struct prefix *p)
{
	return p->len == (p->family == AF_INET ? 32 : 128);
}

static int target_address(const struct plan_target *t, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	for (size_t i = 0; t->n_remote_ports && i < t->n_remotes; i++)
		if (is_single(&t->remotes[i]))
			return put_address(t->remotes[i].family, t->remotes[i].addr, t->remote_ports[0].first,
					   ret, ret_len);
	return -EDESTADDRREQ;
}

int probe_address(const struct probe *p, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	const struct plan_probe *plan = p->plan;
	uint8_t addr[sizeof(struct in6_addr)];

	if (!plan->host)
		return plan->target < 0 ? -EINVAL
					: target_address(&p->whole->targets[plan->target], ret, ret_len);
	if (inet_pton(AF_INET, plan->host, addr) == 1)
		return put_address(AF_INET, addr, plan->port, ret, ret_len);
	if (inet_pton(AF_INET6, plan->host, addr) == 1)
		return put_address(AF_INET6, addr, plan->port, ret, ret_len);
	return -EINVAL;
}

const char *probe_error(int error)
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
	case EDESTADDRREQ:
		return "its target has no address";
	default:
		return strerrordesc_np(error) ?: "unknown error";
	}
}
