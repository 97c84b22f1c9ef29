/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket that listens where the command line says. */
#ifndef SHEARPIN_METRICS_LISTEN_H
#define SHEARPIN_METRICS_LISTEN_H

#include <stddef.h>

/*
 * "127.0.0.1:9469", "[::1]:9469", or ":9469" (every address, of IPv6 and of IPv4); the descriptor, or a negative errno and why:
 * -EINVAL for what is no such address.
 */
int metrics_listen(const char *address, char *ret_reason, size_t size);

#endif
