/* SPDX-License-Identifier: BSD-2-Clause */
/* The target.* events of docs/run-directory.md: whose flows the targets mean, and which of these owners are gone. */
#ifndef SHEARPIN_TARGET_OWNERS_H
#define SHEARPIN_TARGET_OWNERS_H

#include "drill/journal.h"
#include "kernel/owned.h"

/* `owned` may be NULL. */
void target_owners_tell(struct journal *journal, const struct plan *plan, const struct owned *owned);
/* Each that has gone since. */
void target_owners_follow(struct journal *journal, const struct plan *plan, struct owned *owned);

#endif
