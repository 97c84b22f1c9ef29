/* SPDX-License-Identifier: BSD-2-Clause */
/* What the events of a log say that is to be checked: gathered line by line, judged at the end. Internal to verify.c. */
#ifndef SHEARPIN_VERIFY_LOG_H
#define SHEARPIN_VERIFY_LOG_H

#include <jansson.h>

#include "evidence/read.h"
#include "slo/replay.h"
#include "slo/verify_expects.h"

/* How often something was right, or couldn't be told, and the first time that it was wrong. */
struct tally {
	uint64_t right, certain, open, wrong;
	uint64_t line, seq, offset;
	char what[240];
};

/* One rule's window, as far as the log tells of it. */
struct verify_window {
	bool told; /* an event is of it */
	bool opened, closed, unbalanced;
	bool has_counters, has_receipt;
	bool exact; /* every packet had a lot of its own: no GSO packet came */
	uint64_t open_line, open_seq, open_offset;
	uint64_t close_line, close_seq, close_offset;
	uint64_t matched, counted[SP_VERDICTS], untracked, stale;
	uint64_t drawn[SP_CHANCES], hit[SP_CHANCES];
	uint64_t events[SP_VERDICTS]; /* segments of its packet events */
	uint64_t flow_packets;        /* of its flow.end events */
	struct replay_lots lots;      /* of these flows, replayed */
};

struct verify_log {
	struct replay_rule *rules;
	size_t n_rules;
	struct verify_window *windows; /* those of rule r from first_window[r] on */
	size_t first_window[SP_MAX_RULES + 1];
	struct verify_expects expects;
	bool packet_evidence;

	bool started, ended, spent; /* spent: a budget */
	bool whole;                 /* the run went to its end */
	uint64_t zero_ns;           /* in force: what `at` counts from; UINT64_MAX: none yet */
	uint64_t seed;              /* as run.start says; UINT64_MAX: it doesn't */
	uint64_t lost;              /* by the ring buffer */
	uint64_t draws;             /* that replays have made */
	struct tally unreadable, times, takes_part, answered, packets, flows, sums;
	uint64_t plan_seed;
	uint64_t format;
};

/* The plan must outlive it. 0; -EBADMSG: it is no plan of this version; -ENOMEM. */
int verify_log_open(const json_t *plan, struct verify_log **ret);
void verify_log_close(struct verify_log *log); /* accepts NULL */

/* False: the log is of a later format than LOG_FORMAT. */
bool verify_log_event(struct verify_log *log, const struct event *event);
/* After the last event: what only all of them together show. */
void verify_log_end(struct verify_log *log);

struct verify_window *verify_windows(const struct verify_log *log, size_t *ret_n);
/* "disconnect #2, front" */
void verify_window_name(const struct verify_log *log, const struct verify_window *w, char *name, size_t size);

#endif
