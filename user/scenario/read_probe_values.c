/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: the values that probes have: addresses, paths, URLs, programs, processes. */
#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#include "base/json_path.h"
#include "base/timeutil.h"
#include "scenario/url.h"
#include "scenario/values.h"

#define LEAST_PROBE_NS (10 * NS_PER_MS)
#define MOST_IN_A_ROW 1000
#define LONGEST_TEXT 4096
#define LONGEST_FILE 255
#define MOST_HTTP_STATUS 599
#define MOST_EXIT_STATUS 255

void pass_key(struct reader *r, const struct node *n, void *into)
{
	(void)r, (void)n, (void)into;
}

/* ---- numbers and times ---- */

void read_probe_time(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_duration(r, n, &value);
	if (value.node && value.n < LEAST_PROBE_NS)
		mistake(r->errors, n, "%s is too short for a probe, expected 10ms or more", n->text);
	else
		*(struct value *)into = value;
}

void read_in_a_row(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 1, MOST_IN_A_ROW, into);
}

void read_http_status(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 100, MOST_HTTP_STATUS, into);
}

void read_exit_status(struct reader *r, const struct node *n, void *into)
{
	read_within(r, n, 0, MOST_EXIT_STATUS, into);
}

void read_restarts(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"allowed", "unhealthy"};
	static const uint8_t values[] = {0, 1};

	read_choice(r, n, words, values, 2, into);
}

/* ---- texts ---- */

/* A file, or what may be a directory. */
static void read_some_path(struct reader *r, const struct node *n, bool file, void *into)
{
	if (!is_scalar(r, n, file ? "the path of a file" : "a path"))
		return;
	if (!*n->text || strlen(n->text) >= PATH_MAX || (file && n->text[strlen(n->text) - 1] == '/'))
		wrong_value(r, n, file ? "path of a file" : "path", "such as logs/probe.log");
	else
		*(struct text *)into = (struct text){n->text, n};
}

void read_path(struct reader *r, const struct node *n, void *into)
{
	read_some_path(r, n, true, into);
}

void read_any_path(struct reader *r, const struct node *n, void *into)
{
	read_some_path(r, n, false, into);
}

void read_short_text(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "a text"))
		return;
	if (!*n->text || strlen(n->text) > LONGEST_TEXT)
		mistake(r->errors, n, "a text of %zu bytes, expected 1 to %d", strlen(n->text), LONGEST_TEXT);
	else
		*(struct text *)into = (struct text){n->text, n};
}

void read_url(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "one such as https://10.1.0.2:8443/health";
	char text[QUOTED_SIZE];
	const char *fault;

	if (!is_scalar(r, n, "a URL"))
		return;
	fault = url_fault(n->text);
	if (fault && strchr(n->text, '@'))
		mistake(r->errors, n, "this URL %s, expected %s", fault, expected);
	else if (fault)
		mistake(r->errors, n, "%s %s, expected %s", quote_value(n->text, text), fault, expected);
	else
		*(struct text *)into = (struct text){n->text, n};
}

/* Of a server: the path of the query is added to it. */
void read_server_url(struct reader *r, const struct node *n, void *into)
{
	struct text url = {0};
	char text[QUOTED_SIZE];

	read_url(r, n, &url);
	if (url.s && (strpbrk(url.s, "?#") || strstr(url.s, "/api/v1/")))
		mistake(r->errors, n, "%s is more than the server, expected one such as http://10.1.0.2:9090",
			quote_value(n->text, text));
	else
		*(struct text *)into = url;
}

void read_json_path(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "one such as .services[0].state";
	char text[QUOTED_SIZE];
	size_t at;

	if (!is_scalar(r, n, "the path of a value"))
		return;
	quote_value(n->text, text);
	if (n->text[0] != '.')
		mistake(r->errors, n, "%s does not start with a point, expected a path such as .dor", text);
	else if (json_path_check(n->text, &at))
		mistake(r->errors, n, "%s is no path of a value from its character %zu on, expected %s", text,
			at + 1, expected);
	else
		*(struct text *)into = (struct text){n->text, n};
}

/* `mtime` has no text. */
void read_age_by(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "`mtime`, or the path of a field such as .timestamp"))
		return;
	if (!strcmp(n->text, "mtime"))
		*(struct text *)into = (struct text){NULL, n};
	else if (n->text[0] != '.')
		wrong_value(r, n, "age", "`mtime`, or the path of a field such as .timestamp");
	else
		read_json_path(r, n, into);
}

