/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/conn_events.h"

static const char *way_word(unsigned dir)
{
	return dir == SP_DIR_OUT ? "out" : dir == SP_DIR_IN ? "in" : NULL;
}

static const char *end_word(unsigned dir)
{
	return dir == SP_DIR_OUT ? "local" : dir == SP_DIR_IN ? "remote" : "fault";
}

static void time_or_null(struct json *data, const char *key, uint64_t ns)
{
	if (ns)
		json_u64(data, key, ns);
	else
		json_null(data, key);
}

static void tell_process(struct json *data, const struct conn_context *context)
{
	if (!context->pid)
		return;
	json_object(data, "process");
	json_u64(data, "pid", context->pid);
	json_string(data, "comm", context->comm);
	if (context->cgroup)
		json_string(data, "cgroup", context->cgroup);
	json_end_object(data);
}

static void tell_summary(struct json *data, const struct sp_conn *c, const struct conn_context *context)
{
	json_string(data, "opener", way_word(c->opener));
	time_or_null(data, "attempt_ns", c->attempt_ns);
	time_or_null(data, "established_ns", c->established_ns);
	time_or_null(data, "first_in_ns", c->payload_ns[SP_DIR_IN]);
	time_or_null(data, "first_out_ns", c->payload_ns[SP_DIR_OUT]);
	time_or_null(data, "last_in_ns", c->last_ns[SP_DIR_IN]);
	time_or_null(data, "last_out_ns", c->last_ns[SP_DIR_OUT]);
	json_u64(data, "syns", c->syns);
	json_u64(data, "packets_in", c->packets[SP_DIR_IN]);
	json_u64(data, "packets_out", c->packets[SP_DIR_OUT]);
	json_u64(data, "bytes_in", c->bytes[SP_DIR_IN]);
	json_u64(data, "bytes_out", c->bytes[SP_DIR_OUT]);
	json_u64(data, "resent_in", c->resent[SP_DIR_IN]);
	json_u64(data, "resent_out", c->resent[SP_DIR_OUT]);
	json_u64(data, "gap_in_ns", c->gap_ns[SP_DIR_IN]);
	json_u64(data, "gap_out_ns", c->gap_ns[SP_DIR_OUT]);
	tell_process(data, context);
}

static void tell_attempt(struct json *data, const struct sp_conn_event *e, const struct conn_context *context)
{
	json_string(data, "opener", way_word(e->conn.opener));
	if (e->verdict > SP_SUPPRESS)
		json_string(data, "verdict", journal_verdict(e->verdict));
	tell_process(data, context);
}

static void tell_established(struct json *data, const struct sp_conn_event *e,
			     const struct conn_context *context)
{
	(void)context;
	json_string(data, "opener", way_word(e->conn.opener));
	time_or_null(data, "attempt_ns", e->conn.attempt_ns);
	json_u64(data, "syns", e->conn.syns);
}

/* Something in one direction of a connection that goes on. */
static void tell_passage(struct json *data, const struct sp_conn_event *e, const struct conn_context *context)
{
	(void)context;
	json_string(data, "direction", way_word(e->dir));
	json_string(data, "opener", way_word(e->conn.opener));
	time_or_null(data, "established_ns", e->conn.established_ns);
}

static void tell_stall(struct json *data, const struct sp_conn_event *e, const struct conn_context *context)
{
	tell_passage(data, e, context);
	time_or_null(data, "from_ns", e->from_ns);
}

static void tell_data(struct json *data, const struct sp_conn_event *e, const struct conn_context *context)
{
	unsigned dir = e->dir == SP_DIR_OUT ? SP_DIR_OUT : SP_DIR_IN;

	tell_stall(data, e, context);
	json_u64(data, "gap_ns", e->conn.gap_ns[dir]);
	time_or_null(data, "gap_from_ns", e->conn.gap_from_ns[dir]);
}

static void tell_fin(struct json *data, const struct sp_conn_event *e, const struct conn_context *context)
{
	json_string(data, "by", end_word(e->dir));
	tell_summary(data, &e->conn, context);
}

static void tell_end(struct json *data, const struct sp_conn_event *e, const struct conn_context *context)
{
	json_string(data, "by", end_word(e->conn.ended_by));
	tell_summary(data, &e->conn, context);
}

static const struct {
	const char *type;
	void (*tell)(struct json *data, const struct sp_conn_event *event,
		     const struct conn_context *context);
} kinds[] = {
	[SP_EVENT_CONN_ATTEMPT - SP_EVENT_CONN] = {"conn.attempt", tell_attempt},
	[SP_EVENT_CONN_ESTABLISHED - SP_EVENT_CONN] = {"conn.established", tell_established},
	[SP_EVENT_CONN_FIRST_DATA - SP_EVENT_CONN] = {"conn.first_data", tell_passage},
	[SP_EVENT_CONN_DATA - SP_EVENT_CONN] = {"conn.data", tell_data},
	[SP_EVENT_CONN_RETRANSMIT - SP_EVENT_CONN] = {"conn.retransmit", tell_passage},
	[SP_EVENT_CONN_STALL - SP_EVENT_CONN] = {"conn.stall", tell_stall},
	[SP_EVENT_CONN_FIN - SP_EVENT_CONN] = {"conn.fin", tell_fin},
	[SP_EVENT_CONN_REFUSED - SP_EVENT_CONN] = {"conn.refused", tell_end},
	[SP_EVENT_CONN_RESET - SP_EVENT_CONN] = {"conn.reset", tell_end},
	[SP_EVENT_CONN_CLOSED - SP_EVENT_CONN] = {"conn.closed", tell_end},
};
_Static_assert(sizeof(kinds) / sizeof(*kinds) == SP_EVENT_CONN_END - SP_EVENT_CONN, "each has its words");

static void write_down(struct journal *journal, uint64_t mono_ns, const char *type,
		       const struct sp_flow_key *key, const struct conn_context *context)
{
	struct journal_where where = context->where;
	struct json *data = &journal->json;
	char flow[160];

	if (context->n_also) {
		json_array(data, "also");
		for (size_t i = 0; i < context->n_also; i++)
			json_string(data, NULL, context->also[i]);
		json_end_array(data);
	}
	journal_flow(key, flow, sizeof(flow));
	where.flow = flow;
	journal_write(journal, mono_ns, type, &where);
}

bool conn_event_is_one(const struct sp_conn_event *event)
{
	return event->type >= SP_EVENT_CONN && event->type < SP_EVENT_CONN_END;
}

void conn_event_tell(struct journal *journal, const struct sp_conn_event *event,
		     const struct conn_context *context)
{
	unsigned kind = event->type - SP_EVENT_CONN;

	kinds[kind].tell(journal_data(journal), event, context);
	write_down(journal, event->ns, kinds[kind].type, &event->flow, context);
}

void conn_event_tell_open(struct journal *journal, uint64_t mono_ns, const struct sp_flow_key *key,
			  const struct sp_conn *conn, const struct conn_context *context)
{
	tell_summary(journal_data(journal), conn, context);
	write_down(journal, mono_ns, "conn.open", key, context);
}
