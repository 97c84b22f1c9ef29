/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A probe that reads the lines that the system under test writes about its health. As a watch it gives each line that matches, from
 * its opening on. The time in a line counts,
 * `ts_ns=` and CLOCK_REALTIME nanoseconds behind it, unless it can't be true.
 *
 * A log that has said the same twice in a row tells its state again and again: only its lines are samples, and its
 * silence says nothing. A log in which each line was a change is silent as long as nothing changes: its state holds
 * until the next line, and is a sample each time that it is looked at.
 */
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "drill/probe.h"
#include "drill/tail.h"

#define MOST_BYTES (256 * 1024) /* read in one go: the run's own loop waits */
#define TOLERANCE_NS NS_PER_S   /* what a stated time may be ahead of now, and behind the line before */

struct log {
	struct tail *tail; /* NULL: not looked at yet */
	regex_t healthy, unhealthy;
	bool has_healthy, has_unhealthy; /* they are compiled */
	uint64_t
		newest; /* time of a line, or of a reading that had to stand in for it; at first, the start */
	uint64_t now;   /* of this reading */
	bool stood_in;  /* in this reading */
	uint64_t old_stated; /* of the last line that was there at the start */
	bool any, state;     /* of the last line that told it */
	bool repeats;        /* it said the same twice in a row */
	bool fresh;          /* this reading has given a sample */
};

static bool matches(const regex_t *expression, const char *line, size_t len)
{
	regmatch_t range = {.rm_eo = len};

	return !regexec(expression, line, 1, &range, REG_STARTEND);
}

/* 1: healthy, 0: unhealthy, -1: the line says nothing. `healthy` also matches within "unhealthy": that comes first. */
static int judge(const struct log *log, const char *line, size_t len)
{
	if (log->has_unhealthy && matches(&log->unhealthy, line, len))
		return 0;
	return matches(&log->healthy, line, len) ? 1 : -1;
}

/* What stands behind the first `ts_ns=` that is a word of its own; 0: nothing, or nothing that can be. */
static uint64_t stated_time(const char *line, size_t len)
{
	static const char key[] = "ts_ns=";
	const char *s = line, *end = line + len;
	uint64_t value = 0;

	while ((s = memmem(s, end - s, key, strlen(key)))) {
		bool word = s == line || !(isalnum((unsigned char)s[-1]) || s[-1] == '_');

		s += strlen(key);
		if (word)
			break;
	}
	if (!s)
		return 0;
	if (s < end && *s == '"')
		s++;
	for (; s < end && isdigit((unsigned char)*s); s++)
		if (value > (INT64_MAX - 9) / 10)
			return 0;
		else
			value = value * 10 + (*s - '0');
	return value;
}

/* A clock that was set, or a line from before the run: then the time of reading is as good as any. */
static uint64_t time_of(const struct probe *p, const struct log *log, uint64_t stated,
			enum probe_source *ret_source)
{
	int64_t mono = (int64_t)stated - *p->loop->offset_ns, now = log->now, newest = log->newest;
	bool plausible = stated && mono <= now + (int64_t)TOLERANCE_NS &&
			 mono >= newest - (int64_t)TOLERANCE_NS && mono > 0;

	*ret_source = plausible ? PROBE_LINE : PROBE_READ;
	return plausible ? mono : now;
}

static void tell(struct probe *p, uint64_t mono_ns, enum probe_source source, uint64_t stated)
{
	struct log *log = p->state;
	struct probe_sample sample = {
		.mono_ns = mono_ns,
		.latency_ns = PROBE_NO_LATENCY,
		.healthy = log->state,
		.error = log->state ? NULL : "unhealthy",
		.source = source,
		.stated_ns = stated,
	};

	log->fresh = true;
	probe_tell(p, &sample);
}

static bool on_line(void *arg, const char *line, size_t len)
{
	struct probe *p = arg;
	struct log *log = p->state;
	int healthy = judge(log, line, len);
	enum probe_source source;
	uint64_t stated, when;

	if (healthy < 0)
		return true;
	log->repeats = log->repeats || (log->any && log->state == healthy);
	log->any = true;
	log->state = healthy;
	stated = stated_time(line, len);
	when = time_of(p, log, stated, &source);
	if (source == PROBE_READ)
		log->stood_in = true; /* a writer with a buffer writes old lines and new ones in one go */
	else if (when > log->newest)
		log->newest = when;
	tell(p, when, source, stated);
	return true;
}

/* Backwards, from the end of the log as it was at the start: the last state, and whether the line before said the same. */
static bool on_old_line(void *arg, const char *line, size_t len)
{
	struct log *log = arg;
	int healthy = judge(log, line, len);

	if (healthy < 0)
		return true;
	if (log->any) {
		log->repeats = log->state == healthy;
		return false;
	}
	log->any = true;
	log->state = healthy;
	log->old_stated = stated_time(line, len);
	return true;
}

static void log_free(struct log *log)
{
	tail_close(log->tail);
	if (log->has_healthy)
		regfree(&log->healthy);
	if (log->has_unhealthy)
		regfree(&log->unhealthy);
	free(log);
}

static int compile(const char *text, regex_t *ret, bool *ret_done)
{
	int err = regcomp(ret, text, REG_EXTENDED | REG_NOSUB);

	if (err)
		return err == REG_ESPACE ? -ENOMEM : -EINVAL;
	*ret_done = true;
	return 0;
}

/* A watch waits for lines that match, and knows no unhealthy ones: what stands in the log already is none of them. */
static bool is_watch(const struct probe *p)
{
	return !p->plan->name;
}

static bool no_old_line(void *arg, const char *line, size_t len)
{
	(void)arg, (void)line, (void)len;
	return false;
}

static int log_open(struct probe *p)
{
	struct log *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return -ENOMEM;
	log->newest = p->due;
	err = compile(p->plan->healthy, &log->healthy, &log->has_healthy);
	if (!err && p->plan->unhealthy)
		err = compile(p->plan->unhealthy, &log->unhealthy, &log->has_unhealthy);
	if (!err && is_watch(p))
		err = tail_open(p->plan->path, no_old_line, NULL, &log->tail);
	if (err)
		log_free(log);
	else
		p->state = log;
	return err;
}

static void log_close(struct probe *p)
{
	log_free(p->state);
}

/* The state at the start. */
static int begin(struct probe *p)
{
	struct log *log = p->state;
	int err = tail_open(p->plan->path, on_old_line, log, &log->tail);

	if (!err && log->any)
		tell(p, log->now, PROBE_READ, log->old_stated);
	return err;
}

static uint64_t log_run(struct probe *p, uint64_t now)
{
	struct log *log = p->state;
	int left;

	if (now < p->due)
		return p->due;
	log->now = now;
	left = log->tail ? 0 : begin(p);
	if (!left)
		left = tail_read(log->tail, MOST_BYTES, on_line, p);
	if (left > 0)
		return now;
	if (!p->known)
		p->why = !left             ? "no line of its log tells its state"
			 : left == -ENOENT ? "its log is not there"
					   : "its log can't be read";
	if (!left && log->any && !log->repeats && !log->fresh && !is_watch(p))
		tell(p, now, PROBE_STATE, 0);
	if (log->stood_in && now > log->newest)
		log->newest = now;
	log->fresh = log->stood_in = false;
	probe_rest(p, now);
	return p->due;
}

const struct probe_kind probe_log = {
	.open = log_open,
	.close = log_close,
	.run = log_run,
	.follows = true,
};