/* ---- addresses ---- */

/* "host:port" or "[v6]:port": the host is copied, the port read. */
static bool split_address(struct reader *r, const char *s, struct model_address *into)
{
	const char *colon = strrchr(s, ':');
	struct port_range port;
	size_t len;

	if (!colon || parse_ports(colon + 1, &port) || port.first != port.last)
		return false;
	len = colon - s;
	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	} else if (memchr(s, ':', len) || memchr(s, '[', len)) {
		return false;
	}
	into->host = arena_text(r->arena, s, len);
	into->port = port.first;
	return len && len < 254;
}

static const struct field address_fields[] = {
	{"target", read_name, offsetof(struct model_address, target), true},
};

void read_address(struct reader *r, const struct node *n, void *into)
{
	struct model_address address = {.node = n};

	if (n->kind == NODE_MAP) {
		read_map(r, n, "an address", FIELDS(address_fields), &address);
		if (address.target.s)
			*(struct model_address *)into = address;
		return;
	}
	if (!is_scalar(r, n, "\"host:port\" or {target: NAME}"))
		return;
	if (split_address(r, n->text, &address))
		*(struct model_address *)into = address;
	else
		wrong_value(r, n, "address to probe", "\"host:port\" or \"[v6 address]:port\"");
}

static bool is_numeric(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

void read_stream(struct reader *r, const struct node *n, void *into)
{
	static const char *const schemes[] = {[TRANSPORT_TCP] = "tcp://",
					      [TRANSPORT_UDP] = "udp://",
					      [TRANSPORT_UDP_LISTEN] = "udp-listen://"};
	static const char expected[] = "tcp://host:port, udp://host:port or udp-listen://address:port";
	struct model_probe *p = into;
	struct model_address address = {.node = n};
	char text[QUOTED_SIZE];
	size_t i = 0;

	if (!is_scalar(r, n, expected))
		return;
	while (i < 3 && strncmp(n->text, schemes[i], strlen(schemes[i])))
		i++;
	if (i == 3 || !split_address(r, n->text + strlen(schemes[i]), &address)) {
		wrong_value(r, n, "stream", expected);
		return;
	}
	if (address.host && i == TRANSPORT_UDP_LISTEN && !is_numeric(address.host))
		mistake(r->errors, n,
			"%s is no address of this host to listen on, expected one such as 0.0.0.0",
			quote_value(address.host, text));
	p->transport = (struct value){i, n};
	p->stream = address;
}

/* ---- programs and processes ---- */

void read_command(struct reader *r, const struct node *n, void *into)
{
	struct texts *words = into;
	const struct node *item = n->first;
	size_t count;

	words->items = read_items(r, n, NODE_LIST, MOST_ARGUMENTS, sizeof(*words->items),
				  "a list: the program, then its arguments", &count);
	if (!words->items)
		return;
	words->node = n;
	for (size_t i = 0; i < count; i++, item = item->next) {
		if (!is_scalar(r, item, i ? "an argument of the program" : "a program"))
			continue;
		if (!i && !*item->text)
			wrong_value(r, item, "program", "a name or a path");
		words->items[words->count++] = (struct text){item->text, item};
	}
}

void read_process_name(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "the name of a program"))
		return;
	if (!*n->text || strchr(n->text, '/') || strlen(n->text) > LONGEST_FILE)
		wrong_value(r, n, "name of a program", "one without `/`, as `ps -o comm` shows it");
	else
		*(struct text *)into = (struct text){n->text, n};
}

void check_process(struct reader *r, const struct node *map, const char *what)
{
	static const char *const keys[] = {"pidfile", "pid", "name"};
	const char *first = NULL;

	for (size_t i = 0; i < 3; i++) {
		if (!given(map, keys[i]))
			continue;
		if (first)
			mistake(r->errors, node_get(map, keys[i])->key,
				"`%s` beside `%s`, expected the one or the other", keys[i], first);
		else
			first = keys[i];
	}
	if (!first && map->kind == NODE_MAP)
		mistake(r->errors, map, "%s needs `pidfile`, `pid` or `name`", what);
}

static const struct field process_fields[] = {PROCESS_KEYS(0)};

void read_process(struct reader *r, const struct node *n, void *into)
{
	struct model_process *process = into;

	process->node = n;
	if (read_map(r, n, "a process", FIELDS(process_fields), process))
		check_process(r, n, "a process");
}
