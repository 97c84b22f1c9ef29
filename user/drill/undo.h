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
 * A change that is armed again has the newer data. What is too much for a line is in files of a folder beside the journal
 * (run-*.d), which goes with it.
 * Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_UNDO_H
#define SHEARPIN_UNDO_H

#include <stddef.h>

#define UNDO_DIRECTORY "/var/lib/shearpin/undo"
#define UNDO_VERSION 1
#define UNDO_SUFFIX ".jsonl"
#define UNDO_BOOT_ID_SIZE 64

struct undo;

/* A journal in a directory, which is made if need be. -EBUSY: another process has a journal there: no two runs change the
 * same host at one time. */
int undo_open(const char *directory, struct undo **ret);
/* Call this once, before the first change. */
int undo_begin(struct undo *undo, const char *run);
/* Call this before each change. data: a JSON object. *ret_id is for undo_done(). */
int undo_arm(struct undo *undo, const char *kind, const char *data, unsigned *ret_id);
/* More is known of it. */
int undo_arm_again(struct undo *undo, const char *kind, const char *data, unsigned id);
int undo_done(struct undo *undo, unsigned id);
/* The same in another process than the run, which may say so again: what is done twice is done. */
int undo_done_beside(const struct undo *undo, unsigned id);
/* Removes the file and its folder, unless something in it is still to be taken back. Accepts NULL. */
void undo_close(struct undo *undo);

const char *undo_path(const struct undo *undo);
/* The folder beside it, made when it is first asked for: for root alone. Whoever writes files there syncs them, and it. */
int undo_folder(struct undo *undo, const char **ret_path);
/* Remove the folder of a journal, with the files in it, if there is one. */
void undo_remove_folder(const char *journal);

/* What tells this boot of the kernel from any other: random(4), boot_id. */
int undo_boot_id(char text[UNDO_BOOT_ID_SIZE]);

#endif
