/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ends of the world's pair of interfaces with known addresses, 192.0.2.1/24 at the near one, and a capture at each. */
#ifndef TESTS_PAIR_H
#define TESTS_PAIR_H

extern int near_fd, far_fd; /* of capture_open() */

/* For cmocka, of a group. */
int pair_open(void **state);
int pair_close(void **state);

#endif
