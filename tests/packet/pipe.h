/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A rule as docs/scenario.md describes it, for one flow in one direction, packet after packet: what the programs must do.
 * Lots with a memory are drawn forwards, from the flow's first packet on; the programs, which keep none, look back. Only the
 * draw itself (chance.bpf.h) is shared; test_decide.c has known answers for it.
 */
#ifndef TESTS_PIPE_H
#define TESTS_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>

#include "abi.h"
#include "chance.bpf.h"

#define PERCENT(x) ((uint64_t)((x) * (double)SP_ALWAYS / 100))

/* Lots of one kind, each of which is with some probability that of the packet before. */
struct chain {
	uint32_t next; /* index */
	uint32_t lot;
};

struct pipe {
	const struct sp_rule *rule;
	const int16_t *table; /* of its distribution; NULL: uniform */
	uint64_t flow;        /* hash */
	uint32_t dir;
	uint32_t index;    /* of the next packet */
	uint32_t instance; /* of the window */
	uint32_t owed;     /* packets that drop_every took */
	struct chain loss, jitter, duplicate, corrupt, reorder;
	uint32_t steps; /* that the Gilbert-Elliott model has made */
	bool bad;       /* its state */
	uint64_t last;  /* release of the last packet that keeps its order */
	uint64_t free;  /* when the narrow path is free again, less its burst */
	struct {
		uint64_t drawn, hit;
	} chance[SP_CHANCES];
	uint64_t raised, clipped, overflow;
};

/* A packet on its way through pipes, one after the other. */
struct crossing {
	uint64_t now;    /* of its arrival */
	uint64_t opened; /* the window that is open then */
	uint32_t segments;
	uint32_t bytes; /* on the wire, of all segments, with Ethernet headers */
	bool has_payload;
	/* What the pipes made of it; all 0 to begin with. */
	uint64_t release, first; /* when its last segment and its first are due */
	uint64_t arrives;        /* at the next narrow path: what passed one comes later; 0: now */
	uint64_t requested;
	uint32_t draw;
	uint8_t copies, alter;
};

uint32_t chain_lot(struct chain *chain, const struct pipe *pipe, enum draw what, uint64_t correlation);
/* The verdict of this pipe. */
enum sp_verdict pipe_cross(struct pipe *pipe, struct crossing *c);

#endif
