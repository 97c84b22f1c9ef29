/* SPDX-License-Identifier: BSD-2-Clause */
/* The receipts in report.html: what was asked of the faults, what came of it, and what the delay line itself did. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/fidelity.h"
#include "report/html.h"

#define CHART_PX 96
#define MAX_MARKS 6

static void row_head(const struct fidelity_row *row, struct buf *out)
{
	buf_printf(out, "<tr%s><th scope=\"row\">", row->target ? "" : " class=\"sum\"");
	html_text(out, row->step);
	if (row->target) {
		buf_printf(out, "\xc2\xa0#%" PRIu64 "</th>", row->number);
		html_cell(out, row->target);
	} else {
		buf_printf(out, "</th><td>all %" PRIu64 "</td>", row->number);
	}
}

static void delay_row(const struct fidelity_row *row, struct buf *out)
{
	const struct result_receipt *r = row->receipt;
	uint64_t ns[FIDELITY_DELAYS];

	if (!r->line || !r->achieved.count)
		return;
	fidelity_delays(r, ns);
	row_head(row, out);
	html_cell_count(out, r->achieved.count);
	for (int i = 0; i < FIDELITY_DELAYS; i++)
		html_cell_millis(out, ns[i]);
	buf_puts(out, "</tr>\n");
}

static void percent_cell(struct buf *out, double share)
{
	buf_puts(out, "<td class=\"n\">");
	html_percent(out, share);
	buf_puts(out, "</td>");
}

static void drawn_cells(const struct result_chance *c, struct buf *out)
{
	if (!c->drawn) {
		html_cell(out, NULL);
		html_cell(out, NULL);
		html_cell(out, NULL);
		return;
	}
	percent_cell(out, c->achieved);
	buf_puts(out, "<td class=\"n\">");
	html_percent(out, c->low);
	buf_puts(out, " to ");
	html_percent(out, c->high);
	buf_printf(out, "</td><td>%s</td>", c->inside ? "yes" : "no");
}

static void chance_row(const struct fidelity_row *row, struct buf *out)
{
	const struct result_chance *c;

	for (int i = 0; i < CHANCES; i++) {
		c = &row->receipt->chance[i];
		if (!c->asked)
			continue;
		row_head(row, out);
		html_cell(out, result_chance_name(i));
		percent_cell(out, c->requested);
		drawn_cells(c, out);
		html_cell_count(out, c->hit);
		html_cell_count(out, c->drawn);
		buf_puts(out, "</tr>\n");
	}
}

static void line_row(const struct fidelity_row *row, struct buf *out)
{
	const struct result_receipt *r = row->receipt;
	uint64_t counts[FIDELITY_COUNTS];

	if (!r->line)
		return;
	fidelity_counts(r, counts);
	row_head(row, out);
	for (int i = 0; i < FIDELITY_COUNTS; i++)
		html_cell_count(out, counts[i]);
	buf_puts(out, "</tr>\n");
}

/* A table, if it has rows. */
static void table(const struct results *r, struct buf *out, const char *heading, const char *columns,
		  void (*put)(const struct fidelity_row *row, struct buf *out), const char *legend)
{
	struct buf body = {0};

	fidelity_rows(r, &body, put);
	if (body.len) {
		buf_printf(out, "<h3>%s</h3>\n", heading);
		html_table(out, heading, columns);
		buf_puts(out, body.data);
		html_table_end(out);
		buf_printf(out, "<p class=\"fine\">%s</p>\n", legend);
	}
	out->failed |= body.failed;
	buf_free(&body);
}

/* How many of so many nanoseconds' width a bucket holds, as a share of all. */
static double density(const struct histogram *h, unsigned bucket)
{
	return (double)h->bucket[bucket] / h->count / (histogram_high(bucket) - histogram_low(bucket));
}

struct chart {
	struct buf *out;
	unsigned low, high; /* buckets */
	struct html_scale scale;
	double largest;
};

static void find_largest(struct chart *c, const struct histogram *h)
{
	for (unsigned i = c->low; i <= c->high; i++) {
		if (density(h, i) > c->largest)
			c->largest = density(h, i);
	}
}

