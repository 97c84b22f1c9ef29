/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/flow_key.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* "10.1.0.1:53122" or "[fd00::1]:53122", up to `end`. */
static bool parse_end(const char *at, const char *end, uint8_t address[16], uint16_t *ret_port,
		      uint8_t *ret_family)
{
	bool is_v6 = at < end && *at == '[';
	char text[INET6_ADDRSTRLEN];
	const char *stop;
	uint32_t port = 0;
	size_t len;

	at += is_v6;
	stop = memchr(at, is_v6 ? ']' : ':', end - at);
	len = stop ? (size_t)(stop - at) : sizeof(text);
	if (len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	*ret_family = is_v6 ? AF_INET6 : AF_INET;
	at = stop + is_v6;
	if (at == end || *at++ != ':' || at == end || end - at > 5)
		return false;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		port = 10 * port + (*at - '0');
	}
	*ret_port = port;
	return port <= UINT16_MAX && inet_pton(*ret_family, text, address) == 1;
}

bool flow_key_parse(const char *text, struct flow_key *ret)
{
	const char *middle = strchr(text, '>'), *slash = middle ? strchr(middle, '/') : NULL;
	uint8_t family;

	if (!slash)
		return false;
	memset(ret, 0, sizeof(*ret));
	if (strcmp(slash, "/tcp") == 0)
		ret->proto = IPPROTO_TCP;
	else if (strcmp(slash, "/udp") == 0)
		ret->proto = IPPROTO_UDP;
	else
		return false;
	return parse_end(text, middle, ret->local, &ret->local_port, &ret->family) &&
	       parse_end(middle + 1, slash, ret->remote, &ret->remote_port, &family) && family == ret->family;
}

struct flow_key flow_key_path(const struct flow_key *flow, enum flow_opener opener)
{
	struct flow_key path = *flow;

	path.incoming =
		opener == OPENER_IN || (opener == OPENER_UNKNOWN && flow->local_port < flow->remote_port);
	if (path.incoming)
		path.remote_port = 0;
	else
		path.local_port = 0;
	return path;
}

static void format_end(uint8_t family, const uint8_t address[16], uint16_t port, char *text, size_t size)
{
	const char *open = family == AF_INET6 ? "[" : "", *close = family == AF_INET6 ? "]" : "";
	char host[INET6_ADDRSTRLEN] = "?", number[8] = "";

	inet_ntop(family, address, host, sizeof(host));
	if (port)
		snprintf(number, sizeof(number), ":%u", port);
	snprintf(text, size, "%s%s%s%s", open, host, close, number);
}

void flow_key_name(const struct flow_key *path, char name[FLOW_NAME])
{
	char local[56], remote[56];

	format_end(path->family, path->local, path->local_port, local, sizeof(local));
	format_end(path->family, path->remote, path->remote_port, remote, sizeof(remote));
	snprintf(name, FLOW_NAME, "%s%c%s/%s", local, path->incoming ? '<' : '>', remote,
		 path->proto == IPPROTO_TCP ? "tcp" : "udp");
}
