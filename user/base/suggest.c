/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/suggest.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define LONGEST 40

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static int same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Three rows of the distance matrix are enough: a swap looks two rows back. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][LONGEST + 1];

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = least(up[j], row[j - 1]) + 1;
			row[j] = least(row[j], up[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], up2[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

/* One slip in a short word, one more for every three letters beyond; never a word changed throughout. */
static unsigned tolerated(size_t len)
{
	return len < 3 ? len / 2 : len < 6 ? 1 : len / 3;
}

void suggest_try(struct suggest *s, const char *candidate)
{
	size_t word_len = strlen(s->word), len = strlen(candidate);
	unsigned d;

	if (!word_len || word_len > LONGEST || len > LONGEST)
		return;
	d = distance(s->word, word_len, candidate, len);
	if (d > tolerated(word_len > len ? word_len : len) || (s->best && d >= s->distance))
		return;
	s->best = candidate;
	s->distance = d;
}
