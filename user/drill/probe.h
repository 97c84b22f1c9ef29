/* SPDX-License-Identifier: BSD-2-Clause */
/* A kind of probe as drill/probes.c sees it, and what it offers to the kinds. */
#ifndef SHEARPIN_PROBE_H
#define SHEARPIN_PROBE_H

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
	uint64_t sampled; /* when */
	const char *why;  /* it is not healthy, or not known; static text */
};

struct probe_kind {
	/* 0 or a negative errno; then close() is not called. */
	int (*open)(struct probe *p);
	void (*close)(struct probe *p);
	/* Do what is due; the time of the next call. */
	uint64_t (*run)(struct probe *p, uint64_t now);
	/* What it watches with probe_watch() is ready. NULL: it watches nothing. */
	void (*ready)(struct probe *p);
};

extern const struct probe_kind probe_tcp, probe_log;

/* A sample, with all but probe, index and changed filled in. */
void probe_tell(struct probe *p, struct probe_sample *sample);
/* The next time of the raster; what a slow sample has covered is left out. */
void probe_rest(struct probe *p, uint64_t now);
/* EPOLLOUT and the like; closing the descriptor ends it. 0 or a negative errno. */
int probe_watch(const struct probe *p, int fd, uint32_t events);

#endif