/* The outline of the distribution over linear time. */
static void outline(const struct chart *c, const struct histogram *h, const char *class, const char *words)
{
	buf_printf(c->out, "<path class=\"%s\" d=\"M0 100", class);
	for (unsigned i = c->low; i <= c->high; i++)
		buf_printf(c->out, "H%.2fV%.2fH%.2f", html_place(&c->scale, histogram_low(i)) * 10,
			   100 - density(h, i) / c->largest * 96,
			   html_place(&c->scale, histogram_high(i)) * 10);
	buf_printf(c->out, "V100\"><title>%s: %" PRIu64 " packets</title></path>\n", words, h->count);
}

static void begin_picture(struct buf *out, const char *kind, const char *label)
{
	buf_printf(
		out,
		"<div class=\"plot\"><svg class=\"histogram\" data-kind=\"%s\" role=\"img\" "
		"aria-label=\"%s\" "
		"height=\"%d\">\n<svg x=\"0\" y=\"0\" width=\"100%%\" height=\"%d\" viewBox=\"0 0 1000 100\" "
		"preserveAspectRatio=\"none\">\n",
		kind, label, CHART_PX + 22, CHART_PX);
}

static void axis_text(struct buf *out, double place, uint64_t ns)
{
	char text[32];

	format_duration(ns, text, sizeof(text));
	buf_printf(out,
		   "<line class=\"zero\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%d\" y2=\"%d\"/><text x=\"%.4f%%\" "
		   "y=\"%d\" "
		   "text-anchor=\"%s\">%s</text>\n",
		   place, place, CHART_PX, CHART_PX + 4, place, CHART_PX + 16,
		   place < 5    ? "start"
		   : place > 95 ? "end"
				: "middle",
		   text);
}

static void base_line(struct buf *out)
{
	buf_printf(out,
		   "</svg>\n<g class=\"axis\"><line class=\"zero\" x1=\"0\" x2=\"100%%\" y1=\"%d\" "
		   "y2=\"%d\"/>\n",
		   CHART_PX, CHART_PX);
}

static void delays(const struct result_receipt *r, struct buf *out)
{
	struct histogram both = r->requested;
	struct chart c = {.out = out};
	uint64_t tail, step, ns;

	histogram_add(&both, &r->achieved);
	tail = both.count / FIDELITY_TAIL;
	c.low = bucket_above(&both, tail);
	c.high = bucket_above(&both, both.count - 1 - tail);
	c.scale = (struct html_scale){histogram_low(c.low), histogram_high(c.high)};
	find_largest(&c, &r->requested);
	find_largest(&c, &r->achieved);
	buf_puts(out, "<figure>\n");
	begin_picture(out, "delay", "Delays, asked and achieved");
	outline(&c, &r->requested, "asked", "asked");
	outline(&c, &r->achieved, "curve", "achieved");
	base_line(out);
	step = html_tick(c.scale.to_ns - c.scale.from_ns, MAX_MARKS);
	for (ns = (c.scale.from_ns + step - 1) / step * step; ns <= c.scale.to_ns; ns += step)
		axis_text(out, html_place(&c.scale, ns), ns);
	buf_puts(out, "</g></svg></div>\n<figcaption>Delay: asked is grey, achieved is the "
		      "line.</figcaption></figure>\n");
}

/* The first bucket begins with 0: here it is as long as the octave behind it. */
static double bucket_log(unsigned bucket)
{
	return log2(bucket ? (double)histogram_low(bucket) : histogram_high(0) / 2.0);
}

static double bucket_log_end(unsigned bucket)
{
	return log2(histogram_high(bucket));
}

static double log_density(const struct histogram *h, unsigned bucket)
{
	return h->bucket[bucket] / (bucket_log_end(bucket) - bucket_log(bucket));
}

