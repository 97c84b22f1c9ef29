/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHEARPIN_UNDO_SIGNAL_H
#define SHEARPIN_UNDO_SIGNAL_H

#include <stdbool.h>
#include <sys/types.h>

/* Does it stand still, by SIGSTOP or the like? False, too, if there is no such process. */
bool undo_signal_is_stopped(pid_t pid);

#endif
