/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections in logs made for the purpose. Times are in milliseconds. */
#ifndef TESTS_FLOW_LOG_H
#define TESTS_FLOW_LOG_H

#include "unit/run_log.h"

#define MS NS_PER_MS

/* One step `cut` with two windows on `front`; `all` matches everything else, too. */
static const char flows_plan[] =
	"{\"version\":1,\"name\":\"t\",\"seed\":7,"
	"\"targets\":[{\"name\":\"front\",\"remote_port\":[\"40001\"]},{\"name\":\"db\"},{\"name\":\"all\"}],"
	"\"steps\":[{\"name\":\"cut\",\"targets\":[\"front\"],\"for_ns\":1000000000,\"times\":2}],"
	"\"slo\":[{\"key\":\"recovery_p99\",\"limit\":500000000,\"by\":\"any\"},"
	"{\"key\":\"detection_max\",\"limit\":300000000,\"by\":\"flow\"},"
	"{\"key\":\"unrecovered\",\"limit\":0}]}";

/* A client's connection from this local port to front, and back. */
static inline const char *client(unsigned port)
{
	static char text[4][64];
	static unsigned next;

	next = (next + 1) % 4;
	snprintf(text[next], sizeof(text[next]), "10.1.0.1:%u>10.1.0.2:40001/tcp", port);
	return text[next];
}

static inline void flow_event(struct log *log, uint64_t ms, const char *type, const char *flow,
			      const char *format, ...) __attribute__((format(printf, 5, 6)));

static inline void flow_event(struct log *log, uint64_t ms, const char *type, const char *flow,
			      const char *format, ...)
{
	struct buf data = {0};
	va_list args;

	va_start(args, format);
	buf_vprintf(&data, format, args);
	va_end(args);
	put_flow(log, ms, type, flow, "front", data.data);
	buf_free(&data);
}

static inline void hit(struct log *log, uint64_t ms, const char *flow)
{
	flow_event(
		log, ms, "flow.hit", flow,
		"{\"rule\":0,\"verdict\":\"dropped\",\"hook\":\"tc-egress\",\"direction\":\"out\",\"idle\":"
		"false}");
}

static inline void attempt(struct log *log, uint64_t ms, const char *flow)
{
	flow_event(log, ms, "conn.attempt", flow, "{\"opener\":\"out\"}");
}

static inline void attempt_by(struct log *log, uint64_t ms, const char *flow, unsigned pid)
{
	flow_event(log, ms, "conn.attempt", flow,
		   "{\"opener\":\"out\",\"process\":{\"pid\":%u,\"comm\":\"trader\",\"cgroup\":\"/t\"}}",
		   pid);
}

/* What goes on: "conn.first_data", "conn.data", ... Times of 0 are null. */
static inline void passes(struct log *log, uint64_t ms, const char *type, const char *flow, const char *way,
			  uint64_t established)
{
	char since[32] = "null";

	if (established)
		snprintf(since, sizeof(since), "%" PRIu64, (uint64_t)(established * MS));
	flow_event(log, ms, type, flow, "{\"direction\":\"%s\",\"opener\":%s,\"established_ns\":%s}", way,
		   established ? "\"out\"" : "null", since);
}

/* The end of a connection, with a summary. */
static inline void ends(struct log *log, uint64_t ms, const char *type, const char *flow, const char *by,
			uint64_t last)
{
	char ns[32] = "null";

	if (last)
		snprintf(ns, sizeof(ns), "%" PRIu64, (uint64_t)(last * MS));
	flow_event(
		log, ms, type, flow,
		"{\"by\":\"%s\",\"opener\":\"out\",\"attempt_ns\":1,\"established_ns\":2,\"first_in_ns\":%s,"
		"\"first_out_ns\":%s,\"last_in_ns\":%s,\"last_out_ns\":%s,\"syns\":1,\"packets_in\":3,"
		"\"packets_out\":4,\"bytes_in\":30,\"bytes_out\":40,\"resent_in\":0,\"resent_out\":1,"
		"\"gap_in_ns\":0,\"gap_out_ns\":0}",
		by, ns, ns, ns, ns);
}

/* A connection that is opened, and answers at once. */
static inline void works(struct log *log, uint64_t ms, const char *flow)
{
	attempt(log, ms, flow);
	flow_event(log, ms + 1, "conn.established", flow,
		   "{\"opener\":\"out\",\"attempt_ns\":%" PRIu64 ",\"syns\":1}", (uint64_t)(ms * MS));
	passes(log, ms + 2, "conn.first_data", flow, "out", ms + 1);
	passes(log, ms + 4, "conn.first_data", flow, "in", ms + 1);
}

static inline void observed(struct log *log)
{
	put_event(log, 99990, "conns", 0, "{\"seen\":3,\"evicted\":0,\"untracked\":0}");
}

static inline struct results *finish_observed(const struct run_dir *dir, struct log *log)
{
	observed(log);
	return finish(dir, log);
}

/* A connection that worked is hit in the first window. */
static inline struct log *start_hit(const struct run_dir *dir)
{
	struct log *log = start(dir, flows_plan);

	works(log, 100, client(5000));
	opens(log, 1, 1000, 2000);
	hit(log, 1010, client(5000));
	return log;
}

/* The path of client()'s connections. */
#define FRONT "10.1.0.1>10.1.0.2:40001/tcp"

static inline const struct result_flow *flow_of(const struct results *r, size_t window, const char *path)
{
	const struct result_window *w = r->windows[window];

	for (size_t i = 0; i < w->n_flows; i++) {
		if (strcmp(r->paths[w->flows[i].path].name, path) == 0)
			return &w->flows[i];
	}
	fail_msg("window %zu has no path %s", window, path);
	return NULL;
}

#endif
