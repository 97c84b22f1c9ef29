/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single frames through the production programs (bare.h), into a line whose devices don't exist and out of it. What fails ends
 * the test.
 */
#ifndef TESTS_PASSING_H
#define TESTS_PASSING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "packet/bare.h"
#include "packet/frame.h"

#define PASSING_DELAY (50 * NS_PER_MS)
#define PASSING_MARK 0xcafe1234
#define PASSING_PRIORITY 6

/* A packet in a program, with what the context says of it before and after. */
struct passed {
	struct __sk_buff skb;
	int action;
	size_t len;
	uint8_t frame[4000];
};

extern struct bare bare;
extern struct passed passed; /* the last */

/* For cmocka: of the group, and of each test with a line of that kind. */
int passing_open(void **state);
int passing_close(void **state);
int use_user(void **state);
int use_fq(void **state);

/* Rule 0 delays all. */
struct sp_rule *add_passing_delay(void);

/* segment > 0: as a GSO packet with segments of that size. */
void pass(const struct bpf_program *program, const void *frame, size_t len, unsigned segment);
void pass_packet(const struct spec *s, bool out, unsigned segment, struct frame *ret);
/* What has passed last is that frame, and the program has said so. */
void expect_passed(int action, const struct frame *f);
/* What has passed last, through the way back. */
void pass_return(unsigned segment);

/* Addressed to the line. */
void write_header(uint8_t *frame, uint64_t ticket);
/* What has passed last is the frame with the ticket in it, but for that the packet's own. */
struct sp_parcel expect_in_line(const struct frame *f, uint64_t ticket);
struct sp_parcel parcel_at(uint32_t place);
void set_parcel(uint32_t place, const struct sp_parcel *parcel);
unsigned count_parcels(void);
/* Rule 0 delays all, and one packet over UDP is in the line, going out, with ticket 1. */
struct sp_parcel delay_one(struct frame *ret);
/* A packet at each place. */
void fill_line(struct spec *s, bool out);

#endif
