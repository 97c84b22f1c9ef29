/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Following a text file that others write: complete lines, as they are appended. The file need not be there, and may be
 * replaced (renamed, and a new one in its place: the old one is read to its end, then the new one from its start),
 * truncated, or written anew (read from its start). What it costs depends on what is appended, not on its size.
 *
 * Lines come without their newline (and a carriage return before it), cut to TAIL_LINE bytes; a line that is not
 * ended yet waits. Zeros before a line, as a truncation under a writer leaves them, do not belong to it.
 *
 * Not for several threads. All functions return 0 or a negative errno, unless said otherwise.
 */
#ifndef SHEARPIN_TAIL_H
#define SHEARPIN_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#define TAIL_LINE 65536
#define TAIL_BACK (1024 * 1024) /* how far back tail_open() looks */

struct tail;

/* False: no more lines are wanted (of tail_open() alone; tail_read() takes no notice). */
typedef bool tail_fn(void *arg, const char *line, size_t len);

/*
 * `call` gets the lines that are there, the last one first, from the last TAIL_BACK bytes at most; tail_read() goes on behind
 * them. A file that is not there, or can't be read, is no error. The path is not copied.
 */
int tail_open(const char *path, tail_fn *call, void *arg, struct tail **ret);
void tail_close(struct tail *t); /* accepts NULL */

/*
 * Lines that have come since. 0: all are read; 1: more are there, since `most` bytes were read; a negative errno: there is no
 * file to be read (-ENOENT; -EISDIR, or -EINVAL: no file of the common kind; of open() or read()).
 */
int tail_read(struct tail *t, size_t most, tail_fn *call, void *arg);

#endif
