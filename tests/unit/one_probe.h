/* SPDX-License-Identifier: BSD-2-Clause */
/* A probe by itself, on a loop of the test's own. What is due in the future is done at once, for its own clock is what it is told. */
#ifndef TESTS_ONE_PROBE_H
#define TESTS_ONE_PROBE_H

#include "drill/probes.h"

struct seen {
	bool healthy, good, changed, has_value;
	double value;
	uint64_t mono_ns, latency_ns;
	char error[128], detail[256]; /* "": none */
};

/* `every`, `timeout`, `rising` and `falling` have their usual values where it has none. Its own texts must last. */
void one_probe_start(const struct plan_probe *what);
/* Do what is due next, without waiting for anything; how many samples came. */
unsigned one_probe_step(void);
/* The next sample, however long it takes. */
const struct seen *one_probe_next(void);
/* The next sample is like this. */
void one_probe_expect(bool good, const char *error, const char *detail);
/* The sample that is under way. */
const struct seen *one_probe_wait(void);
/* Until what it watches is ready, which it is not told. */
void one_probe_await(void);
/* One round of a caller's loop. */
void one_probe_turn(void);
/* Do what is due by then, `after_ns` from now, without waiting. */
unsigned one_probe_at(uint64_t after_ns);
const struct seen *one_probe_last(void);
struct probes *one_probe(void);
void one_probe_stop(void);

#endif
