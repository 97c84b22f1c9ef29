/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/drilling.h"

#include <errno.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/totals.h"

#define MANY_RECORDS 4096 /* at once: more may wait */

/* The kernel knows a probe's connection by its SYN alone. */
static void on_event(struct drill *d, const struct sp_event *record)
{
	struct sp_event event = *record;

	if (event.type == SP_EVENT_FLOW_HIT)
		event.is_own |= conns_is_own(d->conns, &event.flow);
	windows_event(d->windows, &event);
	if (event.type == SP_EVENT_FLOW_HIT)
		conns_hit(d->conns, &event);
}

static void on_record(void *arg, const void *record, size_t size)
{
	const struct sp_event *event = record;
	struct drill *d = arg;

	(void)size;
	if (event->ns > d->newest_ns)
		d->newest_ns = event->ns;
	if (event->type == SP_EVENT_PACKET && d->packets)
		packets_event(d->packets, record, &d->journal);
	if (event->type >= SP_EVENT_CONN)
		conns_event(d->conns, record);
	if (event->type == SP_EVENT_ANSWER)
		answers_event(d->setup.answers, record, &d->journal);
	if (event->type >= SP_EVENT_PACKET)
		return;
	on_event(d, event);
	if (event->type == SP_EVENT_BUDGET)
		drill_stop(d, DRILL_ABORTED,
			   "a limit of the scenario was reached; the kernel ended every fault");
}

bool drill_drain(struct drill *d)
{
	uint64_t stats[SP_STATS] = {0}, now = clock_mono_ns();
	struct json *data;
	int n = engine_drain(d->setup.engine, on_record, d);
	int err =
		n <= 0 ? n : engine_stats(d->setup.engine, stats); /* an empty ring buffer has lost nothing */

	if (err) {
		drill_stop(d, DRILL_HOST_FAILED, "can't read the kernel's events: %s", strerror(-err));
		return false;
	}
	if (n && stats[SP_STAT_RING_LOST] != d->ring_lost) {
		data = journal_data(&d->journal);
		json_u64(data, "count", stats[SP_STAT_RING_LOST] - d->ring_lost);
		json_u64(data, "from_ns", d->ring_seen_ns);
		json_u64(data, "to_ns", now);
		journal_write(&d->journal, now, "lost", NULL);
		d->ring_lost = stats[SP_STAT_RING_LOST];
	}
	d->ring_seen_ns = now;
	d->records_wait = n >= MANY_RECORDS;
	return n > 0;
}

bool drill_drain_captures(struct drill *d)
{
	int n = d->capture ? engine_drain_captures(d->setup.engine, capture_take, d->capture) : 0, err;

	if (n < 0)
		drill_stop(d, DRILL_HOST_FAILED, "can't read the captured packets: %s", strerror(-n));
	err = d->capture ? capture_flush(d->capture, clock_mono_ns()) : 0;
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't write the capture: %s", strerror(-err));
	d->captures_wait = n >= MANY_RECORDS;
	return n > 0 && !err;
}

void drill_flush_log(struct drill *d, uint64_t now)
{
	int err = d->journal.error ?: log_flush(d->journal.log, d->records_wait ? d->newest_ns : now);

	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't write the event log: %s", strerror(-err));
}

static void tell_conns(struct drill *d)
{
	uint64_t stats[SP_STATS];
	int err = engine_stats(d->setup.engine, stats);

	if (!err)
		err = conns_tell(d->conns, stats, clock_mono_ns());
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't read the last connections: %s", strerror(-err));
}

static void tell_capture(struct drill *d)
{
	uint64_t stats[SP_STATS];
	int err;

	if (!d->capture)
		return;
	err = engine_stats(d->setup.engine, stats);
	if (!err)
		err = capture_tell(d->capture, stats[SP_STAT_CAPTURE_LOST], &d->journal);
	if (err)
		drill_stop(d, DRILL_HOST_FAILED, "can't complete the capture: %s", strerror(-err));
}

static const char *outcome_word(enum drill_outcome outcome)
{
	switch (outcome) {
	case DRILL_ABORTED:
		return "aborted";
	case DRILL_INTERRUPTED:
		return "interrupted";
	case DRILL_HOST_FAILED:
		return "host-failed";
	default:
		return "pass"; /* the judges decide between this and slo-missed */
	}
}

void drill_tell_end(struct drill *d)
{
	struct json *data;

	if (d->result->outcome == DRILL_ABORTED) {
		data = journal_data(&d->journal);
		json_string(data, "reason", d->result->reason);
		conditions_tell_abort(&d->conditions, data);
		journal_write(&d->journal, clock_mono_ns(), "abort", NULL);
	}
	tell_conns(d);
	tell_packets(d->setup.engine, &d->journal);
	tell_line(d->setup.line, &d->journal);
	tell_capture(d);
	journal_clock(&d->journal);
	data = journal_data(&d->journal);
	json_string(data, "outcome", outcome_word(d->result->outcome));
	json_string(data, "reason", d->result->reason[0] ? d->result->reason : NULL);
	json_bool(data, "balanced", windows_balanced(d->windows));
	json_u64(data, "lost", d->ring_lost);
	journal_write(&d->journal, clock_mono_ns(), "run.end", NULL);
}

static bool drain_both(struct drill *d)
{
	bool events = drill_drain(d), captures = drill_drain_captures(d);

	return events || captures;
}

void drill_drain_all(struct drill *d)
{
	while (drain_both(d))
		drill_flush_log(d, clock_mono_ns());
}
