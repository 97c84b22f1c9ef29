/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/rate.h"

#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"

#define FIRST_PLACES 16

static int grow(struct rate *r)
{
	size_t places = r->places ? 2 * r->places : FIRST_PLACES, head = r->places - r->first;
	uint64_t *ring = calloc(places, sizeof(*ring));

	if (!ring)
		return -1;
	if (r->n) { /* it is full: from `first` to its end, and on from its start */
		memcpy(ring, r->ring + r->first, head * sizeof(*ring));
		memcpy(ring + head, r->ring, r->first * sizeof(*ring));
	}
	free(r->ring);
	r->ring = ring;
	r->places = places;
	r->first = 0;
	return 0;
}

static void drop_first(struct rate *r)
{
	r->first = (r->first + 1) & (r->places - 1);
	r->n--;
}

size_t rate_add(struct rate *rate, uint64_t ns)
{
	uint64_t last = rate->n ? rate->ring[(rate->first + rate->n - 1) & (rate->places - 1)] : 0;

	if (ns < last)
		ns = last;
	while (rate->n && ns - rate->ring[rate->first] >= NS_PER_S)
		drop_first(rate);
	if (rate->n == RATE_MOST)
		drop_first(rate);
	if (rate->n == rate->places && grow(rate))
		return 0;
	rate->ring[(rate->first + rate->n++) & (rate->places - 1)] = ns;
	return rate->n;
}

void rate_clear(struct rate *rate)
{
	free(rate->ring);
	*rate = (struct rate){0};
}
