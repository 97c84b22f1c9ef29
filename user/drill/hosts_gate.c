/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/hosts_gate.h"

#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"

/* A plan that is about nothing but this address of the target. */
static bool is_against_policy(const struct hosts_gate_context *c, const struct plan_target *target,
			      const struct prefix *address, char *text, size_t size)
{
	struct prefix remote = *address;
	struct plan_target alone = *target;
	struct plan plan = *c->plan;

	alone.remotes = &remote;
	alone.n_remotes = 1;
	plan.targets = &alone;
	plan.n_targets = 1;
	plan.n_steps = 0;
	plan.n_rules = 0;
	return policies_check(&c->setup->policies, &plan, text, size) != 0;
}

static bool is_protected(const struct hosts_gate_context *c, const struct plan_target *target,
			 const struct prefix *address, char *text, size_t size)
{
	char flow[160];

	if (!lifeline_covers(c->setup->lifeline, target, address, flow, sizeof(flow)))
		return false;
	snprintf(text, size, "it would hit %s", flow);
	return true;
}

static bool is_attached(const struct setup *setup, const char *name)
{
	for (size_t i = 0; i < setup->n_interfaces; i++)
		if (!strcmp(setup->interfaces[i].name, name))
			return true;
	return false;
}

/* Interfaces that were named may see packets that are not this host's own: its routes tell nothing about them. */
static bool is_elsewhere(const struct hosts_gate_context *c, const struct plan_target *target,
			 const struct prefix *address, char *text, size_t size)
{
	char name[IF_NAMESIZE];
	int err;

	if (c->setup->interfaces_given || target->n_interfaces)
		return false;
	err = netdev_route(address, name);
	if (err)
		snprintf(text, size, "no route leads to it: %s", strerror(-err));
	else if (!is_attached(c->setup, name))
		snprintf(text, size, "its route leads through %s, which this run is not attached to", name);
	else
		return false;
	return true;
}

static const char *bar(void *arg, const struct plan_target *target, const struct prefix *address, char *text,
		       size_t size)
{
	const struct hosts_gate_context *c = arg;

	return is_against_policy(c, target, address, text, size) ||
			       is_protected(c, target, address, text, size) ||
			       is_elsewhere(c, target, address, text, size)
		       ? text
		       : NULL;
}

static int grown(void *arg)
{
	const struct hosts_gate_context *c = arg;
	int err = engine_retarget(c->setup->engine);

	if (!err)
		windows_look_again(c->windows, clock_mono_ns());
	return err;
}

struct hosts_gate hosts_gate(struct hosts_gate_context *context)
{
	return (struct hosts_gate){.bar = bar, .grown = grown, .arg = context};
}
