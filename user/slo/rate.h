/* SPDX-License-Identifier: BSD-2-Clause */
/* The most of something in any second, as it happens one after the other. */
#ifndef SHEARPIN_RATE_H
#define SHEARPIN_RATE_H

#include <stddef.h>
#include <stdint.h>

#define RATE_MOST (1 << 20) /* a second: more are not told apart */

/* Zeroed: none yet. */
struct rate {
	uint64_t *ring; /* the times of the last second's; a power of two of places */
	size_t places, first, n;
};

/*
 * One more; a time before that of the last one counts as that. Returns how many there were in the second that ends with it:
 * less than a second before it; 0: no memory.
 */
size_t rate_add(struct rate *rate, uint64_t ns);
/* Back to none, and its memory is freed. */
void rate_clear(struct rate *rate);

#endif
