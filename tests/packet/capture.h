/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes in at an interface, as the wire has it, and a way to put frames on it. Negative errno on failure. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_TIMEOUT_MS 10000 /* of a busy machine; what comes at all comes at once */

struct captured {
	uint8_t data[70000];
	size_t len;
	bool partial;       /* the checksum was still to be completed; completed in `data` */
	size_t csum_start;  /* where from, if partial */
	size_t csum_offset; /* where to, from there */
};

/* A socket that hears (but for its own) all frames that come in at `name` from now on, and sends on it. */
int capture_open(const char *name);

/* The next frame that came in, with its VLAN tag back in place. -ETIMEDOUT: none within CAPTURE_TIMEOUT_MS. */
int capture_next(int fd, struct captured *ret);

/* Have nothing but what was captured so far come in at `fd`? Sends a mark from the other end and waits for it. */
bool capture_is_silent(int fd, int other_end_fd);

/*
 * Send a frame. csum_start > 0: its checksum is to be completed from there on at csum_offset behind (the frame then
 * holds the pseudo header's sum); segment > 0: a GSO packet of TCP segments of that many bytes.
 */
struct offload {
	uint16_t csum_start, csum_offset;
	uint16_t segment, headers;
	bool ipv6;
};
int capture_send(int fd, const void *frame, size_t len, const struct offload *offload);

#endif
