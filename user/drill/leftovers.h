/* SPDX-License-Identifier: BSD-2-Clause */
/* What dead runs changed on this host outside the kernel programs, and did not come to take back: every kind there is. */
#ifndef SHEARPIN_LEFTOVERS_H
#define SHEARPIN_LEFTOVERS_H

#include "drill/undo_kinds.h"

/* undo_replay() of the directory with every kind. */
int leftovers_take_back(const char *directory, void (*call)(void *arg, const struct undone *undone),
			void *arg);
/* The same, and what can't be taken back is forgotten. */
int leftovers_take_back_or_forget(const char *directory, void (*call)(void *arg, const struct undone *undone),
				  void *arg);
/* undo_replay_one(). */
int leftovers_take_one(const char *journal, unsigned id, enum undo_result *ret);
/* A change of this run, from what its journal has of it; from any thread. */
enum undo_result leftovers_take_data(const char *kind, const char *data, char *ret_reason, size_t size);

/* One of them in words for people: "the clock, which was put ahead by 5s". */
void leftovers_describe(const struct undone *undone, char *text, size_t size);

#endif
