/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes: how the health of the system under test is seen. A TCP probe connects and hangs up; each sample is reported with
 * the time at which its answer was there. Probes run side by side on the caller's epoll and never block it.
 */
#ifndef SHEARPIN_PROBES_H
#define SHEARPIN_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

struct probe_sample {
	const struct plan_probe *probe;
	size_t index;
	uint64_t mono_ns;
	uint64_t latency_ns;
	bool healthy;
	bool changed;      /* another state than the sample before */
	const char *error; /* NULL when healthy */
};

struct probes;

/* Sockets are watched on epoll_fd, with the event's data.u64 = tag + the probe's index. */
int probes_open(const struct plan *plan, int epoll_fd, uint64_t tag,
		void (*call)(void *arg, const struct probe_sample *sample), void *arg, struct probes **ret);
void probes_close(struct probes *probes);

/* Start what is due, end what has timed out; returns the time of the next call (UINT64_MAX: none). */
uint64_t probes_run(struct probes *probes, uint64_t now);
/* The socket of a probe is ready. */
void probes_ready(struct probes *probes, size_t index);

/* The last sample was healthy / and came after this time. */
bool probes_healthy(const struct probes *probes, const char **ret_unhealthy);
bool probes_healthy_since(const struct probes *probes, uint64_t mono_ns);

#endif
