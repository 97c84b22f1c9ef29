/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ends of the world's pair of interfaces, with a capture at each. What fails ends the test. */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

#include "packet/capture.h"
#include "packet/frame.h"

extern int near_fd, far_fd;      /* of capture_open() */
extern struct captured captured; /* the last */

/* For cmocka, of a group; the ends have known addresses, 192.0.2.1/24 at the near one. */
int pair_open(void **state);
int pair_close(void **state);
/* In a world that is there; 0 or a negative errno. pair_close() ends it. */
int pair_listen(void);

/* The next frame is this one. */
void expect_frame_at(int fd, const struct frame *f);
void expect_captured(int fd, const struct spec *s);
/* Nothing else has come in at either end. */
void expect_silence(void);

#endif
