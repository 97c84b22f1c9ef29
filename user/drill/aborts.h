/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The conditions of `abort`, watched from the start of a run to its end; docs/definitions.md says when each holds. The first that
 * does ends the run.
 *
 * Event: abort.watch, of a query that has no answer, or has one again: `condition`, `answered`, `error`.
 */
#ifndef SHEARPIN_ABORTS_H
#define SHEARPIN_ABORTS_H

#include "drill/expect.h"

struct aborts;

/* 0 or a negative errno. What is passed must outlive them. */
int aborts_open(const struct plan *plan, const struct timetable *timetable, const struct condition_ops *ops,
		struct journal *journal, struct aborts **ret);
void aborts_close(struct aborts *aborts); /* accepts NULL */

/* Of a probe; of a watch. */
void aborts_sample(struct aborts *aborts, const struct probe_sample *sample);
void aborts_watch(struct aborts *aborts, const struct probe_sample *sample);

/*
 * Look at what is due, when every sample of before `now` has been told of. True: a condition holds, and ret_reason says which; from
 * then on nothing is looked at. *ret_next: when to call again (UINT64_MAX: never).
 */
bool aborts_run(struct aborts *aborts, uint64_t now, uint64_t *ret_next, char *ret_reason, size_t size);
/* Of the condition that holds: kind, condition, value, since_ns. Nothing, if none does. */
void aborts_tell(const struct aborts *aborts, struct json *data);

#endif
