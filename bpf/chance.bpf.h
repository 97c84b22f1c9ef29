/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Randomness that can be replayed: a draw is a hash of (seed, flow, direction, the packet's index in the flow), never of
 * the order of arrival or the CPU. Shared with user space, which draws them again from a log; tests/lab/chance.py computes the
 * same numbers.
 * mix64 is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
 */
#ifndef SHEARPIN_CHANCE_BPF_H
#define SHEARPIN_CHANCE_BPF_H

#include <linux/types.h>

#include "abi.h"

/* Packets that a lot may depend on; even. The scenario layer keeps the odds of a longer walk below 1 in 10^7. */
#define LONGEST_WALK 16384

static inline __attribute__((always_inline)) __u64 mix64(__u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* The same for both directions of a flow. */
static inline __attribute__((always_inline)) __u64 flow_hash(const __u32 *local, const __u32 *remote,
							     __u16 local_port, __u16 remote_port, __u8 proto)
{
	__u64 h = (__u64)proto << 32 | (__u32)local_port << 16 | remote_port;
	int i;

	for (i = 0; i < 4; i++)
		h = mix64(h + 0x9e3779b97f4a7c15ULL + ((__u64)local[i] << 32 | remote[i]));
	return h;
}

/* Each window of a rule has luck of its own; which flows it concerns (share, percent of connections) stays the same. */
static inline __attribute__((always_inline)) __u64 window_seed(__u64 seed, __u32 instance)
{
	return instance ? mix64(seed + instance) : seed;
}

/* What the draw is for; parts of one rule must not share their luck. */
enum draw {
	DRAW_SHARE = 0x5348,
	DRAW_FLOW = 0x464c,
	DRAW_LOSS = 0x4c4f,
	DRAW_GE = 0x4745, /* a step between the states of the Gilbert-Elliott model */
	DRAW_GE_LOSS = 0x474c,
	DRAW_DELAYED = 0x4445,
	DRAW_JITTER = 0x4a49,
	DRAW_DUPLICATE = 0x4455,
	DRAW_CORRUPT = 0x434f,
	DRAW_BIT = 0x4249,
	DRAW_REORDER = 0x5245,
	DRAW_QUERY = 0x5155,      /* dns: is this query answered? */
	DRAW_RESPONSE = 0x5253,   /* http: is this response altered? The index counts responses. */
	DRAW_ANSWER = 0x414e,     /* ntp: is this answer off? */
	DRAW_DISCONNECT = 0x4443, /* when the flow is to be reset */
	DRAW_TAKEN = 0x544b,      /* answer: is this connection taken to the responder? */
	DRAW_AS_BEFORE = 0x10000, /* or'ed: is this lot that of the packet before? */
};

/* 32 bits; compare with a threshold of 0..2^32: hit if below. */
static inline __attribute__((always_inline)) __u32 draw(__u64 seed, enum draw what, __u64 flow, __u32 dir,
							__u32 index)
{
	return mix64(mix64(seed ^ what) ^ flow ^ mix64((__u64)(dir + 1) << 32 | index)) >> 32;
}

#define LOG_BITS 27

/*
 * -ln of a draw, taken as (2 lot + 1) / 2^33, which is neither 0 nor 1; in units of 2^-LOG_BITS. The logarithm to the base 2 comes bit
 * by bit from squaring the mantissa (Knuth, The Art of Computer Programming, 1.2.2, exercise 25). Off by less than 2^-LOG_BITS.
 */
static inline __attribute__((always_inline)) __u32 minus_ln(__u32 lot)
{
	__u64 m = 2 * (__u64)lot + 1, log = 0;
	int i;

	for (i = 5; i >= 0; i--)
		if (m >> (1 << i)) {
			log += 1 << i;
			m >>= 1 << i;
		}
	/* log is the number of the leading bit; m becomes the mantissa, from 1 up to 2, in units of 2^-31. */
	m = 2 * (__u64)lot + 1;
	m = log > 31 ? m >> (log - 31) : m << (31 - log);
	for (i = 0; i < LOG_BITS; i++) {
		__u64 bit;

		m = m * m >> 31;
		bit = m >> 32;
		m >>= bit;
		log = log << 1 | bit;
	}
	return ((33ULL << LOG_BITS) - log) * 0xb17217f8 >> 32; /* ln 2 in units of 2^-32 */
}

/* An exponentially distributed time of that mean. */
static inline __attribute__((always_inline)) __u64 exponential(__u64 mean_ns, __u32 lot)
{
	__u64 factor = minus_ln(lot);

	return ((mean_ns >> 32) * factor << (32 - LOG_BITS)) + ((mean_ns & 0xffffffff) * factor >> LOG_BITS);
}

#endif
