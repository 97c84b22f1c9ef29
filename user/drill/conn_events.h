/* SPDX-License-Identifier: BSD-2-Clause */
/* The conn.* events of docs/run-directory.md: how a record of the observer is written down. */
#ifndef SHEARPIN_CONN_EVENTS_H
#define SHEARPIN_CONN_EVENTS_H

#include "drill/journal.h"

/* What the record doesn't say by itself. */
struct conn_context {
	struct journal_where where; /* `flow` is filled in here */
	const char *const *also;    /* the other targets that it belongs to */
	size_t n_also;
	uint32_t pid; /* of the process; 0: unknown */
	char comm[SP_COMM + 1];
	const char *cgroup; /* NULL: unknown */
};

/* False: it is no record of the observer. */
bool conn_event_is_one(const struct sp_conn_event *event);
void conn_event_tell(struct journal *journal, const struct sp_conn_event *event,
		     const struct conn_context *context);
/* conn.open */
void conn_event_tell_open(struct journal *journal, uint64_t mono_ns, const struct sp_flow_key *key,
			  const struct sp_conn *conn, const struct conn_context *context);

#endif
