/* SPDX-License-Identifier: BSD-2-Clause */
/* A run while it lasts: for drill.c, which carries it out, and drill_events.c, which takes the kernel's records. */
#ifndef SHEARPIN_DRILLING_H
#define SHEARPIN_DRILLING_H

#include "drill/aside.h"
#include "drill/capture.h"
#include "drill/conditions.h"
#include "drill/conns_kernel.h"
#include "drill/packets.h"
#include "drill/phases.h"
#include "drill/setup.h"
#include "drill/signals.h"
#include "drill/windows.h"

struct drill {
	struct plan *plan;
	const struct drill_options *options;
	struct drill_result *result;
	struct setup setup;
	struct journal journal;
	struct fault_events *fault_events;
	struct windows *windows;
	struct aside aside;
	struct conns_kernel conns_kernel;
	struct conns *conns;
	struct packets *packets; /* NULL: none are recorded */
	struct capture *capture; /* NULL: there is none */
	struct probes *probes;
	struct conditions conditions;
	struct phases *phases;
	struct drill_probe *probe_view;
	struct signals signals;
	int epoll_fd, links_fd;
	uint64_t next_clock, next_display, ring_lost, ring_seen_ns;
	uint64_t newest_ns;               /* of the records taken from the ring buffer */
	bool records_wait, captures_wait; /* more of them, in the ring buffers */
	enum drill_phase phase;
	uint64_t phase_ends;
	const char *wait; /* the step that is pending; NULL: none is */
	bool stop;        /* result says why */
};

/* End the run as soon as may be. The first reason counts, but that the host failed outdoes the others: not everything is cleared. */
void drill_stop(struct drill *d, enum drill_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Take what is in the ring buffer. False: it was empty, or can't be read, which stops the run. */
bool drill_drain(struct drill *d);
/* The same of the captured packets; false also where there is no capture. */
bool drill_drain_captures(struct drill *d);
/* Until nothing is left in either. */
void drill_drain_all(struct drill *d);
/*
 * Write what no record can come before any more: those that still wait in the ring buffer are older than what else happened by now.
 */
void drill_flush_log(struct drill *d, uint64_t now);
/* The last events of the log. */
void drill_tell_end(struct drill *d);

#endif
