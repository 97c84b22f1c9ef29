/* SPDX-License-Identifier: BSD-2-Clause */
/* The deciding and accounting parts of the programs (decide.bpf.c) at work, with the time and the rules that a test gives. */
#ifndef TESTS_DECIDING_H
#define TESTS_DECIDING_H

#include <bpf/libbpf.h>

#include "abi.h"
#include "packet/frame.h"
#include "tests/packet/decide.skel.h"

#define NONE (-1)
#define T0 1000000000000ULL
#define HOUR 3600000000000ULL

struct deciding {
	struct decide *skel;
	struct ring_buffer *ring;
	struct sp_event last;
	unsigned events[3]; /* by type */
	int cpus;
};

/* For cmocka: each test with programs and maps of its own. */
int deciding_open(void **state);
int deciding_close(void **state);

/* A rule that matches, open from T0 on for an hour, that does nothing yet. */
struct sp_rule *add_rule(struct deciding *d, unsigned i);

/* The winning verdict, or NONE; at `now`, or when the last packet was. */
int decide_spec(struct deciding *d, const struct spec *s);
int decide_at(struct deciding *d, const struct spec *s, uint64_t now);

/* A UDP packet of the flow with this number. */
struct spec flow_packet(unsigned flow, bool out);
void flow_of(const struct spec *s, bool out, struct sp_flow_key *ret);
uint64_t hash_of(const struct spec *s, bool out);

struct sp_counters counters_of(struct deciding *d, uint32_t slot);
uint64_t stat_of(struct deciding *d, __u32 which);

#endif
