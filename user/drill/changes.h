/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of kinds signal, exec, file and link: made when their windows open, taken back when they close; without an end of their
 * own when the run ends, last in, first out. The undo journal knows of each before it happens, and the guard takes back what
 * stays (undo_guard.h). The drill's loop is never held up: what may take long is done in a thread or by a program beside it.
 *
 * The kernel does not keep these windows: this process opens and closes them, as late as it is scheduled. Times are
 * CLOCK_MONOTONIC. A step that is a shadow is none of them.
 *
 * Functions return 0 or a negative errno; -ECANCELED: a step can't be done, and changes_why() says why, for people.
 */
#ifndef SHEARPIN_CHANGES_H
#define SHEARPIN_CHANGES_H

#include "drill/journal.h"
#include "drill/undo.h"
#include "drill/undo_guard.h"

struct changes;

/* Does any step change something of these kinds? */
bool changes_wanted(const struct plan *plan);
/* ... of which there is something to take back, so that it needs an undo journal? */
bool changes_undone(const struct plan *plan);

/*
 * Can they be made here, as far as is known by now? 0; or a negative errno with words for people: also where two windows with the same
 * file, interface or process overlap, but neither lies in the other, so that there is no order to take them back in.
 */
int changes_check(const struct plan *plan, char *ret_why, size_t size);

/* What is passed must outlive it; guard may be NULL, and undo, too, if there is nothing to take back. *ret is NULL for a plan without such steps. */
int changes_open(const struct plan *plan, struct undo *undo, struct undo_guard *guard,
		 struct journal *journal, struct fault_events *fault_events, struct changes **ret);
void changes_close(struct changes *changes); /* accepts NULL; takes back what is still there */

/* The following accept NULL, which has no window. */

/* From when `at` counts (0: nothing opens), for the windows that lie in a part of the plan's time; earlier ones stay as they are. */
void changes_set_zero(struct changes *changes, uint64_t zero_ns, struct plan_span span);
/* Do what is due. *ret_next: when to call again (UINT64_MAX: never). */
int changes_run(struct changes *changes, uint64_t now, uint64_t *ret_next);
/* Take back at once what is there, and wait for it; no window opens any more. Goes on after an error, and returns the first. */
int changes_cut(struct changes *changes);
/* All have closed, or have opened and stay until the run ends. */
bool changes_all_done(const struct changes *changes);
/* When the last one closed, or came to stay until the run ends; 0: none has. */
uint64_t changes_last_close(const struct changes *changes);
const char *changes_why(const struct changes *changes);

#endif
