/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The buckets of a receipt's histograms: 16 an octave from 2^10 ns (1 us) on, so that a bucket is at most 6.25 % wide.
 * Shared with user space, which reads them.
 */
#ifndef SHEARPIN_HISTOGRAM_BPF_H
#define SHEARPIN_HISTOGRAM_BPF_H

#include <linux/types.h>

#include "abi.h"

#define BUCKET_BITS 4 /* of the time, behind its highest bit, that tell the buckets of an octave apart */
#define BUCKET_FIRST_OCTAVE 10

static inline __attribute__((always_inline)) __u32 highest_bit(__u64 x)
{
	__u32 n = 0;

	for (__u32 step = 32; step; step /= 2)
		if (x >> step) {
			x >>= step;
			n += step;
		}
	return n;
}

static inline __attribute__((always_inline)) __u32 bucket_of(__u64 ns)
{
	__u32 octave, bucket;

	if (ns < 1ULL << BUCKET_FIRST_OCTAVE)
		return 0;
	octave = highest_bit(ns);
	bucket = (octave - BUCKET_FIRST_OCTAVE) << BUCKET_BITS |
		 (ns >> (octave - BUCKET_BITS) & ((1 << BUCKET_BITS) - 1));
	return bucket < SP_BUCKETS ? bucket : SP_BUCKETS - 1;
}

/* The least time that falls into a bucket; of the first one 0. That of the next is what all of it is below. */
static inline __attribute__((always_inline)) __u64 bucket_low(__u32 bucket)
{
	__u32 octave = BUCKET_FIRST_OCTAVE + (bucket >> BUCKET_BITS);

	if (!bucket)
		return 0;
	return (1ULL << octave) + ((__u64)(bucket & ((1 << BUCKET_BITS) - 1)) << (octave - BUCKET_BITS));
}

#endif
