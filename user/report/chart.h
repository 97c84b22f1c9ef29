/* SPDX-License-Identifier: BSD-2-Clause */
/* A histogram of one or two series as lines of plain text, for a terminal of 80 columns. Pure. */
#ifndef SHEARPIN_CHART_H
#define SHEARPIN_CHART_H

#include "base/buf.h"
#include "evidence/histogram.h"

#define CHART_ROWS 10 /* at most, and two for what is beyond */

struct chart_series {
	const char *name;
	const struct histogram *times;
};

/*
 * A line with the names, and one for each range of times from bucket `low` to `high` that any of the series has a share
 * in: the share and its bar, both of the series' own count, and bars to the same scale. What is beyond low and high has
 * a line each. n: 1 or 2. The ranges are about equally long, or with `octaves` their ends about equally far apart as ratios.
 */
void chart(struct buf *out, const struct chart_series *series, unsigned n, unsigned low, unsigned high,
	   bool octaves);

#endif
