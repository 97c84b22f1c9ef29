/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving CLOCK_REALTIME by an offset, and back by exactly the same. Between, whoever keeps the clock may have moved it
 * himself: the difference of CLOCK_REALTIME and CLOCK_BOOTTIME, which only settings of the clock (and the slow
 * corrections of NTP) change, tells.
 */
#ifndef SHEARPIN_CLOCK_SET_H
#define SHEARPIN_CLOCK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The clock; tests have another. Functions return 0 or a negative errno. */
struct clock_ops {
	int (*adjust)(void *arg, int64_t offset_ns); /* CLOCK_REALTIME goes ahead by so much at once */
	int64_t (*reading)(void *arg);               /* CLOCK_REALTIME minus CLOCK_BOOTTIME, ns */
	void *arg;
};

/*
 * This machine's: clock_adjtime(2) with ADJ_SETOFFSET | ADJ_NANO, which loses nothing between reading and setting.
 * It makes the kernel take the clock for unsynchronised (STA_UNSYNC) until whoever keeps it says otherwise, so that the
 * hardware clock is not set to the wrong time meanwhile.
 */
extern const struct clock_ops clock_of_host;

/* 0: this process may set the clock; -EPERM: not, since it has no CAP_SYS_TIME or sits in a container; changes nothing. */
int clock_may_set(void);

/*
 * Take an offset back that was put on the clock when its reading was before_ns. *ret_stepped is false if the clock is
 * nearer to where it was before than to where the offset had put it: somebody else has taken it back, and nothing is done.
 */
int clock_take_back(const struct clock_ops *ops, int64_t before_ns, int64_t offset_ns, bool *ret_stepped);

#endif
