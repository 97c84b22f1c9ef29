/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's side of drill/conns.h: the engine's table, the walk over open files, the cgroups' paths. */
#ifndef SHEARPIN_CONNS_KERNEL_H
#define SHEARPIN_CONNS_KERNEL_H

#include "drill/conns.h"

/* Close it with conns_kernel_close(), before the engine. 0 or a negative errno. */
int conns_kernel_open(struct engine *engine, struct conns_kernel *ret);
void conns_kernel_close(struct conns_kernel *kernel); /* all zero: nothing to do */

#endif
