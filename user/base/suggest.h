/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "Did you mean": the known word that is nearest to a misspelt one, by the optimal string alignment distance
 * (insert, delete, replace, swap of neighbours; case does not count). Start with {.word = ...}, offer every
 * known word with suggest_try(), read `best`: NULL when nothing is near enough to be meant.
 */
#ifndef SHEARPIN_SUGGEST_H
#define SHEARPIN_SUGGEST_H

struct suggest {
	const char *word;
	const char *best; /* one of the offered words; of equals, the first */
	unsigned distance;
};

void suggest_try(struct suggest *s, const char *candidate);

#endif
