/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event log of a run, events.jsonl: one JSON object a line, in time order, without gaps in `seq` (from 1 on), each
 * line holding the SHA-256 of the line before (of its bytes without the newline; 64 zeros on the first).
 *
 * Events come from several sources (ring buffer, probes, the drill's own clock), each slightly late. The log
 * holds an event back for LOG_HOLD_NS and writes what is older in the order of its time; an event that is
 * still older than the last one written is written with its true time and `"late":true`. Writing is batched and
 * never delays an event by more than 100 ms in all, as long as log_flush() is called at least every 20 ms.
 *
 * One thread uses a log. All functions return 0 or a negative errno; once writing has failed the log keeps the
 * error and every later call returns it (what was written stays valid, the last line is whole).
 */
#ifndef SHEARPIN_LOG_H
#define SHEARPIN_LOG_H

#include <stdint.h>

#define LOG_HOLD_NS 40000000ULL
#define LOG_FORMAT 1 /* of events.jsonl, as run.start tells it: a reader refuses a later one */

struct log;

struct log_event {
	uint64_t mono_ns; /* CLOCK_MONOTONIC; ts_ns is this plus the offset */
	const char *type;
	const char *step;   /* NULL: none */
	int instance;       /* counts from 1; 0: none */
	const char *target; /* NULL: none */
	const char *flow; /* NULL: none; "10.1.0.1:53122>10.1.0.2:40001/tcp", local first; IPv6 in brackets */
	const char *data; /* a JSON object, or NULL */
};

/*
 * A `packet` event, in the form in which it is cheapest to take: it is kept as it is, and becomes text when it is written.
 * The names are not copied: they must outlive the log, and two that are the same pointer must be the same text.
 */
struct log_packet {
	uint64_t mono_ns;
	const char *step, *target;
	int instance; /* counts from 1 */
	uint32_t rule;
	uint32_t local[4], remote[4]; /* network order, IPv4 as ::ffff:a.b.c.d */
	uint16_t local_port, remote_port;
	uint8_t proto;                          /* IPPROTO_* */
	const char *verdict, *hook, *direction; /* "dropped", "tc-egress", "out" */
	uint32_t index, segments, bytes;
	uint64_t delay_ns;
};

/* Create events.jsonl (O_EXCL) in the directory. offset_ns: CLOCK_REALTIME minus CLOCK_MONOTONIC. */
int log_open(int dirfd, int64_t offset_ns, struct log **ret_log);
/* From here on ts_ns uses this offset (after a `clock` event). */
void log_set_offset(struct log *log, int64_t offset_ns);
int log_append(struct log *log, const struct log_event *event);
int log_append_packet(struct log *log, const struct log_packet *packet);
/* Write what is older than now_ns - LOG_HOLD_NS; UINT64_MAX writes everything. */
int log_flush(struct log *log, uint64_t now_ns);
/* Called with each event as it is written, except packets: for the progress display. May be NULL. */
void log_on_line(struct log *log, void (*call)(void *arg, const struct log_event *event, uint64_t ts_ns),
		 void *arg);
/* Flush everything, fsync, close. Accepts NULL. */
int log_close(struct log *log);

#endif
