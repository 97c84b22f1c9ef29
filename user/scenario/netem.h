/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of tc-netem(8), as `shearpin inject --netem` takes them: "delay 100ms 10ms 25% loss 5%". Read as tc reads them
 * (tc/q_netem.c of iproute2): any order, abbreviations, times without a unit are microseconds, rates without one
 * bits per second, percentages with or without their sign.
 */
#ifndef SHEARPIN_SCENARIO_NETEM_H
#define SHEARPIN_SCENARIO_NETEM_H

#include "scenario/tree.h"

/*
 * Add what the text says to the mapping `fault`, as the keys of a fault, each with its word's place as the origin; *ret_seed is
 * the scalar of `seed`, or NULL. False: a mistake went to `errors`, or there was no memory (which the arena knows).
 */
bool netem_read(struct arena *a, struct errors *errors, const char *text, struct node *fault,
		struct node **ret_seed);

#endif
