/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of what an interface does to packets before, or besides, the programs that a plan brings. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "cmd/preflight.h"
#include "kernel/facts.h"

#define NATIVE_XDP_MTU                                                                                       \
	3498 /* a page less headroom and tail: what most drivers take without multi-buffer XDP */
#define LEAVE_XDP "leave --hook xdp away: tc does the same"

static bool acts_on(const struct plan_target *t, const char *device)
{
	for (size_t i = 0; i < t->n_interfaces; i++)
		if (!strcmp(t->interfaces[i], device))
			return true;
	return !t->n_interfaces;
}

/* Does it draw a lot for each packet? One for all is none. */
static bool draws(const struct plan_fault *f)
{
	return f->drop_every || f->gemodel || (f->drop_below && f->drop_below < PLAN_ALWAYS) ||
	       f->duplicate_below || f->corrupt_below || f->reorder_below;
}

/* The ways that packets go of which lots are drawn; several segments in one packet are TCP's. */
static enum plan_direction drawn(const struct plan *plan, const char *device)
{
	enum plan_direction ways = 0;

	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_target *t = &plan->targets[plan->rules[i].target];

		if ((!t->proto || t->proto == IPPROTO_TCP) && acts_on(t, device) &&
		    draws(&plan->steps[plan->rules[i].step].fault))
			ways |= t->direction;
	}
	return ways;
}

static void check_lots(struct preflight *p, const struct plan *plan, const char *device,
		       const struct device_facts *f)
{
	static const struct {
		enum facts_offload offload;
		enum plan_direction way;
	} merging[] = {{OFFLOAD_LRO, PLAN_IN},
		       {OFFLOAD_GRO, PLAN_IN},
		       {OFFLOAD_TSO, PLAN_OUT},
		       {OFFLOAD_GSO, PLAN_OUT}};
	enum plan_direction ways = drawn(plan, device);
	struct buf names = {0}, remedy = {0};

	buf_printf(&remedy, "where each segment is to have its own lot, for the drill: ethtool -K %s",
		   device);
	for (size_t i = 0; i < sizeof(merging) / sizeof(*merging); i++) {
		const char *name = facts_offload_name(merging[i].offload);

		if (!f->offloads[merging[i].offload] || !(ways & merging[i].way))
			continue;
		buf_printf(&names, "%s%s", names.len ? ", " : "", name);
		buf_printf(&remedy, " %s off", name);
	}
	if (names.len && !names.failed && !remedy.failed)
		check(p, CHECK_WARN, "offloads", remedy.data,
		      "%s may hand over several TCP segments as one packet (%s): they share one lot, and are "
		      "hit "
		      "together",
		      device, names.data);
	buf_free(&names);
	buf_free(&remedy);
}

static bool uses_xdp(const struct plan *plan, const char *device)
{
	for (size_t i = 0; i < plan->n_rules; i++)
		if (plan->rules[i].hooks & PLAN_HOOK_XDP &&
		    acts_on(&plan->targets[plan->rules[i].target], device))
			return true;
	return false;
}

/* veth.c: veth_xdp_set(); virtio_net.c: virtnet_xdp_set(). */
static void check_xdp(struct preflight *p, const char *device, const struct device_facts *f)
{
	char remedy[128];

	if (!strcmp(f->driver, "veth"))
		check(p, CHECK_WARN, "offloads", LEAVE_XDP,
		      "XDP on %s, a veth, takes GSO from its peer and caps its MTU: bulk TCP gets slower for "
		      "everybody",
		      device);
	else if (!strcmp(f->driver, "virtio_net") && f->offloads[OFFLOAD_RX_CHECKSUM]) {
		snprintf(remedy, sizeof(remedy), "ethtool -K %s rx off rx-gro-hw off, or " LEAVE_XDP, device);
		check(p, CHECK_WARN, "offloads", remedy,
		      "virtio_net refuses XDP while the host checks sums or merges segments for %s", device);
	} else if (f->offloads[OFFLOAD_LRO]) {
		snprintf(remedy, sizeof(remedy), "ethtool -K %s lro off, or " LEAVE_XDP, device);
		check(p, CHECK_WARN, "offloads", remedy, "most drivers refuse XDP while lro is on, as on %s",
		      device);
	} else if (f->mtu > NATIVE_XDP_MTU) {
		check(p, CHECK_WARN, "offloads", LEAVE_XDP,
		      "most drivers refuse XDP with an MTU of more than %d bytes; that of %s is %u",
		      NATIVE_XDP_MTU, device, f->mtu);
	}
}

void preflight_offloads(struct preflight *p, const struct plan *plan, const char *device, int ifindex)
{
	struct device_facts facts = {0};

	if (facts_device(device, ifindex, &facts) || !facts.offloads_known)
		return;
	check_lots(p, plan, device, &facts);
	if (uses_xdp(plan, device))
		check_xdp(p, device, &facts);
}
