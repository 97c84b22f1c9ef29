/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP requests without waiting: one at a time of each client, over libcurl's socket interface (libcurl-multi(3)) on an epoll of
 * the client's own, which the caller watches. Each request is a GET over a new connection, with a TLS handshake of its own where
 * the URL is https. Nothing is taken from the environment (proxies, ~/.netrc), and no redirect is followed. A name in the URL is
 * looked up anew for each request, by drill/lookup.h.
 *
 * Not for several threads.
 */
#ifndef SHEARPIN_FETCH_H
#define SHEARPIN_FETCH_H

#include <stddef.h>

#include "scenario/plan.h"

#define FETCH_BODY (1024 * 1024) /* the most that is read of a body */

struct fetch_answer {
	const char
		*error; /* NULL: a response is there; otherwise a word of probe_error(), or a few of them */
	const char *words; /* more about the error, in libcurl's words; NULL: none */
	unsigned status;   /* 0 without a response */
	const char *body;  /* ends with a NUL, and may have others */
	size_t len;
	uint64_t ended_ns,
		latency_ns; /* from the start of the request: look-up, connecting, handshake, response */
};

struct fetch;

typedef void fetch_done(void *arg, const struct fetch_answer *answer);

/*
 * What is used of the probe: url, headers, ca, insecure, timeout_ns; it must outlive the client. `query`: the url is the one of a
 * Prometheus server, and this is what it is asked. 0; -EINVAL: no URL of http or https, -ENOMEM, -ELIBACC: there is no libcurl, or of system calls.
 */
int fetch_open(const struct plan_probe *probe, const char *query, fetch_done *done, void *arg,
	       struct fetch **ret);
void fetch_close(struct fetch *fetch); /* accepts NULL */

/* Readable when fetch_ready() has something to do. */
int fetch_fd(const struct fetch *fetch);
/* Begin a request, in place of one that is under way. `done` is called once for each that is not ended by fetch_stop(). */
void fetch_start(struct fetch *fetch);
bool fetch_is_busy(const struct fetch *fetch);
/* What is due; the time of the next call (UINT64_MAX: none). A request whose response is there has not timed out. */
uint64_t fetch_run(struct fetch *fetch, uint64_t now);
void fetch_ready(struct fetch *fetch);
void fetch_stop(struct fetch *fetch);

#endif
