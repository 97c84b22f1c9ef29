/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child process in a network namespace of its own. It is killed when its parent dies, has a session of its own
 * (the terminal's Ctrl-C is for the parent alone), and waits for lab_process_go() before it does anything.
 */
#ifndef SHEARPIN_LAB_PROCESS_H
#define SHEARPIN_LAB_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct lab_process {
	pid_t pid;   /* 0: none */
	int channel; /* to the child; -1: none */
	int netns;   /* the child's namespace; -1: none */
};

#define LAB_NO_PROCESS                                                                                       \
	{                                                                                                    \
		.channel = -1, .netns = -1                                                                   \
	}

/*
 * Make the child and its namespace. body() runs in the child after lab_process_go(); it ends in exec() or never.
 * If it returns, it returns a negative errno. 0 or a negative errno; then there is no child.
 */
int lab_process_start(struct lab_process *p, int (*body)(void *arg), void *arg);

/* Let the body run. With `execs`, wait for its exec(): 0, or the negative errno that the body returned. */
int lab_process_go(struct lab_process *p, bool execs);

/* Is it still running? */
bool lab_process_alive(const struct lab_process *p);

/* Kill and collect it, close its handles. May be called again. */
void lab_process_end(struct lab_process *p);

#endif
