/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: who is hit. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "scenario/values.h"

static void read_proto(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"tcp", "udp", "icmp", "any"};
	static const uint8_t numbers[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, MODEL_PROTO_ANY};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){numbers[i], n};
}

static void read_direction(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"in", "out", "both"};
	static const uint8_t numbers[] = {PLAN_IN, PLAN_OUT, PLAN_BOTH};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){numbers[i], n};
}

static void tell_host_bits(struct reader *r, const struct node *n)
{
	struct prefix network = {0};
	char meant[64];

	parse_network(n->text, &network);
	format_prefix(&network, meant, sizeof(meant));
	mistake(r->errors, n, "%s has bits beyond its prefix length, did you mean %s?", n->text, meant);
}

bool read_prefix(struct reader *r, const struct node *n, struct prefix *into)
{
	static const char expected[] = "one such as 10.1.0.2, 10.2.0.0/16 or fd00:2::/64";
	int err;

	if (!is_scalar(r, n, "an address or a prefix"))
		return false;
	err = parse_prefix(n->text, into);
	if (err == -EDOM)
		tell_host_bits(r, n);
	else if (err == -EAFNOSUPPORT)
		mistake(r->errors, n, "%s is an IPv4-mapped address, expected the IPv4 address itself",
			n->text);
	else if (err == -ERANGE)
		wrong_value(r, n, "prefix", "a length of at most 32 (IPv4) or 128 (IPv6) bits");
	else if (err)
		wrong_value(r, n, "address or prefix", expected);
	return !err;
}

static void read_remotes(struct reader *r, const struct node *n, void *into)
{
	const struct node *item = n->kind == NODE_SCALAR ? n : n->first;
	struct model_remotes *list = into;
	size_t count;

	list->items = read_items(r, n, NODE_SCALAR, MOST_ITEMS, sizeof(*list->items),
				 "an address or a list of them", &count);
	if (!list->items)
		return;
	list->node = n;
	for (size_t i = 0; i < count; i++, item = item->next)
		list->count += read_prefix(r, item, &list->items[list->count]);
}

static bool read_port(struct reader *r, const struct node *n, struct port_range *into)
{
	int err;

	if (!is_scalar(r, n, "a port or a range of ports"))
		return false;
	err = parse_ports(n->text, into);
	if (err == -EINVAL || (err && !strchr(n->text, '-')))
		wrong_value(r, n, "port",
			    err == -EINVAL ? "a port such as 443 or a range such as 30001-30013" : "1-65535");
	else if (err)
		wrong_value(r, n, "range of ports", "1-65535, the lower one first");
	return !err;
}

static void read_ports(struct reader *r, const struct node *n, void *into)
{
	const struct node *item = n->kind == NODE_SCALAR ? n : n->first;
	struct model_ports *list = into;
	size_t count;

	list->items = read_items(r, n, NODE_SCALAR, MOST_ITEMS, sizeof(*list->items),
				 "a port or a list of them", &count);
	if (!list->items)
		return;
	list->node = n;
	for (size_t i = 0; i < count; i++, item = item->next)
		list->count += read_port(r, item, &list->items[list->count]);
}

static void read_any_of(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_ANY_OF, "the name of a target", "", NULL);
}

static const struct field target_fields[] = {
	{"proto", read_proto, offsetof(struct model_target, proto), false},
	{"remote", read_remotes, offsetof(struct model_target, remotes), false},
	{"remote_port", read_ports, offsetof(struct model_target, remote_ports), false},
	{"local_port", read_ports, offsetof(struct model_target, local_ports), false},
	{"direction", read_direction, offsetof(struct model_target, direction), false},
	{"interface", read_interfaces, offsetof(struct model_target, interfaces), false},
	{"share", read_share, offsetof(struct model_target, share), false},
	{"anything", read_bool, offsetof(struct model_target, anything), false},
	{"host", read_hosts, offsetof(struct model_target, hosts), false},
	{"cgroup", read_cgroup, offsetof(struct model_target, cgroup), false},
	{"unit", read_unit, offsetof(struct model_target, unit), false},
	{"pid", read_pid, offsetof(struct model_target, pid), false},
	{"any_of", read_any_of, offsetof(struct model_target, any_of), false},
	{"timeout", read_probe_time, offsetof(struct model_target, timeout), false},
	{"min_size", NULL, 0, false},
	{"max_size", NULL, 0, false},
};

void read_targets(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a mapping of names to targets";
	struct model *m = into;
	const struct node *child = n->first;

	m->targets = read_items(r, n, NODE_MAP, MOST_TARGETS, sizeof(*m->targets), expected, &m->n_targets);
	for (size_t i = 0; m->targets && i < m->n_targets; i++, child = child->next) {
		m->targets[i].name = (struct text){child->key->text, child->key};
		m->targets[i].node = child;
		read_name(r, child->key, &m->targets[i].name);
		read_map(r, child, "a target", FIELDS(target_fields), &m->targets[i]);
	}
}
