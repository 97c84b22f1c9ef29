/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The delay line in user space: a thread that reads the frames of one or two TAPs, keeps each until the release time of its
 * parcel, and writes it back where it came from. It gives a sign of life every 50 ms, while it sleeps, too; when it can't
 * go on it ceases to, and the programs let everything pass undelayed.
 *
 * Only the thread touches frames and heap; counters are read by others while it runs.
 */
#ifndef SHEARPIN_LINE_USER_H
#define SHEARPIN_LINE_USER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "abi.h"
#include "kernel/line_device.h"

#define LINE_TAPS 2

struct line_user_config {
	struct line_device taps[LINE_TAPS]; /* fd < 0: not there; the second one is without offloads */
	__u32 parcels;                      /* a power of two */
	size_t memory;                      /* for frames, in bytes */
	bool realtime;                      /* SCHED_FIFO, the lowest of these priorities */
};

struct line_user_stats {
	__u64 memory_full;
	__u64 stale;
	__u64 write_failed;
	__u64 held_max;
};

struct line_user;

/* May this process have threads with a real-time priority? 0 or a negative errno. */
int line_user_try_realtime(void);

/*
 * Start the thread. `parcels_fd` is the map `parcels`; `control` is written (beat_ns) and outlives the thread. The TAPs
 * stay the caller's, and are open until after line_user_stop(). 0 or a negative errno.
 */
int line_user_start(const struct line_user_config *config, int parcels_fd, struct sp_control *control,
		    struct line_user **ret);

/* Have everything that waits, in the TAPs, too, written at once, in order; return when it is, or after some seconds. */
void line_user_flush(struct line_user *user);

void line_user_stats(struct line_user *user, struct line_user_stats *ret);

/* End the thread; what still waits is lost. Accepts NULL. */
/* A device of the line is gone or down: no more signs of life, so that packets pass undelayed. */
void line_user_abandon(struct line_user *user);
void line_user_stop(struct line_user *user);

#endif
