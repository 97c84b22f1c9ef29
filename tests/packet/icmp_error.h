/* SPDX-License-Identifier: BSD-2-Clause */
/* An ICMP error byte for byte (RFC 792, RFC 4443): the whole answer, and the packet that it quotes. */
#ifndef TESTS_ICMP_ERROR_H
#define TESTS_ICMP_ERROR_H

#include <stdint.h>

#include "packet/frame.h"
#include "packet/scene.h"

struct icmp_error {
	uint8_t type, code;
	uint32_t rest; /* of the ICMP header's second word */
};

/* What the program made of a frame is that error, on its way back to the sender. s, f: the packet that is quoted. */
void expect_icmp_error(const struct ran *ran, const struct icmp_error *error, const struct spec *s,
		       const struct frame *f);

#endif
