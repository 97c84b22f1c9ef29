/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: whose traffic is meant, and where. */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "scenario/names.h"
#include "scenario/values.h"

#define MOST_PID (1 << 22) /* PID_MAX_LIMIT of linux/threads.h */
#define LONGEST_UNIT 255
#define LONGEST_FILE 255

/* Numbers and dots alone are an address, if a wrong one. */
static bool is_address(const char *s)
{
	struct in6_addr v6;

	return !s[strspn(s, "0123456789./")] || strchr(s, ':') || inet_pton(AF_INET6, s, &v6) == 1;
}

static void check_host(struct reader *r, const struct text *host)
{
	char text[QUOTED_SIZE];
	const char *fault;

	quote_value(host->s, text);
	if (is_address(host->s)) {
		mistake(r->errors, host->node, "%s is no name, expected addresses in `remote`", text);
		return;
	}
	fault = name_fault(host->s, false);
	if (fault)
		mistake(r->errors, host->node, "%s %s, expected a name such as api.example.com", text, fault);
}

void read_hosts(struct reader *r, const struct node *n, void *into)
{
	struct texts *hosts = into;

	read_texts(r, n, hosts, MOST_HOSTS, "the name of a host", "", NULL);
	for (size_t i = 0; i < hosts->count; i++)
		check_host(r, &hosts->items[i]);
}

void read_cgroup(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a path such as /system.slice/feeder.service";
	char text[QUOTED_SIZE];
	const char *fault;

	if (!is_scalar(r, n, expected))
		return;
	fault = is_printable(n->text) ? cgroup_fault(n->text) : "has a control character";
	if (fault)
		mistake(r->errors, n, "%s %s, expected %s", quote_value(n->text, text), fault, expected);
	else
		*(struct text *)into = (struct text){n->text, n};
}

/* The characters and the length of systemd.unit(5); units that hold processes. */
static bool is_unit(const char *s)
{
	static const char *const kinds[] = {".service", ".scope", ".slice"};
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
	size_t len = strlen(s);

	if (s[strspn(s, allowed)] || len > LONGEST_UNIT)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t tail = strlen(kinds[i]);

		if (len > tail && !strcmp(s + len - tail, kinds[i]))
			return true;
	}
	return false;
}

void read_unit(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "a unit of systemd"))
		return;
	if (!is_unit(n->text))
		wrong_value(r, n, "unit that holds processes",
			    "a name that ends with .service, .scope or .slice");
	else
		*(struct text *)into = (struct text){n->text, n};
}

void read_pid(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 2, MOST_PID, into);
}

void read_netns(struct reader *r, const struct node *n, void *into)
{
	const char *s = n->text;
	bool name;

	if (!is_scalar(r, n, "a network namespace"))
		return;
	name = !strchr(s, '/') && strlen(s) <= LONGEST_FILE && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
	if (!is_printable(s) || !(name || *s == '/'))
		wrong_value(r, n, "network namespace",
			    "a name of `ip netns`, a path that starts with `/`, or the number of a process");
	else
		*(struct text *)into = (struct text){s, n};
}

void read_container(struct reader *r, const struct node *n, void *into)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *s = n->text;

	if (!is_scalar(r, n, "a container"))
		return;
	if (!isalnum((unsigned char)*s) || s[strspn(s, allowed)] || strlen(s) > LONGEST_FILE)
		wrong_value(r, n, "container", "a name or an id, as docker or podman show it");
	else
		*(struct text *)into = (struct text){s, n};
}
