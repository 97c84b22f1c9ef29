/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHEARPIN_REHEARSE_H
#define SHEARPIN_REHEARSE_H

#include <stddef.h>

#include <linux/types.h>

#include "abi.h"

struct shearpin;

/* engine_rehearse() on the loaded programs. */
int rehearse(struct shearpin *skel, enum sp_hook hook, int ifindex, const void *frame, size_t len,
	     int *ret_rule);

#endif
