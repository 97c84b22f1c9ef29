/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run writes into its event log, in the form of docs/run-directory.md. */
#ifndef SHEARPIN_JOURNAL_H
#define SHEARPIN_JOURNAL_H

#include "base/json.h"
#include "drill/drill.h"
#include "drill/probes.h"
#include "evidence/fault_events.h"
#include "evidence/log.h"

/* The log, and room to compose an event's data in. An error of the log stays in `error`. */
struct journal {
	struct log *log;
	int64_t offset_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
	struct buf data;
	struct json json;
	unsigned unflushed; /* events since the last flush from here */
	int error;
};

/* journal_data(), then json_*() calls on the result, then journal_write(). */
struct json *journal_data(struct journal *j);

struct journal_where {
	const char *step;
	int instance; /* from 1; 0: none */
	const char *target;
	const char *flow;
};

void journal_write(struct journal *j, uint64_t mono_ns, const char *type, const struct journal_where *where);

/* Measure the clocks' offset, log it, and use it. */
void journal_clock(struct journal *j);
/* Has the offset changed by more than 1 ms since? */
bool journal_clock_moved(const struct journal *j);
void journal_probe(struct journal *j, const struct probe_sample *sample);

/* "10.1.0.1:53122>10.1.0.2:40001/tcp" */
void journal_flow(const struct sp_flow_key *key, char *text, size_t size);
/* "?>10.1.0.2:443/tcp": its local end is not known. */
void journal_flow_to(const struct sp_flow_key *key, char *text, size_t size);
/* "dropped", "delayed"; "tc-ingress" */
const char *journal_verdict(unsigned verdict);
const char *journal_hook(unsigned hook);

#endif
