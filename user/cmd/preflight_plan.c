/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "cmd/delay_backend.h"
#include "cmd/preflight.h"
#include "drill/policies.h"
#include "kernel/attach.h"
#include "kernel/host.h"
#include "kernel/lifeline.h"
#include "kernel/netdev.h"
#include "kernel/occupants.h"
#include "kernel/owned.h"

#define SHOWN_ROUTES 16 /* addresses of a target that are looked up */

struct context {
	struct preflight *p;
	struct plan *plan;
	struct policies policies;
	struct engine_interface *interfaces;
	size_t n; /* of them that can be used; all of the plan's, or the rules can't be tried */
};

static bool uses_xdp(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].hooks & PLAN_HOOK_XDP)
			return true;
	return false;
}

static const char *side(const struct occupant *o)
{
	return o->egress ? "egress" : "ingress";
}

/* Does it take packets before shearpin's programs see them? Those are first among the tcx programs. */
static bool is_in_front(const struct preflight *p, const struct occupant *o)
{
	if (o->kind == OCCUPANT_TCX)
		return p->clsact;
	return o->kind == OCCUPANT_FILTER && p->clsact && o->priority < ATTACH_STUB_PRIORITY;
}

static void check_occupant(const struct context *c, const struct netdev *device, const struct occupant *o)
{
	const char *name = device->name, *what = o->kind == OCCUPANT_TCX ? "tcx" : "clsact";
	char remedy[128];

	snprintf(remedy, sizeof(remedy), "remove it for the drill: tc qdisc del dev %s root", name);
	if (o->kind == OCCUPANT_QDISC && !strcmp(o->name, "netem"))
		check(c->p, CHECK_WARN, name, remedy, "a netem qdisc delays or loses packets there already");
	else if (o->kind == OCCUPANT_QDISC && !strcmp(o->name, "ingress") && c->p->clsact)
		check(c->p, CHECK_FAIL, name, "replace it by clsact, which can hold the same filters",
		      "its ingress qdisc leaves no place for clsact, which this kernel needs");
	else if (o->kind == OCCUPANT_QDISC)
		return;
	else if (!strncmp(o->name, ATTACH_STUB_NAME, strlen(ATTACH_STUB_NAME)))
		check(c->p, CHECK_PASS, name, NULL,
		      "a killed run left an inert stub (%s); the next run removes it", side(o));
	else if (is_in_front(c->p, o))
		check(c->p, CHECK_WARN, name,
		      "for the drill detach it, or accept that no rule meets what it takes",
		      "%s (%s, %s) sees packets before shearpin: what it drops or redirects meets no rule",
		      o->name, what, side(o));
	else
		check(c->p, CHECK_PASS, name, NULL, "%s (%s, %s) stays behind shearpin's programs", o->name,
		      what, side(o));
}

static void check_occupants(const struct context *c, const struct netdev *device)
{
	struct occupant *list;
	char name[64], remedy[160];
	size_t n;
	int err = occupants_find(device->ifindex, &list, &n);

	if (device->xdp_prog) {
		occupants_program_name(device->xdp_prog, name, sizeof(name));
		snprintf(remedy, sizeof(remedy),
			 "for the drill detach it (ip link set %s xdp off), or accept that no rule meets "
			 "what it takes",
			 device->name);
		check(c->p, CHECK_WARN, device->name, remedy,
		      "another's XDP program, %s, sees packets before shearpin%s", name,
		      uses_xdp(c->plan) ? "; rules that would act at XDP move to tc" : "");
	}
	if (err) {
		check(c->p, CHECK_SKIP, device->name, NULL, "can't look for others' programs: %s",
		      strerror(-err));
		return;
	}
	for (size_t i = 0; i < n; i++)
		check_occupant(c, device, &list[i]);
	free(list);
}

/* False: said why a run would be refused. */
static bool check_claim(const struct context *c, const struct netdev *device)
{
	int claim, err = host_claim(device->ifindex, &claim);

	if (!err)
		close(claim);
	else if (err == -EADDRINUSE)
		check(c->p, CHECK_FAIL, device->name,
		      "wait for it (shearpin status), or end it: shearpin clear",
		      "another run has this interface");
	else
		check(c->p, CHECK_FAIL, device->name, NULL, "can't be claimed: %s", strerror(-err));
	return !err;
}

