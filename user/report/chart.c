/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/chart.h"

#include <stdio.h>

#include "base/timeutil.h"

#define LABEL 21 /* columns */
#define SHARE 8
#define BARS 48 /* of all series together */

struct row {
	unsigned from, to; /* buckets; `to` is not in it */
	char label[80];
};

static double share_of(const struct histogram *h, const struct row *row)
{
	uint64_t count = 0;

	for (unsigned i = row->from; i < row->to; i++)
		count += h->bucket[i];
	return h->count ? (double)count / h->count : 0;
}

static void put_share(struct buf *out, double share, double largest, int width)
{
	int length = largest > 0 ? share / largest * width + 0.5 : 0;

	if (share > 0 && share < 0.0005)
		buf_printf(out, "%*s %% ", SHARE - 3, "<0.1");
	else
		buf_printf(out, "%*.1f %% ", SHARE - 3, share * 100);
	if (!length && share > 0)
		buf_printf(out, "%-*s", width, ".");
	else
		for (int i = 0; i < width; i++)
			buf_puts(out, i < length ? "#" : " ");
}

static void put_row(struct buf *out, const struct chart_series *series, unsigned n, const struct row *row,
		    double largest)
{
	unsigned i;

	for (i = 0; i < n && !share_of(series[i].times, row); i++)
		;
	if (i == n)
		return;
	buf_printf(out, "%*s", LABEL, row->label);
	for (i = 0; i < n; i++)
		put_share(out, share_of(series[i].times, row), largest, BARS / n);
	while (!out->failed && out->data[out->len - 1] == ' ')
		out->len--;
	buf_puts(out, "\n");
}

static struct row make_row(unsigned from, unsigned to)
{
	struct row row = {.from = from, .to = to};
	char low[32], high[32];

	format_duration(histogram_low(from), low, sizeof(low));
	format_duration(histogram_high(to - 1), high, sizeof(high));
	snprintf(row.label, sizeof(row.label), "%s - %s", low, high);
	return row;
}

static struct row make_end(unsigned from, unsigned to, const char *word, uint64_t ns)
{
	struct row row = {.from = from, .to = to};
	char text[32];

	format_duration(ns, text, sizeof(text));
	snprintf(row.label, sizeof(row.label), "%s %s", word, text);
	return row;
}

/* The bucket behind those of the row that begins with `from`. */
static unsigned row_end(unsigned from, unsigned low, unsigned high, bool octaves)
{
	uint64_t length = (histogram_high(high) - histogram_low(low) + CHART_ROWS - 1) / CHART_ROWS;
	unsigned to = from + (octaves ? (high - low) / CHART_ROWS + 1 : 1);

	while (!octaves && to <= high && histogram_high(to - 1) - histogram_low(from) < length)
		to++;
	return to <= high ? to : high + 1;
}

static unsigned make_rows(unsigned low, unsigned high, bool octaves, struct row rows[CHART_ROWS + 2])
{
	unsigned from, to, n = 0;

	rows[n++] = make_end(0, low, "below", histogram_low(low));
	for (from = low; from <= high; from = to) {
		to = row_end(from, low, high, octaves);
		rows[n++] = make_row(from, to);
	}
	rows[n++] = make_end(high + 1, HISTOGRAM_BUCKETS, "above", histogram_high(high));
	return n;
}

void chart(struct buf *out, const struct chart_series *series, unsigned n, unsigned low, unsigned high,
	   bool octaves)
{
	struct row rows[CHART_ROWS + 2];
	unsigned n_rows = make_rows(low, high, octaves, rows), i, k;
	double largest = 0;

	for (i = 0; i < n_rows; i++)
		for (k = 0; k < n; k++) {
			double share = share_of(series[k].times, &rows[i]);

			largest = share > largest ? share : largest;
		}
	buf_printf(out, "%*s", LABEL, "");
	for (k = 0; k < n; k++)
		buf_printf(out, "%*s%-*s", SHARE, "", k + 1 < n ? (int)(BARS / n) : 0, series[k].name);
	buf_puts(out, "\n");
	for (i = 0; i < n_rows; i++)
		put_row(out, series, n, &rows[i], largest);
}
