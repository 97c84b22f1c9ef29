/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHEARPIN_DIRECTORY_H
#define SHEARPIN_DIRECTORY_H

/* A directory as the user writes it, without the slashes that a shell's completion puts behind it. NULL: no memory. */
char *directory_name(const char *path);

#endif
