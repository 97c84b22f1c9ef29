/* SPDX-License-Identifier: BSD-2-Clause */
#include "kernel/line_need.h"

#include <linux/types.h>

#include "abi.h"
#include "base/timeutil.h"

#define PACKETS_PER_S 1000000ULL
#define MIN_PARCELS                                                                                          \
	131072 /* what a TAP's queue holds, and a second of 100,000 packets/s that were lost there */
#define MIN_MEMORY (32ULL << 20)
#define MAX_MEMORY (256ULL << 20)
#define MAX_QUEUE_MEMORY (256ULL << 20)
#define JITTER_TAIL                                                                                          \
	4 /* times the jitter: what the tables of distributions other than the uniform one end at */

/* Of a path with a rate: what may wait for its turn. */
#define QUEUE_FULL_PACKETS (1000 * 1514ULL)
#define QUEUE_NS (100 * NS_PER_MS)
#define SHORTEST_FRAME 42 /* Ethernet, IPv4, UDP and nothing in it */
#define MEMORY_PER_BYTE 2 /* the loss of rounding up to the sizes that frames are stored in */

struct hold {
	uint64_t ns;          /* by delays */
	uint64_t queue_bytes; /* by rates */
	uint64_t queue_packets;
};

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_fault(struct hold *hold, const struct plan_fault *f)
{
	uint64_t bytes, ns;

	if (f->delay_below)
		hold->ns += f->delay_ns + f->jitter_ns * (f->distribution == PLAN_UNIFORM ? 1 : JITTER_TAIL);
	hold->ns += f->reorder_by_ns;
	if (!f->rate)
		return;
	bytes = max64(QUEUE_FULL_PACKETS, f->rate / (NS_PER_S / QUEUE_NS));
	/* A path so slow that its queue takes ages to fill is not filled faster by more packets than fit in. */
	ns = max64(QUEUE_NS, QUEUE_FULL_PACKETS * NS_PER_S / f->rate);
	hold->queue_bytes += min64(bytes, MAX_QUEUE_MEMORY);
	hold->queue_packets +=
		min64(bytes / SHORTEST_FRAME, min64(ns, PLAN_HORIZON_NS) / (NS_PER_S / PACKETS_PER_S));
}

static uint64_t ends_at(const struct plan_window *w)
{
	return plan_closes(w, w->times - 1);
}

/* All that may be in force together when step i begins: where the most overlap, one of them begins. */
static struct hold hold_at(const struct plan *plan, size_t i)
{
	uint64_t at = plan->steps[i].window.at_ns;
	struct hold hold = {0};

	for (size_t j = 0; j < plan->n_steps; j++) {
		const struct plan_window *w = &plan->steps[j].window;

		if (w->at_ns <= at && at < ends_at(w))
			add_fault(&hold, &plan->steps[j].fault);
	}
	return hold;
}

static uint32_t power_of_two(uint64_t least)
{
	uint32_t n = MIN_PARCELS;

	while (n < least && n < SP_MAX_PARCELS)
		n *= 2;
	return n;
}

void line_need(const struct plan *plan, struct line_need *ret)
{
	uint64_t parcels = 0, memory = MIN_MEMORY, queue = 0;

	*ret = (struct line_need){.parcels = 1};
	for (size_t i = 0; i < plan->n_steps; i++) {
		const struct plan_fault *f = &plan->steps[i].fault;
		struct hold hold = hold_at(plan, i);

		if (plan->steps[i].shadow)
			continue;
		ret->line |= plan_fault_needs_line(f);
		ret->user |= plan_fault_needs_user_line(f);
		ret->longest_ns = max64(ret->longest_ns, hold.ns);
		parcels = max64(parcels, hold.ns / (NS_PER_S / PACKETS_PER_S) + hold.queue_packets);
		memory = max64(memory,
			       min64(hold.ns, NS_PER_S) * 5 / 4); /* 10 Gbit/s: 1.25 bytes a nanosecond */
		queue = max64(queue, hold.queue_bytes * MEMORY_PER_BYTE);
	}
	if (!ret->line)
		return;
	ret->parcels = power_of_two(parcels);
	ret->memory = min64(memory, MAX_MEMORY) + min64(queue, MAX_QUEUE_MEMORY);
}
