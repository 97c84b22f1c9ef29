/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "scenario/names.h"

#define LONGEST_URL 2048
#define LONGEST_HOST 254

static bool begins(const char *s, const char *prefix)
{
	return !strncasecmp(s, prefix, strlen(prefix));
}

bool url_is_https(const char *url)
{
	return begins(url, "https://");
}

bool url_has_name(const char *url)
{
	const char *host = strchr(url, ':') + 3;

	return *host != '[' && strspn(host, "0123456789.") != strcspn(host, ":/?#");
}

static const char *host_fault(const char *s, size_t len)
{
	struct in6_addr v6;
	struct in_addr v4;
	char host[LONGEST_HOST + 1];

	if (!len)
		return "names no host";
	if (len > LONGEST_HOST)
		return "has a host of more than 254 characters";
	memcpy(host, s, len);
	host[len] = '\0';
	if (host[0] == '[') {
		if (host[len - 1] != ']')
			return "has something between its host and its port";
		host[len - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, &v6) == 1 ? NULL : "has no IPv6 address in its brackets";
	}
	if (!host[strspn(host, "0123456789.")])
		return inet_pton(AF_INET, host, &v4) == 1 ? NULL : "has no IPv4 address as its host";
	return name_fault(host, false);
}

static const char *authority_fault(const char *s, size_t len)
{
	const char *bracket = memchr(s, ']', len), *from = bracket ? bracket : s,
		   *colon = memchr(from, ':', len - (from - s));
	size_t host = colon ? (size_t)(colon - s) : len;
	struct port_range port;
	char digits[6];

	if (*s == '[' && !bracket)
		return "has a bracket without its end";
	if (memchr(s, '@', len))
		return "has a user or a password in it, which everybody could read in the plan";
	if (colon) {
		size_t n = len - host - 1;

		if (!n || n >= sizeof(digits))
			return "has no port from 1 to 65535 behind its host";
		memcpy(digits, colon + 1, n);
		digits[n] = '\0';
		if (parse_ports(digits, &port) || port.first != port.last)
			return "has no port from 1 to 65535 behind its host";
	}
	return host_fault(s, host);
}

const char *url_fault(const char *url)
{
	const char *s;

	if (!begins(url, "http://") && !begins(url, "https://"))
		return "does not start with http:// or https://";
	if (strlen(url) > LONGEST_URL)
		return "is longer than 2048 characters";
	for (s = url; *s; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return "has a character that a URL has only percent-encoded";
	s = strchr(url, ':') + 3;
	return authority_fault(s, strcspn(s, "/?#"));
}
