/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vectors.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct plan_target *target_of(const struct plan *plan, size_t rule)
{
	return &plan->targets[plan->rules[rule].target];
}

static void fill_protocols(const struct plan *plan, struct sp_bits *protocols)
{
	for (size_t r = 0; r < plan->n_rules; r++) {
		uint8_t proto = target_of(plan, r)->proto;

		if (proto) {
			bits_set(&protocols[proto], r);
			if (proto == IPPROTO_ICMP)
				bits_set(&protocols[IPPROTO_ICMPV6], r);
			continue;
		}
		for (unsigned p = 0; p < 256; p++)
			bits_set(&protocols[p], r);
	}
}

static void fill_ports(struct sp_bits *ports, size_t rule, const struct port_range *ranges, size_t n)
{
	static const struct port_range any = {0, SP_PORTS - 1};

	if (!n) {
		ranges = &any;
		n = 1;
	}
	for (size_t i = 0; i < n; i++)
		for (unsigned p = ranges[i].first; p <= ranges[i].last; p++)
			bits_set(&ports[p], rule);
}

void vectors_fill(const struct plan *plan, const struct vectors *v)
{
	fill_protocols(plan, v->protocols);
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_target *t = target_of(plan, r);

		if (t->n_local_ports || t->n_remote_ports)
			v->control->ports = 1;
		/* An address of one family excludes the other, so both are looked up as soon as there is one. */
		if (t->n_remotes)
			v->control->prefixes4 = v->control->prefixes6 = 1;
		if (!t->n_remotes) {
			bits_set(v->any_prefix4, r);
			bits_set(v->any_prefix6, r);
		}
		for (int hook = 0; hook < SP_HOOKS; hook++)
			if (plan->rules[r].hooks & 1 << hook)
				bits_set(&v->control->hook[hook], r);
	}
	if (!v->control->ports)
		return;
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_target *t = target_of(plan, r);

		fill_ports(v->local_ports, r, t->local_ports, t->n_local_ports);
		fill_ports(v->remote_ports, r, t->remote_ports, t->n_remote_ports);
	}
}

static bool covers(const struct prefix *wide, const struct prefix *narrow)
{
	unsigned bytes = wide->len / 8, bits = wide->len % 8;

	if (wide->family != narrow->family || wide->len > narrow->len ||
	    memcmp(wide->addr, narrow->addr, bytes))
		return false;
	return !bits || !((wide->addr[bytes] ^ narrow->addr[bytes]) >> (8 - bits));
}

static bool is_listed(const struct prefix_rules *list, size_t n, const struct prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].prefix.len == p->len && covers(&list[i].prefix, p))
			return true;
	return false;
}

static void add_covering(const struct plan *plan, struct prefix_rules *entry)
{
	for (size_t r = 0; r < plan->n_rules; r++) {
		const struct plan_target *t = target_of(plan, r);

		if (!t->n_remotes)
			bits_set(&entry->rules, r);
		for (size_t i = 0; i < t->n_remotes; i++)
			if (covers(&t->remotes[i], &entry->prefix))
				bits_set(&entry->rules, r);
	}
}

int vectors_prefixes(const struct plan *plan, int family, struct prefix_rules **ret_list, size_t *ret_n)
{
	struct prefix_rules *list;
	size_t n = 0, max = 0;

	for (size_t i = 0; i < plan->n_targets; i++)
		max += plan->targets[i].n_remotes;
	list = calloc(max + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct plan_target *t = &plan->targets[i];

		for (size_t k = 0; k < t->n_remotes; k++)
			if (t->remotes[k].family == family && !is_listed(list, n, &t->remotes[k]))
				list[n++].prefix = t->remotes[k];
	}
	for (size_t i = 0; i < n; i++)
		add_covering(plan, &list[i]);
	*ret_list = list;
	*ret_n = n;
	return 0;
}