static bool is_usable(const struct context *c, const char *name, struct netdev *device)
{
	int err = netdev_find(name, device);

	if (err == -ENODEV)
		check(c->p, CHECK_FAIL, name,
		      "`ip link` lists the interfaces there are; --interface names another",
		      "there is no such interface here");
	else if (err)
		check(c->p, CHECK_FAIL, name, NULL, "can't be looked up: %s", strerror(-err));
	else if (!netdev_is_ethernet(device))
		check(c->p, CHECK_FAIL, name, "name the Ethernet device that its packets go through",
		      "carries no Ethernet frames, which this version needs");
	else
		return check_claim(c, device);
	return false;
}

static void check_interface(struct context *c, const char *name)
{
	struct netdev device;
	char remedy[64];

	if (!is_usable(c, name, &device))
		return;
	c->interfaces[c->n++] = (struct engine_interface){name, device.ifindex};
	snprintf(remedy, sizeof(remedy), "ip link set %s up", name);
	if (!(device.flags & IFF_UP))
		check(c->p, CHECK_WARN, name, remedy, "is down: no packet will meet a rule");
	else if (!(device.flags & IFF_RUNNING))
		check(c->p, CHECK_WARN, name, "see to the cable or the other end",
		      "is up, but has no carrier");
	else
		check(c->p, CHECK_PASS, name, NULL, "is up, Ethernet, and claimed by no other run");
	if (c->p->root)
		check_occupants(c, &device);
	else
		check(c->p, CHECK_SKIP, name, NULL, "looking for others' programs needs root");
	preflight_offloads(c->p, c->plan, name, device.ifindex);
}

