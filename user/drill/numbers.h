/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counting numbered messages: what is missing, what came twice, what came late. Each number from the first one received on is
 * expected once, in ascending order. Exact as long as nothing comes later than NUMBERS_WINDOW numbers behind the highest one.
 *
 *	received = distinct + twice + stray
 *	missing = highest - first + 1 - distinct
 */
#ifndef SHEARPIN_NUMBERS_H
#define SHEARPIN_NUMBERS_H

#include <stdint.h>

#define NUMBERS_WINDOW (1U << 20)

struct numbers {
	uint64_t received;
	uint64_t distinct; /* numbers from the first one on */
	uint64_t twice;    /* messages whose number was there already */
	uint64_t late;     /* distinct ones that came behind a higher one */
	uint64_t stray; /* messages before the first number, or too far back to tell whether they are new */
	uint64_t gaps;  /* how often a number was not the next one, but a higher one */
	uint64_t first, highest;
	uint64_t seen[NUMBERS_WINDOW / 64]; /* of the last NUMBERS_WINDOW ones, by number modulo that */
};

/* Begin with a struct of zeroes. */
void numbers_add(struct numbers *n, uint64_t number);
uint64_t numbers_missing(const struct numbers *n);
/* distinct / (highest - first + 1); 1 if nothing was received. */
double numbers_completeness(const struct numbers *n);

#endif
