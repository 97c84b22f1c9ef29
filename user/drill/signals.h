/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals that ask a run to end: while they are open they wait to be read, instead of ending the process. */
#ifndef SHEARPIN_DRILL_SIGNALS_H
#define SHEARPIN_DRILL_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct signals {
	int fd; /* readable when one has come; -1: not open */
	sigset_t before;
};

/* 0 or a negative errno, and then nothing is to be closed. SIGXFSZ and SIGPIPE are ignored from here on. */
int signals_open(struct signals *s);
/* True: one has come, and the reason says which, and from whom. */
bool signals_read(const struct signals *s, char *ret_reason, size_t size);
/* What has come and was not read is forgotten: it would end the process. */
void signals_close(struct signals *s);

#endif
