/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs' decisions (deciding.h) beside those of the model (pipe.h): packet by packet the same, or the test fails. */
#ifndef TESTS_MODELLED_H
#define TESTS_MODELLED_H

#include "packet/deciding.h"
#include "packet/pipe.h"

#define MOST_PIPES 32

/* One flow's packets in one direction, through one rule or several in series. */
struct modelled {
	struct deciding *d;
	struct spec spec;
	bool out;
	unsigned n_pipes;
	struct pipe pipes[MOST_PIPES];
	uint64_t verdicts[SP_VERDICTS]; /* the winners' */
};

/* The tables of distributions, for the programs and the model. */
void fill_distributions(struct deciding *d);

/* Of rules 0 to n - 1. */
void model_flow(struct modelled *m, struct deciding *d, const struct spec *s, bool out, unsigned n);
/* One packet, of `given.segments` segments, at `now`, when the window is open that opened at `opened`. */
enum sp_verdict model_packet(struct modelled *m, uint64_t now, uint64_t opened);
/* n packets of one rule, `given.step` apart from T0 on, when its window opened. */
const struct fate *model_run(struct modelled *m, uint32_t n);

/* What is counted for the first rule, where it is the only one: the balance, the receipt. */
void expect_counts_as_modelled(const struct modelled *m);

#endif
