/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/alternatives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "drill/reach.h"

#define REMEDY "start one of them, correct the addresses, or wait until the service's hours begin"

/* A copy of an array; an empty one is NULL. */
static int copy_array(const void *from, size_t n, size_t size, void *ret_to, size_t *ret_n)
{
	void *copy = n ? malloc(n * size) : NULL;

	if (n && !copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, from, n * size);
	memcpy(ret_to, &copy, sizeof(copy));
	*ret_n = n;
	return 0;
}

static int copy_text(const char *from, char **ret_to)
{
	*ret_to = from ? strdup(from) : NULL;
	return from && !*ret_to ? -ENOMEM : 0;
}

static int copy_texts(char *const *from, size_t n, char ***ret_to, size_t *ret_n)
{
	int err = 0;

	free(*ret_to); /* of an empty list */
	*ret_to = calloc(n + 1, sizeof(**ret_to));
	if (!*ret_to)
		return -ENOMEM;
	for (*ret_n = 0; !err && *ret_n < n; (*ret_n)++)
		err = copy_text(from[*ret_n], &(*ret_to)[*ret_n]);
	return err;
}

/* The target that stands for others has nothing of its own. */
static int take_over(const struct plan_target *from, struct plan_target *to)
{
	int err = copy_array(from->remotes, from->n_remotes, sizeof(*to->remotes), &to->remotes,
			     &to->n_remotes);

	if (!err)
		err = copy_array(from->remote_ports, from->n_remote_ports, sizeof(*to->remote_ports),
				 &to->remote_ports, &to->n_remote_ports);
	if (!err)
		err = copy_array(from->local_ports, from->n_local_ports, sizeof(*to->local_ports),
				 &to->local_ports, &to->n_local_ports);
	if (!err)
		err = copy_texts(from->interfaces, from->n_interfaces, &to->interfaces, &to->n_interfaces);
	if (!err)
		err = copy_texts(from->hosts, from->n_hosts, &to->hosts, &to->n_hosts);
	if (!err)
		err = copy_text(from->cgroup, &to->cgroup);
	if (!err)
		err = copy_text(from->unit, &to->unit);
	to->proto = from->proto;
	to->direction = from->direction;
	to->share = from->share;
	to->pid = from->pid;
	return err;
}

/* A probe of the target goes to its first address and port: those that have answered. */
static void put_first(struct plan_target *t, const struct reach *reached)
{
	struct reach items[PLAN_MAX_REACH];
	size_t n = reach_target(t, items), k = 0, ports = t->n_remote_ports;

	while (k < n && (items[k].address_len != reached->address_len ||
			 memcmp(&items[k].address, &reached->address, reached->address_len) != 0))
		k++;
	for (size_t i = 0, single = 0; k < n && i < t->n_remotes; i++) {
		struct prefix remote = t->remotes[i];

		if (!reach_is_single(&remote) || single++ != k / ports)
			continue;
		t->remotes[i] = t->remotes[0];
		t->remotes[0] = remote;
		break;
	}
	if (k < n) {
		struct port_range port = t->remote_ports[k % ports];

		t->remote_ports[k % ports] = t->remote_ports[0];
		t->remote_ports[0] = port;
	}
}

/* Of several addresses that failed, the first speaks for all: they are one service. */
static void tell_failure(struct buf *why, const struct plan_target *t, const struct reach *items, size_t n)
{
	char name[64], words[64];

	buf_printf(why, "%s%s: ", why->len ? "; " : "", t->name);
	if (!n && t->n_hosts) {
		buf_printf(why, "%s has no address", t->hosts[0]);
		return;
	}
	if (!n) {
		buf_puts(why, "it names no single address with a port");
		return;
	}
	reach_name(&items[0], name, sizeof(name));
	reach_words(&items[0], words, sizeof(words));
	buf_printf(why, "%s %s", name, words);
	if (n > 1)
		buf_printf(why, " (and %zu more)", n - 1);
}

static const struct reach *accepted(const struct reach *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!items[i].error)
			return &items[i];
	return NULL;
}

static int pick(struct plan *plan, struct plan_target *t, struct hosts *hosts, int cancel_fd,
		struct findings *findings, struct buf *why)
{
	struct reach items[PLAN_MAX_REACH];
	const struct reach *reached;
	char name[64];
	int err;

	for (size_t i = 0; i < t->n_any_of; i++) {
		const struct plan_target *other = &plan->targets[t->any_of[i]];
		size_t n = reach_target(other, items);

		err = reach_try(items, n, t->reach_timeout_ns, true, cancel_fd);
		if (err)
			return err;
		reached = accepted(items, n);
		if (!reached) {
			tell_failure(why, other, items, n);
			continue;
		}
		reach_name(reached, name, sizeof(name));
		findings_add(findings, FINDING_PASS, t->name, NULL, "%s is reached (%s)%s%s", other->name,
			     name, why->len ? "; " : "", why->len ? why->data : "");
		err = take_over(other, t);
		if (!err)
			put_first(t, reached);
		return err ?: hosts_share(hosts, other, t);
	}
	findings_add(findings, FINDING_FAIL, t->name, REMEDY, "none of its alternatives is reached: %s",
		     why->failed || !why->len ? "out of memory" : why->data);
	return 0;
}

int alternatives_pick(struct plan *plan, struct hosts *hosts, int cancel_fd, struct findings *findings)
{
	int err = 0;

	for (size_t i = 0; !err && i < plan->n_targets; i++) {
		struct buf why = {0};

		if (plan->targets[i].n_any_of)
			err = pick(plan, &plan->targets[i], hosts, cancel_fd, findings, &why);
		buf_free(&why);
	}
	/* Whose packets they are, and which way they go, is known only now. */
	plan_choose_hooks(plan, plan->hook);
	return err;
}

bool alternatives_picked(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++)
		if (plan->targets[i].n_any_of && !plan->targets[i].n_remotes)
			return false;
	return true;
}
