/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows as the log names them, "10.1.0.1:53122>10.1.0.2:40001/tcp", and the paths that they belong to. Pure. */
#ifndef SHEARPIN_FLOW_KEY_H
#define SHEARPIN_FLOW_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Also a path: then the port of the end that opens the connections is 0. All bytes are set, so memcmp() compares. */
struct flow_key {
	uint8_t local[16], remote[16]; /* network order; IPv4 in the first 4 bytes, the others 0 */
	uint16_t local_port, remote_port;
	uint8_t proto;    /* IPPROTO_TCP or _UDP */
	uint8_t family;   /* AF_INET or AF_INET6 */
	uint8_t incoming; /* of a path: the remote end opens its connections */
	uint8_t pad;
};

enum flow_opener {
	OPENER_UNKNOWN,
	OPENER_OUT, /* the local end */
	OPENER_IN,
};

#define FLOW_NAME 128 /* bytes that a name takes at most */

/* False: it is no flow of TCP or UDP; *ret is undefined then. */
bool flow_key_parse(const char *text, struct flow_key *ret);

/* The path of a flow. With an unknown opener the end with the lower port was called; with equal ports the remote one. */
struct flow_key flow_key_path(const struct flow_key *flow, enum flow_opener opener);

/* "10.1.0.1>10.1.0.2:40001/tcp", "10.1.0.1:8080<10.1.0.9/tcp", "[fd00::1]>[fd00::2]:53/udp" */
void flow_key_name(const struct flow_key *path, char name[FLOW_NAME]);

#endif
