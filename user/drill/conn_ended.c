/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conn_ended.h"

#include <stdlib.h>

#include "base/timeutil.h"

/* A resolver waits for an answer 30 s at most, twice that at the second try: resolv.conf(5), glibc's resolv/res_send.c. */
#define LOOKUP_NS (60 * NS_PER_S)
#define FIRST_ROOM 256
_Static_assert(CONN_ENDED_MOST % FIRST_ROOM == 0, "doubling gets there");

/* Double the room; what was added first comes first again. */
static bool grow(struct conn_ended_queue *q)
{
	size_t max = q->max ? 2 * q->max : FIRST_ROOM;
	struct conn_ended *ring = calloc(max, sizeof(*ring));

	if (!ring)
		return false;
	for (size_t i = 0; i < q->n; i++)
		ring[i] = q->ring[(q->first + i) % q->max];
	free(q->ring);
	q->ring = ring;
	q->max = max;
	q->first = 0;
	return true;
}

bool conn_ended_add(struct conn_ended_queue *queue, const struct conn_ended *ended)
{
	if (queue->n == CONN_ENDED_MOST || (queue->n == queue->max && !grow(queue)))
		return false;
	queue->ring[(queue->first + queue->n++) % queue->max] = *ended;
	return true;
}

const struct conn_ended *conn_ended_first(const struct conn_ended_queue *queue)
{
	return queue->n ? &queue->ring[queue->first] : NULL;
}

void conn_ended_drop_first(struct conn_ended_queue *queue)
{
	queue->first = (queue->first + 1) % queue->max;
	queue->n--;
}

void conn_ended_free(struct conn_ended_queue *queue)
{
	free(queue->ring);
	*queue = (struct conn_ended_queue){0};
}

static uint64_t longest_timeout(const struct plan_probe *probes, size_t n)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < n; i++)
		if (probes[i].timeout_ns > longest)
			longest = probes[i].timeout_ns;
	return longest;
}

uint64_t conn_ended_own_linger(const struct plan *plan)
{
	uint64_t probes = longest_timeout(plan->probes, plan->n_probes);
	uint64_t watches = longest_timeout(plan->watches, plan->n_watches);
	uint64_t longest = probes > watches ? probes : watches;

	return plan_sends_datagrams(plan) && longest < LOOKUP_NS ? LOOKUP_NS : longest;
}
