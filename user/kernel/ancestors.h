/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes that started this one: its parent, the parent's parent, and so on, as /proc shows them. */
#ifndef SHEARPIN_ANCESTORS_H
#define SHEARPIN_ANCESTORS_H

#include <stddef.h>
#include <sys/types.h>

#define ANCESTORS_MOST 64

/* The nearest first; how many there are. */
size_t ancestors_find(pid_t ret[ANCESTORS_MOST]);
/* Of any process; 0: it has ended, or its parent can't be seen from here. */
pid_t ancestors_parent(pid_t pid);

#endif
