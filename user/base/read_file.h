/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that others write: regular ones alone, since to open or read a FIFO, a device or a directory may wait or do something. */
#ifndef SHEARPIN_READ_FILE_H
#define SHEARPIN_READ_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"

/*
 * Add what the file holds, but not more than its first `most` bytes, to the buffer. 0 or a negative errno: -ENOENT and the like of
 * open(2), -ENOTSUP (no regular file), -EFBIG (there is more; what fits is in the buffer). ret_stat is of the file that was
 * read, from before the reading; NULL: not asked for.
 */
int read_file(const char *path, size_t most, struct buf *ret, struct stat *ret_stat);

#endif
