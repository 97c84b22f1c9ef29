/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that have ended, in the order of their ends: a queue with a limit. It takes memory as it fills. */
#ifndef SHEARPIN_CONN_ENDED_H
#define SHEARPIN_CONN_ENDED_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "scenario/plan.h"

#define CONN_ENDED_MOST SP_MAX_CONNS

struct conn_ended {
	struct sp_flow_key flow;
	uint64_t first_ns, end_ns;
};

/* All zero: empty. */
struct conn_ended_queue {
	struct conn_ended *ring;
	size_t first, n, max;
};

/* False: it is full, or there is no memory, and nothing was added. */
bool conn_ended_add(struct conn_ended_queue *queue, const struct conn_ended *ended);
const struct conn_ended *conn_ended_first(const struct conn_ended_queue *queue); /* NULL: empty */
void conn_ended_drop_first(struct conn_ended_queue *queue);
void conn_ended_free(struct conn_ended_queue *queue);

/* So long a SYN of the plan's probes may be sent again, or the answer to a look-up may come; ns. */
uint64_t conn_ended_own_linger(const struct plan *plan);

#endif
