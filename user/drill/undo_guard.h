/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process beside the run that outlives it, by a moment: when the run is killed, what it had in its undo journal is taken
 * back at once, and not only by the next `shearpin clear`. It holds nothing of the run's, and sleeps.
 */
#ifndef SHEARPIN_UNDO_GUARD_H
#define SHEARPIN_UNDO_GUARD_H

struct undo_guard;

/* To be called before the process has threads. take_back is called in the guard. 0 or a negative errno. */
int undo_guard_start(void (*take_back)(void), struct undo_guard **ret);
/* Nothing is left to be taken back. Accepts NULL. */
void undo_guard_stop(struct undo_guard *guard);

#endif
