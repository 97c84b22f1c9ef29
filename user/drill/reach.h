/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a TCP connection get accepted? Several addresses are asked at once; each connection is closed as soon as it stands. Whoever
 * asks waits, for the time-out at most.
 */
#ifndef SHEARPIN_REACH_H
#define SHEARPIN_REACH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "scenario/plan.h"

struct reach {
	struct sockaddr_storage address;
	socklen_t address_len;
	int error;     /* 0: accepted; ETIMEDOUT, ECONNREFUSED, or another errno */
	uint64_t took; /* nanoseconds until the answer; of ETIMEDOUT the time-out */
};

/*
 * Fill in the addresses and ports of a target that a connection can be opened to, at most PLAN_MAX_REACH of them: single addresses
 * (no wider prefixes) with the first port of each range. Returns how many.
 */
size_t reach_target(const struct plan_target *target, struct reach ret[PLAN_MAX_REACH]);
/* One address, and no wider prefix. */
bool reach_is_single(const struct prefix *prefix);
/* 0 or -EINVAL: the host is no numeric address. */
int reach_address(const char *host, uint16_t port, struct reach *ret);

/*
 * Ask them all. Returns once each has answered, or one has accepted and `first` is set (then the others' error is EINPROGRESS), or the
 * time is over (what has come by then is an answer, however late it is looked at), or cancel_fd (-1: none) is readable: -ECANCELED. 0 or a negative errno otherwise, where nothing could be asked.
 */
int reach_try(struct reach *items, size_t n, uint64_t timeout_ns, bool first, int cancel_fd);

/* Is a TCP connection, which counts as accepted, one of the socket to itself? */
bool reach_is_own(int fd);

/* "10.1.0.2:40001", "[fd00::2]:40001" */
void reach_name(const struct reach *item, char *text, size_t size);
/* "connection refused", "timed out after 1.5s" */
void reach_words(const struct reach *item, char *text, size_t size);
/* The likely cause, in a few words; NULL: it was accepted. Static text. */
const char *reach_cause(const struct reach *item);

#endif
