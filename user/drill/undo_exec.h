/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that takes back what another did: it has PATH and HOME alone, also in the run that it belongs to. */
#ifndef SHEARPIN_UNDO_EXEC_H
#define SHEARPIN_UNDO_EXEC_H

#include "drill/child.h"

/* "PATH=...", "HOME=..." of this process, those that are set; environment[2] is NULL at the latest. free() both. */
int undo_exec_environment(char *environment[3]);

/* In a few words why it has not done so: its status, and the first line of its output. */
void undo_exec_explain(int status, const char *output, size_t len, char *ret_why, size_t size);

#endif
