/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An HTTP/1.x server on the loopback of this network namespace that gives every request the same answer, in the clear or, with a
 * certificate, in TLS. Requests' bodies are read and thrown away; connections are kept alive as their clients ask.
 *
 * It has a thread for each family (of libmicrohttpd), which calls the gate. Everything else is the caller's thread's, but for
 * responder_drop(), which any thread may call. Functions return 0 or a negative errno.
 */
#ifndef SHEARPIN_RESPONDER_H
#define SHEARPIN_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/plan.h"

/* Connections at a time, of each family; others wait to be accepted. */
#define RESPONDER_CONNECTIONS 1024

#define RESPONDER_V4 1
#define RESPONDER_V6 2

/* Whether requests are to be answered. */
struct responder_gate {
	bool (*is_open)(void *arg); /* false: connections are closed without an answer */
	void (*answered)(void *arg);
	void *arg;
};

struct responder;

/*
 * Read the certificate and its key, and listen on 127.0.0.1, ::1, or both, at a port that is free. `families` are
 * RESPONDER_V4 and _V6, or'ed; one of `may_lack` is left out if this host doesn't have it. ret_reason says for people what was
 * wrong.
 */
int responder_open(const struct plan_answer *answer, unsigned families, unsigned may_lack,
		   const struct responder_gate *gate, struct responder **ret, char *ret_reason, size_t size);

uint16_t responder_port(const struct responder *responder, int family); /* 0: it doesn't listen there */

/* Close the connections: what was asked before is still answered, or with `at_once` it isn't. */
void responder_drop(struct responder *responder, bool at_once);

bool responder_is_idle(struct responder *responder); /* there is no connection */

/* Stop listening, close every connection, and wait for the threads. */
void responder_close(struct responder *responder); /* accepts NULL */

#endif
