/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The extended attributes of a file, kept beside its copy in COPY.xattr: of each the name, a NUL, the length of the value as 4
 * bytes in host order, the value. No file: it has none. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_FILE_XATTRS_H
#define SHEARPIN_FILE_XATTRS_H

/* Synced, but for the folder. */
int file_xattrs_keep(int fd, const char *copy);
/* Set those that are missing or another, remove those that were not there. */
int file_xattrs_restore(int fd, const char *copy);

#endif