static void error_bars(const struct histogram *late, unsigned low, unsigned high, struct buf *out)
{
	double from = bucket_log(low), length = bucket_log_end(high) - from, most = 0, x, height;
	unsigned i;

	for (i = low; i <= high; i++)
		most = log_density(late, i) > most ? log_density(late, i) : most;
	for (i = low; i <= high; i++) {
		if (!late->bucket[i])
			continue;
		x = 1000 * (bucket_log(i) - from) / length;
		height = 96 * log_density(late, i) / most;
		buf_printf(out,
			   "<rect class=\"bars\" x=\"%.2f\" width=\"%.2f\" y=\"%.2f\" height=\"%.2f\" "
			   "data-count=\"%" PRIu64 "\"/>\n",
			   x, 1000 * (bucket_log_end(i) - from) / length - x, 100 - height, height,
			   late->bucket[i]);
	}
}

/* Over the logarithm of time; areas are counts. */
static void errors(const struct histogram *late, struct buf *out)
{
	unsigned low = bucket_above(late, 0), high = bucket_above(late, late->count - 1), i;
	double from, length;

	from = bucket_log(low);
	length = bucket_log_end(high) - from;
	buf_puts(out, "<figure>\n");
	begin_picture(out, "error", "Error of the delays");
	error_bars(late, low, high, out);
	base_line(out);
	for (i = 0; i < MAX_MARKS; i++)
		axis_text(out, 100.0 * i / (MAX_MARKS - 1), exp2(from + length * i / (MAX_MARKS - 1)));
	buf_puts(
		out,
		"</g></svg></div>\n<figcaption>Error: a packet's return after the time that it was due, on a "
		"logarithmic scale.</figcaption></figure>\n");
}

static void charts(const struct results *r, struct buf *out)
{
	const struct result_receipt *sum;
	unsigned charted = 0;

	for (size_t i = 0; i < r->n_fidelity; i++) {
		sum = r->fidelity[i].sum;
		if (!sum->late.count || charted++ >= FIDELITY_MAX_CHARTED)
			continue;
		buf_puts(out, "<h3>Delays of ");
		html_text(out, r->fidelity[i].step);
		buf_puts(out, "</h3>\n<div class=\"pair\">\n");
		if (delays_vary(&sum->requested) && sum->achieved.count)
			delays(sum, out);
		errors(&sum->late, out);
		buf_puts(out, "</div>\n");
	}
	html_more_rows(out, FIDELITY_MAX_CHARTED, charted, "steps with delays");
}

static void line_facts(const struct result_line *line, struct buf *out)
{
	bool user = strcmp(line->backend, "user") == 0;

	buf_puts(out, "<dl class=\"facts\">\n");
	html_item(out, "Delay line",
		  !user            ? line->backend
		  : line->realtime ? "user, real-time thread"
				   : "user, thread without real-time priority");
	html_item_count(out, "Room, packets", line->parcels);
	if (user) {
		html_item_count(out, "Room, bytes", line->memory);
		html_item_count(out, "Most frames held at one time", line->held_max);
	}
	html_item_count(out, "Lost: dropped by its devices", line->device_dropped);
	html_item_count(out, "Lost: no room in its memory", line->memory_full);
	html_item_count(out, "Lost: could not be sent back", line->write_failed);
	buf_puts(out, "</dl>\n");
}

void html_fidelity(const struct results *r, struct buf *out)
{
	if (!r->n_fidelity && !r->line)
		return;
	html_section(out, "fidelity", "Fidelity");
	buf_puts(out, "<p>What was asked of the faults and what came of it, as counted by the kernel.</p>\n");
	if (r->line)
		line_facts(r->line, out);
	charts(r, out);
	table(r, out, "Delay (ms)",
	      "Window|Target|>Packets|>Asked mean|>Asked P50|>Asked P99|>Achieved mean|>Achieved "
	      "P50|>Achieved P99|"
	      ">Error P50|>Error P99|>Error max",
	      delay_row, fidelity_delay_legend);
	table(r, out, "Chance",
	      "Window|Target|Fault|>Asked|>Drawn|>95 % interval|Asked lies inside|>Hits|>Lots", chance_row,
	      fidelity_chance_legend);
	table(r, out, "Packets in the delay line",
	      "Window|Target|>entered|>returned|>lost|>full|>stale|>overflow|>clipped|>raised", line_row,
	      fidelity_line_legend);
	html_section_end(out);
}
