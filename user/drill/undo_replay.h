/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What dead runs left in their undo journals (undo.h), taken back: of each journal the changes that are armed and not done,
 * last in, first out. A journal of which everything is done is removed, and its folder. Whoever lives holds the lock on his journal, and
 * it is left alone. May be called at any time, any number of times, also by several processes at once.
 *
 * What can't be taken back may be forgotten: nobody tries again. Its journal is set aside, with the folder and the copies in it:
 * run-abc.jsonl is called run-abc.forgotten from then on. In it such a change has {"done":1,"forgotten":true}.
 */
#ifndef SHEARPIN_UNDO_REPLAY_H
#define SHEARPIN_UNDO_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t; /* jansson.h */

enum undo_result {
	UNDO_TAKEN_BACK,
	UNDO_NOT_NEEDED, /* it is back already; the reason says why */
	UNDO_FAILED,     /* stays in the journal */
	UNDO_FORGOTTEN,  /* the same, but nobody tries again; of undo_replay() alone */
};

#define UNDO_SET_ASIDE ".forgotten"

struct undo_kind {
	const char *name;
	/* this_boot: the kernel has not been booted since. The reason is for people; "" if there is none. */
	enum undo_result (*take_back)(void *arg, const struct json_t *data, bool this_boot, char *ret_reason,
				      size_t size);
	void *arg;
};

struct undone {
	const char *path; /* of the journal */
	const char *run;  /* the run directory; NULL: the journal can't be read */
	int64_t pid;      /* of the dead run */
	const char *kind; /* NULL: it is about the journal as a whole */
	const char *data; /* of the change: a JSON object; NULL with the kind */
	enum undo_result result;
	const char *reason;
};

/* forget: what fails, and a journal that can't be read. 0, also where there is no such directory; or a negative errno if it could not be
 * looked into. */
int undo_replay(const char *directory, const struct undo_kind *kinds, size_t n, bool forget,
		void (*call)(void *arg, const struct undone *undone), void *arg);

/*
 * Wait until nobody else is taking back what a dead run left there: its guard, another `clear`. -EBUSY: somebody still is at until_ns
 * (CLOCK_MONOTONIC); or another negative errno.
 */
int undo_await(const char *directory, uint64_t until_ns);

/*
 * Of a journal whose run lives, one change, if it is armed and not done: *ret is what became of it. The journal stays as it is, and
 * undo_done_beside() is the caller's. -ENOENT: there is no such change; or another negative errno.
 */
int undo_replay_one(const char *path, unsigned id, const struct undo_kind *kinds, size_t n,
		    enum undo_result *ret);

#endif
