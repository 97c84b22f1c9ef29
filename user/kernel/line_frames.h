/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory in which frames wait: taken from the system once, up to a cap, in slabs that serve one size each while any of
 * their frames is in use. No allocation by the frame. Pure; one thread.
 */
#ifndef SHEARPIN_LINE_FRAMES_H
#define SHEARPIN_LINE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#define LINE_SLAB_BYTES (512 * 1024)

/* The longest that a TAP gives: vnet header, Ethernet header, VLAN tag, and 65535 bytes that need no padding. */
#define LINE_FRAME_MAX (10 + 14 + 4 + 65535)

struct line_frame {
	uint32_t len;
	uint32_t tap; /* where it came from */
	unsigned char bytes[];
};

struct line_frames;

/* Room for `cap` bytes, rounded up to slabs, frames' headers and the loss of rounding included. 0 or -ENOMEM. */
int line_frames_open(size_t cap, struct line_frames **ret);

/* Room for len bytes (at most LINE_FRAME_MAX), contents undefined; NULL: the cap is reached. */
struct line_frame *line_frames_get(struct line_frames *frames, size_t len);

/* Would a smaller frame do for len bytes? */
int line_frames_fits_smaller(const struct line_frame *frame, size_t len);

void line_frames_put(struct line_frames *frames, struct line_frame *frame);

size_t line_frames_cap(const struct line_frames *frames);

void line_frames_close(struct line_frames *frames); /* accepts NULL; with it go all frames */

#endif
