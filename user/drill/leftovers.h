/* SPDX-License-Identifier: BSD-2-Clause */
/* What dead runs changed on this host outside the kernel programs, and did not come to take back: every kind there is. */
#ifndef SHEARPIN_LEFTOVERS_H
#define SHEARPIN_LEFTOVERS_H

#include "drill/undo_replay.h"

/* The kind of a clock step. Data: {"offset_ns": what was put on the clock, "before_ns": its reading then (clock_set.h)}. */
#define UNDO_CLOCK "clock"

/* undo_replay() of the directory with the kinds above. */
int leftovers_take_back(const char *directory, void (*call)(void *arg, const struct undone *undone),
			void *arg);

/* One of them in words for people: "the clock, put ahead by 5s, is put back". */
void leftovers_describe(const struct undone *undone, char *text, size_t size);

#endif
