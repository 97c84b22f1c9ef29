/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes: how the health of the system under test is seen. A TCP probe connects and hangs up; its sample has the time at
 * which the answer was read. A log probe reads what the system itself writes; its samples are lines, at the time that
 * stands in them (docs/definitions.md says which lines and times count). Probes run side by side on the caller's epoll and
 * never block it.
 */
#ifndef SHEARPIN_PROBES_H
#define SHEARPIN_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

#define PROBE_NO_LATENCY UINT64_MAX

/* Where a log probe has the time of a sample from. */
enum probe_source {
	PROBE_SELF,  /* no log probe: it is its own */
	PROBE_LINE,  /* the line states it */
	PROBE_READ,  /* the line was read then, for it states none, or none that can be */
	PROBE_STATE, /* no line has come: a log that tells changes alone still says so */
};

struct probe_sample {
	const struct plan_probe *probe;
	size_t index;
	uint64_t mono_ns;
	uint64_t latency_ns; /* or PROBE_NO_LATENCY */
	bool healthy; /* the probe's state: with `rising` and `falling` it may be another than this sample's own */
	bool good;         /* this sample's own */
	bool changed;      /* another state than the sample before */
	const char *error; /* NULL when good; until the call returns */
	bool has_value;
	double value; /* of what was measured: a JSON number, an exit status, completeness; the kind says which */
	const char *detail; /* what was seen, for people; NULL: nothing to add; until the call returns */
	enum probe_source source;
	uint64_t stated_ns; /* the time in the line, CLOCK_REALTIME; 0: none */
};

/* Where probes run. All of it outlives them. */
struct probe_loop {
	int epoll_fd; /* what they watch has data.u64 = tag + the probe's index */
	uint64_t tag;
	const int64_t *offset_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC, kept up to date */
	void (*call)(void *arg, const struct probe_sample *sample);
	void *arg;
};

struct probes;

/* The list must outlive them. A probe of a watch rests until it is started. */
int probes_open(const struct plan *plan, const struct plan_probe *list, size_t n,
		const struct probe_loop *loop, struct probes **ret);
void probes_close(struct probes *probes);

/* Start what is due, end what has timed out (what has its answer by now has not); returns the time of the next call (UINT64_MAX: none). */
uint64_t probes_run(struct probes *probes, uint64_t now);
/* What a probe watches is ready. */
void probes_ready(struct probes *probes, size_t index);

/*
 * A watch is looked at while it is started, its state begins anew each time, and stopping it ends the sample that is under way. One
 * on the lines of a log follows the file from probes_open() on, and gives all its samples to the caller, who knows their times.
 */
void probes_start(struct probes *probes, size_t index, uint64_t now);
void probes_stop(struct probes *probes, size_t index);

/* The last samples were healthy; otherwise the first probe whose wasn't, or that has none. */
bool probes_healthy(const struct probes *probes, size_t *ret_unhealthy);
/* Why a probe is not healthy, in a few words, or `error` of its last sample (cut); NULL: it is. Until its next sample. */
const char *probes_why(const struct probes *probes, size_t index);
/* Their state is healthy, the last samples were good by themselves, and are not from before this time. */
bool probes_healthy_since(const struct probes *probes, uint64_t mono_ns);

/* Is this the port, at this end, of a connection (or a flow of datagrams) that a probe keeps from one sample to the next? */
bool probes_hold(const struct probes *probes, uint8_t proto, uint16_t local_port);

/* "line", "read" or "state"; NULL of PROBE_SELF. */
const char *probe_source_name(enum probe_source source);

#endif