static bool is_listed(char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* True: the way there leads through an interface on which the target's rules act. */
static bool check_route(const struct context *c, const struct plan_target *t, const struct prefix *to)
{
	bool own = t->n_interfaces;
	char via[IF_NAMESIZE], address[64], label[128];
	int err = netdev_route(to, via);

	format_prefix(to, address, sizeof(address));
	snprintf(label, sizeof(label), "target %.100s", t->name);
	if (err)
		check(c->p, CHECK_FAIL, label, "correct the address, or add the route (ip route)",
		      "there is no route to %s: %s", address, strerror(-err));
	else if (!is_listed(own ? t->interfaces : c->plan->interfaces,
			    own ? t->n_interfaces : c->plan->n_interfaces, via))
		check(c->p, CHECK_WARN, label,
		      "name that interface, too, or leave `interface:` to the routes",
		      "packets to %s leave through %s, where no rule of it acts", address, via);
	else
		return true;
	return false;
}

static void check_target(const struct context *c, const struct plan_target *t)
{
	size_t n = t->n_remotes < SHOWN_ROUTES ? t->n_remotes : SHOWN_ROUTES, good = 0;
	char label[128];

	for (size_t i = 0; i < n; i++)
		good += check_route(c, t, &t->remotes[i]);
	snprintf(label, sizeof(label), "target %.100s", t->name);
	if (!t->n_remotes)
		check(c->p, CHECK_PASS, label, NULL, "names no address; its %s on every interface",
		      plan_target_has_owner(t) ? "owner decides" : "ports decide");
	else if (good == n)
		check(c->p, CHECK_PASS, label, NULL, "%s through the interfaces of the plan",
		      n == 1 ? "its route leads" : "its routes lead");
}

static void check_lifeline(const struct context *c, struct engine *engine)
{
	static const char name[] = "operator's flows";
	const struct plan *plan = c->plan;
	struct lifeline *lifeline = NULL;
	struct lifeline_hit hit = {0};
	int err = lifeline_open(&lifeline);

	for (size_t i = 0; !err && i < c->p->protect->count; i++) {
		err = lifeline_protect(lifeline, c->p->protect->items[i], NULL, 0);
		if (err == -EINVAL) {
			check(c->p, CHECK_FAIL, name, "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT",
			      "--protect %s can't be read", c->p->protect->items[i]);
			goto out;
		}
	}
	if (!err)
		err = policies_protect(&c->policies, lifeline);
	if (!err)
		err = lifeline_check(lifeline, engine, plan, c->interfaces, c->n, &hit);
	if (err > 0)
		check(c->p, CHECK_FAIL, name, "narrow the target: name its remote addresses and ports",
		      "rule %d (step %s, target %s) would hit %s", hit.rule,
		      plan->steps[plan->rules[hit.rule].step].name,
		      plan->targets[plan->rules[hit.rule].target].name, hit.flow);
	else if (err)
		check(c->p, CHECK_FAIL, name, NULL, "can't be checked: %s", strerror(-err));
	else
		check(c->p, CHECK_PASS, name, NULL, "no rule would hit them");
out:
	lifeline_close(lifeline);
}

static void check_rules(const struct context *c)
{
	struct engine *engine = NULL;
	struct owned *owned = NULL;
	char reason[320] = "";
	int err;

	if (!c->p->root || c->n < c->plan->n_interfaces || !c->n) {
		const char *why = c->p->root ? "not every interface can be used" : "need root to be tried";

		check(c->p, CHECK_SKIP, "rules", NULL, "%s", why);
		check(c->p, CHECK_SKIP, "operator's flows", NULL, "need the rules");
		return;
	}
	err = engine_open(c->plan, c->interfaces, c->n, NULL, &engine);
	if (err) {
		check(c->p, CHECK_FAIL, "rules", "see the checks of this host above",
		      "the kernel won't load them: %s", strerror(-err));
		return;
	}
	check(c->p, CHECK_PASS, "rules", NULL, "all %zu load", c->plan->n_rules);
	if (owned_open(c->plan, &owned, reason, sizeof(reason)) ||
	    owned_tell(owned, engine, reason, sizeof(reason)))
		check(c->p, CHECK_SKIP, "operator's flows", NULL, "need the targets' owners: %s", reason);
	else
		check_lifeline(c, engine);
	owned_close(owned);
	engine_close(engine);
}

/* As a run does it: a broken policy allows nothing. */
static void read_policies(struct context *c)
{
	char *mistakes = NULL;

	if (policies_open(&c->policies, c->p->policy->items, c->p->policy->count, &mistakes)) {
		fputs(mistakes ?: "", stderr);
		check(c->p, CHECK_FAIL, "policy", "correct the mistakes that standard error tells",
		      "a policy can't be read or has mistakes; it allows no run");
	}
	free(mistakes);
}

static void check_policies(const struct context *c)
{
	char reason[320];

	if (policies_check(&c->policies, c->plan, reason, sizeof(reason)))
		check(c->p, CHECK_FAIL, "policy", "change the scenario, or have the policy changed", "%s",
		      reason);
	else if (c->policies.count)
		check(c->p, CHECK_PASS, "policy", NULL, "the plan keeps it");
	else
		check(c->p, CHECK_PASS, "policy", NULL, "this host has none");
}

static void check_scenario(struct preflight *p, const struct plan *plan)
{
	uint64_t windows = 0;
	char length[32];

	for (size_t i = 0; i < plan->n_rules; i++)
		windows += plan->steps[plan->rules[i].step].window.times;
	format_duration(plan->baseline_ns + plan->length_ns + plan->recovery_ns, length, sizeof(length));
	check(p, CHECK_PASS, "scenario", NULL, "%s: %zu steps, %zu rules, %" PRIu64 " windows, at most %s",
	      plan->name, plan->n_steps, plan->n_rules, windows, length);
}

static void check_backend(struct preflight *p, const struct plan *plan)
{
	struct delay_backend b;

	delay_backend_choose(plan, p->line, &b);
	if (b.needed)
		check(p,
		      b.refused   ? CHECK_FAIL
		      : b.unknown ? CHECK_SKIP
				  : CHECK_PASS,
		      "delay backend", b.remedy, "%s%s%s", b.name ?: "", b.name ? ": " : "", b.why);
}

void preflight_plan(struct preflight *p, struct plan *plan)
{
	struct context c = {.p = p, .plan = plan};
	char reason[320];

	check_scenario(p, plan);
	check_backend(p, plan);
	preflight_clock(p, plan);
	preflight_changes(p, plan);
	read_policies(&c);
	if (!preflight_names(p, plan) || !preflight_asked(p, plan)) {
		preflight_probes(p, plan);
		policies_close(&c.policies);
		return;
	}
	preflight_owners(p, plan);
	preflight_answers(p, plan);
	if (drill_interfaces(plan, reason, sizeof(reason))) {
		c.interfaces = calloc(plan->n_interfaces + 1, sizeof(*c.interfaces));
		for (size_t i = 0; c.interfaces && i < plan->n_interfaces; i++)
			check_interface(&c, plan->interfaces[i]);
		for (size_t i = 0; i < plan->n_targets; i++)
			if (!plan_target_is_spare(plan, i))
				check_target(&c, &plan->targets[i]);
	} else {
		check(p, CHECK_FAIL, "interfaces",
		      "correct the target's address, add the route, or give --interface", "%s", reason);
	}
	check_policies(&c);
	check_rules(&c);
	preflight_probes(p, plan);
	policies_close(&c.policies);
	free(c.interfaces);
}
