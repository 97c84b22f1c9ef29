/* SPDX-License-Identifier: BSD-2-Clause */
/* A `packet` event's line, read as the log writes it, key by key: of millions of them a JSON parser takes its time. */
#ifndef SHEARPIN_PACKET_LINE_H
#define SHEARPIN_PACKET_LINE_H

#include <stdbool.h>

#include "evidence/read.h"

#define PACKET_LINE_NAME 400

struct packet_line {
	uint64_t instance, rule, index, segments;
	char step[PACKET_LINE_NAME], target[PACKET_LINE_NAME], flow[128], verdict[16], direction[8];
};

/* False: it is not written so, or a name has an escape sequence: event_json() tells what it is. */
bool packet_line_read(const struct event *event, struct packet_line *ret);

#endif
