/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel programs decided by lot, decided once more: from the seed and the faults in plan.json, and from what the log
 * says of a flow and a packet's number in it. The draws are those of bpf/chance.bpf.h, the meaning that of docs/scenario.md.
 * Pure.
 */
#ifndef SHEARPIN_REPLAY_H
#define SHEARPIN_REPLAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "abi.h"

struct replay_rule {
	const char *step, *target; /* as long as the plan */
	uint64_t at_ns, for_ns, every_ns;
	struct sp_rule rule; /* what lots depend on, and whether it answers or holds; no times, no slots */
};

/* The rules of a plan.json in their order; free() them. -EBADMSG: a fault is not as this version writes it; -ENOMEM. */
int replay_rules(const json_t *plan, struct replay_rule **ret_rules, size_t *ret_n);

/* "10.1.0.1:53122>10.1.0.2:40001/tcp", or "?>10.1.0.2:443/tcp", to the number that stands for it in every draw. False: it is no
 * flow. */
bool replay_flow(const char *text, uint64_t *ret_flow);

/* Is it one of the share of flows that the rule is about; and, of a reset or refusal, one of the percentage? */
bool replay_takes_part(const struct sp_rule *r, uint64_t flow);
bool replay_is_answered(const struct sp_rule *r, uint64_t flow);

/* Of a rule that answers: is this connection, the index-th to its remote end in the window, taken to the responder? */
bool replay_is_taken(const struct sp_rule *r, uint64_t flow, uint32_t index);

/* Is whatever the rule does, not only its resets and refusals, done to that percentage of connections alone? */
static inline bool replay_goes_by_connection(const struct sp_rule *r)
{
	return r->meaning && r->flow_below < SP_ALWAYS && !r->drop_below && !(r->flags & SP_RULE_GEMODEL) &&
	       !r->drop_every && !r->duplicate_below && !r->corrupt_below &&
	       (!(r->flags & SP_RULE_HOLDS) || r->meaning == SP_MEANS_SLOW_CLOSE);
}

/* A packet that the rule did something to, by its own account. */
struct replay_packet {
	uint64_t flow;
	uint32_t instance; /* of the window, from 0 */
	uint32_t dir;      /* enum sp_dir */
	uint32_t index, segments;
	enum sp_verdict verdict;
};

enum replay_answer {
	REPLAY_SAME,    /* the lots give this verdict */
	REPLAY_CERTAIN, /* it has no lot in it */
	REPLAY_OPEN, /* it also depends on what the log doesn't say: the payload, a full queue, the packets before */
	REPLAY_OTHER, /* the lots give another one */
};

enum replay_answer replay_packet(const struct sp_rule *r, const struct replay_packet *packet);

/* All lots of a flow in one direction of one window, of its first n packets, each of one segment. */
struct replay_lots {
	uint64_t drawn[SP_CHANCES], hit[SP_CHANCES];
	uint64_t hits; /* packets that were not passed */
};

/* Whether that is all there is to it: nothing depends on what the packets hold. Answers do, and checksums that stay valid. */
bool replay_is_closed(const struct sp_rule *r);
/* Adds to *sum. */
void replay_lots(const struct sp_rule *r, uint64_t flow, uint32_t instance, uint32_t dir, uint32_t n,
		 struct replay_lots *sum);

#endif
