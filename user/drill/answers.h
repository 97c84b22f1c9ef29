/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The responders of a run, one for each rule that answers connections (SP_MEANS_ANSWER), and the thread that keeps them: it tells
 * the kernel that they are alive, and closes their connections when a window, or a burst, ends. A stopped process answers
 * nobody: a second later the kernel takes no more connections to it.
 *
 * Order: answers_open -> answers_start, when the engine is attached -> (the engine is armed, disarmed) -> answers_end ->
 * answers_close, before the engine is closed. Functions return 0 or a negative errno. All but that thread is the caller's.
 */
#ifndef SHEARPIN_ANSWERS_H
#define SHEARPIN_ANSWERS_H

#include "drill/journal.h"

struct answers;

/* Read the certificates, and listen. NULL in *ret: the plan answers nothing. ret_reason says for people what was wrong. */
int answers_open(const struct plan *plan, struct answers **ret, char *ret_reason, size_t size);

/* Tell the programs where to take connections, and start the thread. All from here on accept NULL. */
int answers_start(struct answers *answers, struct engine *engine);

/* After the engine was disarmed: the connections are closed. */
void answers_end(struct answers *answers);
void answers_close(struct answers *answers);

/* Requests that were answered so far in the window of a slot. */
uint64_t answers_requests(const struct answers *answers, uint32_t slot);

/* Write conn.answered. */
void answers_event(struct answers *answers, const struct sp_answer_event *event, struct journal *journal);

#endif
