/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks, and how times are written. All times are nanoseconds. */
#ifndef SHEARPIN_TIMEUTIL_H
#define SHEARPIN_TIMEUTIL_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL

uint64_t clock_mono_ns(void);
uint64_t clock_real_ns(void);

/* CLOCK_REALTIME minus CLOCK_MONOTONIC, taken as the tightest of several readings; ret_error_ns: half the bracket. */
int64_t clock_offset_ns(uint64_t *ret_error_ns);

/* "2026-02-11T09:30:00.123Z" into text (at least 25 bytes); "20260211T093000Z" (at least 17 bytes) for names. */
void format_utc(uint64_t real_ns, char *text, size_t size);
void format_utc_compact(uint64_t real_ns, char *text, size_t size);

/* For people: "20s", "1m30s", "250ms", "66.3us": three significant digits below a minute. */
void format_duration(uint64_t ns, char *text, size_t size);
/* The same without rounding, so that parse_duration() reads it back: "1m30.25s" (at least 32 bytes). */
void format_duration_exact(uint64_t ns, char *text, size_t size);

#endif
