/* SPDX-License-Identifier: BSD-2-Clause */
/* How old what a file says is. Times are CLOCK_REALTIME nanoseconds. */
#ifndef SHEARPIN_AGE_H
#define SHEARPIN_AGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * The time that a JSON value states: a number counts the seconds since 1970, or milli-, micro- or nanoseconds: whichever
 * makes it a time from 1973 on (below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds); a string is RFC 3339, with its
 * offset. 0 or -EINVAL.
 */
int age_time_of(const json_t *value, int64_t *ret_ns);
/* "2026-02-11T09:30:00.123Z", "2026-02-11 10:30:00+01:00". 0 or -EINVAL. */
int age_parse_rfc3339(const char *text, int64_t *ret_ns);
int64_t age_mtime(const struct stat *st);

/* Not further from now than `fresh_ns`, either way: a time that is far ahead says nothing. 0: it does not matter. */
bool age_is_fresh(int64_t now, int64_t then, uint64_t fresh_ns);
/* "75s old", "2s ahead" */
void age_words(int64_t now, int64_t then, char *ret_text, size_t size);

#endif
