/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The undo journal: what a step is about to change outside the kernel programs, and how it is taken back, written to
 * disk before the change. One file a run, on which its owner holds a lock (flock), and which goes when the run ends and
 * everything is taken back. A file without a lock is what a killed run or a power cut leaves: undo_replay.h.
 *
 * JSON lines; the file and its directory are synced before a call returns:
 *   {"undo":1,"run":"/.../runs/...","pid":4711,"boot_id":"..."}
 *   {"arm":1,"kind":"clock","data":{...}}    the change number 1 is about to be made
 *   {"done":1}                               it is taken back
 * Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_UNDO_H
#define SHEARPIN_UNDO_H

#include <stddef.h>

#define UNDO_DIRECTORY "/var/lib/shearpin/undo"
#define UNDO_VERSION 1
#define UNDO_BOOT_ID_SIZE 64

struct undo;

/* A journal in a directory, which is made if need be. -EBUSY: another process has a journal there: no two runs change the
 * same host at one time. */
int undo_open(const char *directory, struct undo **ret);
/* Call this once, before the first change. */
int undo_begin(struct undo *undo, const char *run);
/* Call this before each change. data: a JSON object. *ret_id is for undo_done(). */
int undo_arm(struct undo *undo, const char *kind, const char *data, unsigned *ret_id);
int undo_done(struct undo *undo, unsigned id);
/* The same in another process than the run, which may say so again: what is done twice is done. */
int undo_done_beside(const struct undo *undo, unsigned id);
/* Removes the file, unless something in it is still to be taken back. Accepts NULL. */
void undo_close(struct undo *undo);

/* What tells this boot of the kernel from any other: random(4), boot_id. */
int undo_boot_id(char text[UNDO_BOOT_ID_SIZE]);

#endif
