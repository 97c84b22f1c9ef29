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

/* What became of a packet of a long run; as decide.bpf.c has it. */
struct fate {
	uint64_t release;
	uint64_t requested;
	uint32_t draw;
	uint8_t verdict;
	uint8_t copies;
	uint8_t alter;
	uint8_t pad;
};

struct deciding {
	struct decide *skel;
	struct ring_buffer *ring;
	struct sp_event last;
	unsigned events[3]; /* by type */
	int cpus;
	const struct fate *fates; /* mapped */
	uint32_t n_fates;         /* room for so many */
};

/* For cmocka: each test with programs and maps of its own. */
int deciding_open(void **state);
int deciding_close(void **state);
/* With room for the fates of a million packets. */
int deciding_open_many(void **state);

/* As if nothing had been seen and counted yet; the rules stay. */
void deciding_reset(struct deciding *d);

/* A rule that matches, open from T0 on for an hour, that does nothing yet. */
struct sp_rule *add_rule(struct deciding *d, unsigned i);

/* The winning verdict, or NONE; at `now`, or when the last packet was. */
int decide_spec(struct deciding *d, const struct spec *s);
int decide_at(struct deciding *d, const struct spec *s, uint64_t now);

/*
 * n packets of that kind, `given.step` ns apart, of which the first comes at `now`; the n fates. The flow's packets before
 * stay before.
 */
const struct fate *decide_run(struct deciding *d, const struct spec *s, uint64_t now, uint32_t n);

/* A UDP packet of the flow with this number. */
struct spec flow_packet(unsigned flow, bool out);
void flow_of(const struct spec *s, bool out, struct sp_flow_key *ret);
uint64_t hash_of(const struct spec *s, bool out);

struct sp_counters counters_of(struct deciding *d, uint32_t slot);
/* Verdicts add up to what matched, or the test fails. */
void expect_balance(const struct sp_counters *c);
struct sp_receipt receipt_of(struct deciding *d, uint32_t slot);
/* The flow's state as the slot has it, read or written. */
struct sp_flow flow_state(struct deciding *d, const struct spec *s, bool out, uint32_t slot);
void set_flow_state(struct deciding *d, const struct spec *s, bool out, uint32_t slot,
		    const struct sp_flow *flow);
uint64_t stat_of(struct deciding *d, __u32 which);

#endif
