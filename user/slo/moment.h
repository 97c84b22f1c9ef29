/* SPDX-License-Identifier: BSD-2-Clause */
/* What the log says of flows and probes, in a small form that can wait for its place in the order of time. */
#ifndef SHEARPIN_MOMENT_H
#define SHEARPIN_MOMENT_H

#include <jansson.h>

#include "evidence/read.h"
#include "slo/flow_key.h"
#include "slo/results.h"

/* Of several at the same time the first here comes first: a SYN is an attempt before it is hit, and is reset after. */
enum moment_kind {
	MOMENT_ATTEMPT,
	MOMENT_HIT,
	MOMENT_SAMPLE,
	MOMENT_ESTABLISHED,
	MOMENT_FIRST_DATA,
	MOMENT_DATA,
	MOMENT_RETRANSMIT,
	MOMENT_STALL,
	MOMENT_FIN,
	MOMENT_REFUSED,
	MOMENT_RESET,
	MOMENT_CLOSED,
	MOMENT_OPEN,
};

enum moment_way {
	WAY_IN,
	WAY_OUT,
	WAYS,
};

enum moment_by {
	BY_LOCAL,
	BY_REMOTE,
	BY_FAULT,
};

/* Targets, by their indices in the results. */
struct moment_targets {
	uint64_t bits[RESULT_TARGET_WORDS];
	size_t first;
};

struct moment_process {
	uint64_t pid; /* 0: unknown */
	char comm[17];
	const char *cgroup; /* NULL: unknown; of the reader's */
};

/* A hit: what the fault.open of its window is found by. */
struct moment_hit {
	const char *step; /* of the reader's */
	unsigned instance;
};

struct moment_sample {
	size_t probe;
	bool healthy;        /* the probe's state */
	bool good;           /* its own */
	uint64_t latency_ns; /* NO_NS: it has none */
};

/* NO_NS: not in the event, or null. */
struct moment_passage {
	enum moment_way way;
	uint64_t established_ns, from_ns, gap_ns, gap_from_ns;
};

struct moment_summary {
	enum moment_by by;
	uint64_t established_ns, last_ns[WAYS];
	uint64_t packets[WAYS], bytes[WAYS], resent[WAYS], gap_ns[WAYS];
};

struct moment {
	uint64_t ns, seq;
	enum moment_kind kind;
	enum flow_opener opener; /* of conn.* */
	struct flow_key flow;    /* not of a sample */
	const struct moment_targets *targets;
	struct moment_process process;
	union {
		struct moment_hit hit;
		struct moment_sample sample;
		struct moment_passage
			passage; /* ESTABLISHED: established_ns; FIRST_DATA, DATA, RETRANSMIT, STALL */
		struct moment_summary summary; /* FIN, REFUSED, RESET, CLOSED, OPEN */
	};
};

struct moment_reader;

enum moment_found {
	MOMENT_FOUND,
	MOMENT_NONE, /* nothing that is followed here: a flow of another protocol, a probe of the run itself */
	MOMENT_ODD,  /* the event is not as documented */
	MOMENT_STRANGER, /* of a target that the plan doesn't have */
};

/* The results have their targets already. 0 or -ENOMEM. */
int moment_reader_new(struct results *results, struct moment_reader **ret);
/* Accepts NULL; moments point into it. */
void moment_reader_free(struct moment_reader *reader);

/* Is it a flow.hit or a conn.* event? */
bool moment_is_flow(const char *type);
/* The moment of such an event, with its whole document. */
enum moment_found moment_read_flow(struct moment_reader *reader, const struct event *event,
				   const json_t *json, struct moment *ret);

#endif
