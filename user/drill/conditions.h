/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run is held against while it lasts: its expectations (expect.h), its waits (waits.h), what ends it (aborts.h), and the
 * watches that these look through.
 */
#ifndef SHEARPIN_CONDITIONS_H
#define SHEARPIN_CONDITIONS_H

#include "drill/aborts.h"
#include "drill/conns.h"
#include "drill/expect.h"
#include "drill/waits.h"
#include "drill/windows.h"

struct conditions {
	struct windows *windows;
	struct conns *conns;
	struct condition_ops ops;
	struct timetable timetable;
	struct expect *expect;
	struct waits *waits;
	struct aborts *aborts;
	struct probes *watches;
};

/*
 * The plan, the windows, the conns and the journal must outlive them. loop: where the watches run; its call and arg are not
 * looked at. 0 or a negative errno; conditions_close() is to be called in any case.
 */
int conditions_open(struct conditions *c, const struct plan *plan, struct windows *windows,
		    struct conns *conns, const struct probe_loop *loop, struct journal *journal);
void conditions_close(struct conditions *c);

/* The part of the plan's time that the next zero is for: what lies behind the next wait has none yet. */
struct plan_span conditions_next_span(const struct conditions *c);
/* waits_ahead() */
const struct plan_step *conditions_wait_ahead(const struct conditions *c);
/* At the end of the baseline, and again when a wait is fulfilled: from here on that is over. */
void conditions_set_zero(struct conditions *c, uint64_t zero_ns);

/* Of a probe of the plan. */
void conditions_sample(struct conditions *c, const struct probe_sample *sample);
/* A watch is ready; the index is that of the loop's tag. */
void conditions_ready(struct conditions *c, size_t index);
/* probes_hold() of the watches. */
bool conditions_hold(const struct conditions *c, uint8_t proto, uint16_t local_port);
/*
 * Do what is due; *ret_next: when to call again (UINT64_MAX: never). now: from before the probes were run. True: a condition of `abort`
 * holds, which ret_reason names.
 */
bool conditions_run(struct conditions *c, uint64_t now, uint64_t *ret_next, char *ret_reason, size_t size);
/* The wait that is due at `now`, and of which step; ret_why: of one that has timed out. */
enum wait_state conditions_wait(struct conditions *c, uint64_t now, const char **ret_step, char *ret_why,
				size_t size);
/* Every wait is fulfilled, and every expectation decided. */
bool conditions_all_done(const struct conditions *c);
/* The run is over: what is undecided has failed. */
void conditions_cut(struct conditions *c, uint64_t now);
/* Into the data of the event `abort`, if a condition has ended the run: kind, condition, value, since_ns. */
void conditions_tell_abort(const struct conditions *c, struct json *data);

#endif
