/* SPDX-License-Identifier: BSD-2-Clause */
/* What the probes that make requests have in common. */
#ifndef SHEARPIN_PROBE_FETCH_H
#define SHEARPIN_PROBE_FETCH_H

#include "drill/fetch.h"
#include "drill/probe.h"

/* Their run(): a request each time that it is due, unless one is under way. */
static inline uint64_t probe_fetch(struct probe *p, struct fetch *fetch, uint64_t now)
{
	uint64_t when;

	if (!fetch_is_busy(fetch) && now >= p->due)
		fetch_start(fetch);
	when = fetch_run(fetch, now);
	return fetch_is_busy(fetch) || when < p->due ? when : p->due;
}

#endif
