/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets on the wire as stacks hand them to a device. */
#ifndef TESTS_WRAPPED_H
#define TESTS_WRAPPED_H

#include <stdbool.h>

#include "packet/frame.h"

#define WRAPPED_SEGMENT 1400

enum wrapping {
	WRAP_FULL,    /* every checksum there */
	WRAP_PARTIAL, /* the transport's still to be completed */
	WRAP_GSO,     /* and to be cut into segments of WRAPPED_SEGMENT bytes; TCP only */
	WRAPPINGS,
};

/* A frame of frame_build(), TCP or UDP, from capture_open()'s fd. 0 or a negative errno. */
int wrapped_send(int fd, const struct spec *s, const struct frame *f, enum wrapping wrapping);

/* The pair's checksum offload, on or off; GRO is off. */
int wrapped_offload(bool on);

#endif
