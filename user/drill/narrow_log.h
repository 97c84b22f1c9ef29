/* SPDX-License-Identifier: BSD-2-Clause */
/* A window as the narrow log (evidence/fault_events.h) tells of it. Pure but for the log. */
#ifndef SHEARPIN_NARROW_LOG_H
#define SHEARPIN_NARROW_LOG_H

#include "evidence/fault_events.h"
#include "scenario/plan.h"

/* tell: fault_events_apply or fault_events_clear. instance counts from 0; ts_ns is CLOCK_REALTIME. 0 or a negative errno. */
int narrow_log_tell(struct fault_events *log, const struct plan *plan, const struct plan_step *step,
		    uint32_t instance, uint64_t ts_ns,
		    int (*tell)(struct fault_events *, uint64_t, const struct fault_window *));

#endif
