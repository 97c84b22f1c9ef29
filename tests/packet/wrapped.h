/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets on the wire between the pair's ends (pair.h), as stacks hand them to a device. What fails ends the test. */
#ifndef TESTS_WRAPPED_H
#define TESTS_WRAPPED_H

#include <stdbool.h>
#include <stddef.h>

#include "packet/frame.h"

#define SEGMENT 1400

enum wrapping {
	FULL,    /* every checksum there */
	PARTIAL, /* the transport's still to be completed */
	GSO,     /* and to be cut into segments of SEGMENT bytes; TCP only */
	WRAPPINGS,
};

/* The pair's checksum offload, on or off; GRO is off. */
void wrapped_offload(bool on);

/* A frame of frame_build(), TCP or UDP, from capture_open()'s fd. */
void wrapped_send_at(int fd, const struct spec *s, const struct frame *f, enum wrapping wrapping);
/* ... out from the near end, or in from the far end. */
void wrapped_send(const struct spec *s, const struct frame *f, bool out, enum wrapping wrapping);
void wrapped_send_spec(const struct spec *s, bool out, enum wrapping wrapping);

/*
 * The next of the far end's frames that hold the payload of `f`: one or several, as the devices agree. Its checksum is right.
 * How much is in it; `done` bytes came before.
 */
size_t wrapped_next(const struct spec *s, const struct frame *f, size_t done);

#endif
