/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets that stand for one of several (`any_of`): the first of them of which an address and port accepts a TCP connection. To be
 * called once the plan's names have their addresses.
 */
#ifndef SHEARPIN_ALTERNATIVES_H
#define SHEARPIN_ALTERNATIVES_H

#include "drill/findings.h"
#include "drill/hosts.h"
#include "scenario/plan.h"

/*
 * Ask them, and give each such target the matches of the one that is reached, and what its names gain (hosts: NULL where they are
 * not followed); the rules' hooks are chosen anew. One finding for each such target, FINDING_FAIL where none was reached. 0; -ECANCELED: cancel_fd (-1: none) became readable; -ENOMEM; or a negative errno where nothing could be asked.
 */
int alternatives_pick(struct plan *plan, struct hosts *hosts, int cancel_fd, struct findings *findings);
/* All such targets have been given what they stand for. */
bool alternatives_picked(const struct plan *plan);

#endif
