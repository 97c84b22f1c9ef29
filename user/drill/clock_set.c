/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/clock_set.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>

#include "base/timeutil.h"

#define READINGS 16

static int64_t since(const struct timespec *t, const struct timespec *from)
{
	return (t->tv_sec - from->tv_sec) * (int64_t)NS_PER_S + (t->tv_nsec - from->tv_nsec);
}

/* The tightest of several: the process may be put aside in the middle of one. */
static int64_t host_reading(void *arg)
{
	int64_t narrowest = INT64_MAX, reading = 0;

	(void)arg;
	for (int i = 0; i < READINGS; i++) {
		struct timespec before, real, after;
		int64_t width;

		clock_gettime(CLOCK_BOOTTIME, &before);
		clock_gettime(CLOCK_REALTIME, &real);
		clock_gettime(CLOCK_BOOTTIME, &after);
		width = since(&after, &before);
		if (width >= narrowest)
			continue;
		narrowest = width;
		reading = since(&real, &before) - width / 2;
	}
	return reading;
}

/* With ADJ_NANO the field for microseconds has nanoseconds; it must not be negative (kernel/time/timekeeping.c). */
static int host_adjust(void *arg, int64_t offset_ns)
{
	int64_t s = offset_ns / (int64_t)NS_PER_S, ns = offset_ns % (int64_t)NS_PER_S;
	struct timex request = {.modes = ADJ_SETOFFSET | ADJ_NANO};

	(void)arg;
	request.time.tv_sec = ns < 0 ? s - 1 : s;
	request.time.tv_usec = ns < 0 ? ns + (int64_t)NS_PER_S : ns;
	return clock_adjtime(CLOCK_REALTIME, &request) < 0 ? -errno : 0;
}

const struct clock_ops clock_of_host = {.adjust = host_adjust, .reading = host_reading};

/*
 * A tick of 0 is impossible: the kernel refuses it with EINVAL, but only after it has refused those with EPERM who may not
 * set the clock (timekeeping_validate_timex()). So namespaces and filters of system calls have their say, too.
 */
int clock_may_set(void)
{
	struct timex request = {.modes = ADJ_TICK, .tick = 0};

	if (clock_adjtime(CLOCK_REALTIME, &request) >= 0)
		return -EIO;
	return errno == EINVAL ? 0 : -errno;
}

int clock_take_back(const struct clock_ops *ops, int64_t before_ns, int64_t offset_ns, bool *ret_stepped)
{
	int64_t moved = ops->reading(ops->arg) - before_ns;

	*ret_stepped = llabs(moved) > llabs(moved - offset_ns);
	return *ret_stepped ? ops->adjust(ops->arg, -offset_ns) : 0;
}
