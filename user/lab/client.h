/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lab's client: speaks RESP to a redis server. Every CLIENT_PACE_NS it sets a counter and reads it back; when
 * the connection fails it connects again, with an exponential back-off from CLIENT_BACKOFF_MIN_NS to
 * CLIENT_BACKOFF_MAX_NS, each wait 10 % longer or shorter by chance.
 *
 * It runs in a process of its own. What it sees stands in a client_record in shared memory: `connected` may be
 * read at any time, everything else once the process has ended.
 */
#ifndef SHEARPIN_LAB_CLIENT_H
#define SHEARPIN_LAB_CLIENT_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timeutil.h"

#define CLIENT_PACE_NS (50 * NS_PER_MS)
#define CLIENT_TIMEOUT_NS NS_PER_S /* for a connection, and for an answer */
#define CLIENT_BACKOFF_MIN_NS (100 * NS_PER_MS)
#define CLIENT_BACKOFF_MAX_NS (2 * NS_PER_S)
#define CLIENT_MAX_OUTAGES 512

/* What is wrong with a connection: an errno, or one of these. */
#define CLIENT_CLOSED (-1) /* the server closed it */
#define CLIENT_WRONG (-2)  /* an answer that is not RESP, or not to what was asked */

/* CLOCK_REALTIME and CLOCK_MONOTONIC side by side: one to print, one to subtract. */
struct client_time {
	uint64_t real_ns, mono_ns;
};

struct client_outage {
	struct client_time lost, back; /* back.mono_ns 0: never */
	int error;                     /* that ended the connection */
	unsigned attempts;             /* to connect again, the one that succeeded included */
};

struct client_record {
	_Atomic unsigned connected; /* 1 while there is a connection on which an answer came */
	uint64_t answers;
	uint64_t wrong;   /* answers that were not the value just set */
	uint64_t missing; /* acknowledged values that were gone after a reconnect */
	size_t outages;   /* may exceed what is kept below */
	struct client_outage outage[CLIENT_MAX_OUTAGES];
};

/* A change of state, as it happens, in the client's process. */
struct client_event {
	struct client_time at;
	unsigned attempt; /* connected: at this attempt; 0: lost */
	int error;
};

struct client_options {
	struct sockaddr_storage server;
	socklen_t server_len;
	uint64_t seed; /* of the jitter */
	void (*on_event)(const struct client_event *event, void *arg);
	void *arg;
};

/* The wait before the given attempt (from 1 on) to connect again; draw is uniform over 32 bits. */
uint64_t client_backoff_ns(unsigned attempt, uint32_t draw);

/* A connection to the server, or a negative errno (-ETIMEDOUT after timeout_ns). The socket doesn't block. */
int client_connect(const struct client_options *options, uint64_t timeout_ns);

/* Never returns; the process is ended by a signal. */
_Noreturn void client_run(const struct client_options *options, struct client_record *record);

#endif
