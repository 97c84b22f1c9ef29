/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames, built byte by byte from a description, with every checksum right: what goes into a program and what must come
 * out of it. Nothing here is shared with the programs.
 */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_EXTENSIONS 8

enum {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
	URG = 0x20,
};

struct end {
	uint8_t mac[6];
	uint8_t addr4[4];
	uint8_t addr6[16];
	uint16_t port;
};

struct spec {
	struct end from, to;
	unsigned vlans;                       /* tags */
	int family;                           /* 4 or 6; 0: ARP instead of IP */
	unsigned ip_options;                  /* bytes, a multiple of 4 */
	uint8_t extensions[FRAME_EXTENSIONS]; /* IPv6 header numbers, in order */
	unsigned n_extensions;
	uint16_t fragment; /* offset in units of 8 bytes */
	bool more_fragments;
	uint8_t tos, ttl;
	uint16_t id;
	uint8_t proto;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	unsigned tcp_options; /* bytes, a multiple of 4 */
	unsigned payload;     /* bytes */
	const uint8_t *data;  /* they; NULL: of no meaning */
	unsigned padding;     /* behind the datagram */
};

struct frame {
	size_t len;
	size_t l3, l4, payload; /* offsets */
	uint8_t data[40000];
};

extern const struct end near_end, far_end;

/* A packet between the two ends: near to far if `out`. With a payload, PSH and ACK for TCP. */
struct spec packet(int family, uint8_t proto, bool out);
/* Tags, options or extensions, and padding, by the variant. */
void vary_headers(struct spec *s, unsigned variant);
void frame_build(const struct spec *s, struct frame *ret);

/* Of a transport's checksum, in its header; 0: it has none. */
size_t checksum_at(uint8_t proto);
/* Make the transport's checksum agree with what is in the built frame now. */
void frame_checksum(const struct spec *s, struct frame *f);
/* The sum over the transport of such a frame, which ends at `end`: 0xffff if its checksum agrees. */
uint16_t transport_sum(const struct spec *s, const uint8_t *frame, size_t l4, size_t end);

/* The RST that an end should get for the segment: to its sender (swapped), or on to its receiver. */
struct spec rst_for(const struct spec *segment, bool to_sender);

/* RFC 1071; `sum` of what came before. */
uint32_t sum_bytes(const void *data, size_t len, uint32_t sum);
uint16_t sum_fold(uint32_t sum);
/* The sum of the pseudo header of a built frame's transport, `len` bytes of it. */
uint32_t sum_pseudo(const struct spec *s, uint8_t proto, size_t len);

#endif
