/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHEARPIN_REHEARSE_H
#define SHEARPIN_REHEARSE_H

#include <stddef.h>

#include <linux/types.h>

#include "abi.h"

struct shearpin;

/*
 * Put one packet through the loaded program of a hook as if every window were open, without touching anything: the rule that would
 * hit it, or -1. The packet is an Ethernet frame. May be called before engine_attach() only. 0 or a negative errno.
 */
int rehearse(struct shearpin *skel, enum sp_hook hook, int ifindex, const void *frame, size_t len,
	     int *ret_rule);

#endif
