/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/numbers.h"

#include <stdbool.h>
#include <string.h>

#define WORDS (NUMBERS_WINDOW / 64)

static uint64_t *word_of(struct numbers *n, uint64_t number)
{
	return &n->seen[number / 64 % WORDS];
}

static uint64_t bit_of(uint64_t number)
{
	return 1ULL << number % 64;
}

/* Whether it was seen already. */
static bool see(struct numbers *n, uint64_t number)
{
	bool seen = *word_of(n, number) & bit_of(number);

	*word_of(n, number) |= bit_of(number);
	return seen;
}

/* The window's place for the numbers behind the highest one, up to this. */
static void advance(struct numbers *n, uint64_t number)
{
	if (number - n->highest >= NUMBERS_WINDOW) {
		memset(n->seen, 0, sizeof(n->seen));
		n->highest = number;
	}
	while (n->highest < number) {
		n->highest++;
		if (n->highest % 64 == 0 && number - n->highest >= 63) {
			*word_of(n, n->highest) = 0;
			n->highest += 63;
		} else {
			*word_of(n, n->highest) &= ~bit_of(n->highest);
		}
	}
}

void numbers_add(struct numbers *n, uint64_t number)
{
	n->received++;
	if (n->received == 1) {
		n->first = n->highest = number;
		see(n, number);
		n->distinct = 1;
	} else if (number > n->highest) {
		n->gaps += number - n->highest > 1;
		advance(n, number);
		see(n, number);
		n->distinct++;
	} else if (number < n->first || n->highest - number >= NUMBERS_WINDOW) {
		n->stray++;
	} else if (see(n, number)) {
		n->twice++;
	} else {
		n->late++;
		n->distinct++;
	}
}

uint64_t numbers_missing(const struct numbers *n)
{
	return n->received ? n->highest - n->first - (n->distinct - 1) : 0;
}

double numbers_completeness(const struct numbers *n)
{
	return n->received ? n->distinct / ((double)(n->highest - n->first) + 1) : 1;
}
