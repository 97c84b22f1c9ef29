/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the line of a `packet` event: the same bytes as log_append() of that event makes, without an allocation or a printf
 * for each. What many lines have in common is kept as text, and so are the last IPv6 addresses.
 */
#ifndef SHEARPIN_LOG_PACKET_H
#define SHEARPIN_LOG_PACKET_H

#include "base/buf.h"
#include "evidence/log.h"

struct packet_text;

/* NULL: no memory. */
struct packet_text *packet_text_new(void);
/* Accepts NULL. */
void packet_text_free(struct packet_text *text);

/* What the log decides about a line. */
struct line_place {
	uint64_t seq, ts_ns;
	bool late;
	const char *prev; /* 64 hexadecimal digits */
};

/* Add the line, without its newline. 0 or -ENOMEM. */
int packet_text_add(struct packet_text *text, const struct log_packet *packet, const struct line_place *place,
		    struct buf *out);

#endif
