/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/vectors.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static bool has_rule(const struct plan *plan, size_t target)
{
	for (size_t r = 0; r < plan->n_rules; r++)
		if (plan->rules[r].target == target)
			return true;
	return false;
}

/* The bits behind those of the rules are of the targets that no rule has, as far as there is room. */
int vectors_target(const struct plan *plan, unsigned bit)
{
	unsigned next = plan->n_rules;

	if (bit < plan->n_rules)
		return plan->rules[bit].target;
	for (size_t t = 0; bit < SP_MAX_RULES && t < plan->n_targets; t++)
		if (!has_rule(plan, t) && next++ == bit)
			return t;
	return -1;
}

static const struct plan_target *target_of(const struct plan *plan, size_t bit)
{
	return &plan->targets[vectors_target(plan, bit)];
}

/* How many bits are taken. */
static size_t count_bits(const struct plan *plan)
{
	size_t n = plan->n_rules;

	while (vectors_target(plan, n) >= 0)
		n++;
	return n;
}

void vectors_bits(const struct plan *plan, size_t target, struct sp_bits *ret_bits)
{
	for (int t, bit = 0; (t = vectors_target(plan, bit)) >= 0; bit++)
		if ((size_t)t == target)
			bits_set(ret_bits, bit);
}

bool vectors_have_owners(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++)
		if (plan_target_has_owner(&plan->targets[i]))
			return true;
	return false;
}

bool vectors_have_processes(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++)
		if (plan->targets[i].pid)
			return true;
	return false;
}

/* The first bit of each target. */
static void fill_observe(const struct plan *plan, size_t n_bits, struct sp_bits *observe)
{
	struct sp_bits seen = {0}; /* by target; there are no more of them than bits */

	for (size_t bit = 0; bit < n_bits; bit++) {
		unsigned target = vectors_target(plan, bit);

		if (target >= SP_MAX_RULES || bits_get(&seen, target))
			continue;
		bits_set(&seen, target);
		bits_set(observe, bit);
	}
}

static void fill_protocols(const struct plan *plan, size_t n_bits, struct sp_bits *protocols)
{
	for (size_t r = 0; r < n_bits; r++) {
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

/* Who the owners are is told later (kernel/owned.h); until then their rules match nothing. */
static void fill_owners(const struct plan *plan, size_t n_bits, const struct vectors *v)
{
	for (size_t r = 0; r < n_bits; r++) {
		const struct plan_target *t = target_of(plan, r);

		bits_set(plan_target_has_owner(t) ? v->owner_rules : v->any_owner, r);
		if (t->pid)
			bits_set(v->process_rules, r);
	}
	v->control->owners = vectors_have_owners(plan);
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
	size_t n_bits = count_bits(plan);

	fill_protocols(plan, n_bits, v->protocols);
	fill_observe(plan, n_bits, &v->control->observe);
	fill_owners(plan, n_bits, v);
	for (size_t r = 0; r < n_bits; r++) {
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
		for (int hook = 0; r < plan->n_rules && hook < SP_HOOKS; hook++)
			if (plan->rules[r].hooks & 1 << hook)
				bits_set(&v->control->hook[hook], r);
	}
	if (!v->control->ports)
		return;
	for (size_t r = 0; r < n_bits; r++) {
		const struct plan_target *t = target_of(plan, r);

		fill_ports(v->local_ports, r, t->local_ports, t->n_local_ports);
		fill_ports(v->remote_ports, r, t->remote_ports, t->n_remote_ports);
	}
}

/* Its whole pages, in place of which nothing is: the map's later munmap() still has all of its addresses. */
static int leave(void *table, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), before = -(uintptr_t)table & (page - 1);
	void *at = mmap((char *)table + before, (size - before) & -page, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return at == MAP_FAILED ? -errno : 0;
}

int vectors_leave_ports(const struct vectors *v)
{
	int err = leave(v->local_ports, SP_PORTS * sizeof(*v->local_ports));

	return err ?: leave(v->remote_ports, SP_PORTS * sizeof(*v->remote_ports));
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

static void add_covering(const struct plan *plan, size_t n_bits, struct prefix_rules *entry)
{
	for (size_t r = 0; r < n_bits; r++) {
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
	size_t n = 0, max = 0, n_bits = count_bits(plan);

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
		add_covering(plan, n_bits, &list[i]);
	*ret_list = list;
	*ret_n = n;
	return 0;
}
