/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How each kind of change is taken back, from what the undo journal has of it. All may be called twice, by the run, its guard, the
 * next run or `shearpin clear`, and block until they are done.
 */
#ifndef SHEARPIN_UNDO_KINDS_H
#define SHEARPIN_UNDO_KINDS_H

#include "drill/undo_replay.h"

/* The kind of a clock step. Data: {"offset_ns": what was put on the clock, "before_ns": its reading then (clock_set.h)}. */
#define UNDO_CLOCK "clock"

/* A stopped process. Data: {"pid", "start_ticks", "comm"}. */
#define UNDO_SIGNAL "signal"

/*
 * Data: {"argv": [...], "cwd", "environment": ["PATH=...", "HOME=..."], "timeout_ns", "netns" (drill/undo_netns.h)}. Result: the
 * program ends with 0.
 */
#define UNDO_EXEC "exec"

/*
 * Data: {"path", "change": "replace", "always", "applied", "copy" (null: there was no file),
 *  "before": {"exists", "size", "sha256", "device", "inode", "mode", "uid", "gid", "atime": [s, ns], "mtime": [s, ns]},
 *  "after": {"exists", "size", "sha256", "device", "inode", "mtime" (once applied)}}.
 * Unless `applied`, the change may be half done.
 */
#define UNDO_FILE "file"

/* Data: {"interface", "ifindex", "netns" (drill/undo_netns.h), "kept": file (kernel/link_state.h)}. */
#define UNDO_LINK "link"

typedef enum undo_result undo_take_back(void *arg, const struct json_t *data, bool this_boot,
					char *ret_reason, size_t size);

undo_take_back undo_clock, undo_signal, undo_exec, undo_file, undo_link;

#endif
