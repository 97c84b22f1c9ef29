/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS queries in packets, and scenes with faults that answer them. */
#ifndef TESTS_ASKING_H
#define TESTS_ASKING_H

#include "packet/frame.h"
#include "packet/message.h"
#include "packet/single.h"

struct plan_fault asking_fault(uint8_t rcode);

/* With the message as payload. */
struct spec asking_packet(int family, uint8_t proto, bool out, const struct message *m);

/*
 * Through the program of that direction; UDP that comes in, with a device's sum over the whole packet (CHECKSUM_COMPLETE), where
 * the kernel's tests know that. It must still be true afterwards.
 */
void asking_run(const struct scene *s, const struct frame *f, bool out);
/* Sent back to the sender of the query. */
void asking_answered(const struct spec *query, const struct message *answer);

#endif
