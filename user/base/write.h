/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHEARPIN_WRITE_H
#define SHEARPIN_WRITE_H

#include <stddef.h>

/* Every byte, in as many pieces as it takes. 0 or a negative errno; then there may be some of them. */
int write_all(int fd, const void *data, size_t len);

#endif
