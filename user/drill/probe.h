/* SPDX-License-Identifier: BSD-2-Clause */
/* A kind of probe as drill/probes.c sees it, and what it offers to the kinds. */
#ifndef SHEARPIN_PROBE_H
#define SHEARPIN_PROBE_H

#include <sys/socket.h>

#include "drill/probes.h"

struct probe {
	const struct plan *whole; /* what `plan` is part of */
	const struct plan_probe *plan;
	const struct probe_kind *kind;
	const struct probe_loop *loop;
	size_t index;
	void *state; /* the kind's own */
	uint64_t due;
	bool known, healthy;
	uint32_t contrary; /* samples in a row that were of the other state */
	uint64_t sampled;  /* when */
	const char *why;   /* it is not healthy, or not known; static text, or `said` */
	char said[96];
	/* This end's port of a connection that outlives a sample; 0: none. */
	uint16_t held_port;
	bool resting; /* a watch that is not started */
	bool busy;    /* in one of its kind's functions */
	bool stopped; /* meanwhile */
};

struct probe_kind {
	/* 0 or a negative errno; then close() is not called. */
	int (*open)(struct probe *p);
	void (*close)(struct probe *p);
	/* Do what is due; the time of the next call. Not called of a probe that rests, unless `follows`. */
	uint64_t (*run)(struct probe *p, uint64_t now);
	/* What it watches with probe_watch() is ready. NULL: it watches nothing. */
	void (*ready)(struct probe *p);
	/*
	 * End the sample that is under way, and forget what was seen: the next run() is as the first one. Harmless where there is
	 * nothing to end; never called from within run() or ready(). NULL: nothing is ever under way, and nothing is kept.
	 */
	void (*stop)(struct probe *p);
	bool follows; /* a watch is at work all the time, started or not */
};

extern const struct probe_kind probe_tcp, probe_log, probe_http, probe_stream, probe_prometheus, probe_json,
	probe_exec, probe_file, probe_process;

/*
 * A sample, with all but probe, index, good and changed filled in: `healthy` is its own, and becomes the state by `rising` and
 * `falling`. Who hears of it may stop the probe, or start it anew; the kind's stop() is called later.
 */
void probe_tell(struct probe *p, struct probe_sample *sample);
/* A sample of this moment, which took no time; `error` is what it has unless it is healthy. The probe rests until it is due again. */
void probe_tell_now(struct probe *p, struct probe_sample *sample, const char *error);
/*
 * Where a probe of the kinds _TCP and _STREAM goes to: host and port, or the first of its target. 0; -EDESTADDRREQ: the target has
 * no single address, or no port (yet); -EINVAL: the host is no address.
 */
int probe_address(const struct probe *p, struct sockaddr_storage *ret, socklen_t *ret_len);
/* "refused", "reset", "timeout", "unreachable", or in the system's words; static text. */
const char *probe_error(int error);
/* The next time of the raster; what a slow sample has covered is left out. */
void probe_rest(struct probe *p, uint64_t now);
/*
 * EPOLLOUT and the like, in place of what was asked for before; closing the descriptor ends it. A kind with several descriptors has an epoll of its own, and watches
 * that. 0 or a negative errno.
 */
int probe_watch(const struct probe *p, int fd, uint32_t events);
/*
 * Call ready() if what is watched is ready for these (POLLOUT and the like) by now. Asked before a sample has timed out: it may be the
 * caller's loop that is late, and has not come to say so.
 */
void probe_look(struct probe *p, int fd, short events);

#endif
