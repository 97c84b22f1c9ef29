/* SPDX-License-Identifier: BSD-2-Clause */
/* The section Fidelity: what was asked of the faults, what came of it, and what the delay line itself did. */
#include <inttypes.h>
#include <string.h>

#include "report/chart.h"
#include "report/fidelity.h"
#include "report/md.h"
#include "report/sections.h"

#define MAX_PARTS 12 /* windows beside the sums of their steps; where there are more, results.json has them */

const char fidelity_delay_legend[] =
	"Asked: the delay as drawn. Achieved: from a packet's arrival to its return. Error: its return after "
	"the time that it was due. Means and the largest error are exact; a P50 or P99 is the upper end of a "
	"bucket, up to 6.25 % too high.";

const char fidelity_chance_legend[] =
	"The asked share lies outside the interval in one of 20 windows by chance alone.";

const char fidelity_line_legend[] =
	"Lost by the line, apart from the fault: lost (did not come back) and full (found no place). stale: "
	"passed undelayed, since the line gave no sign of life. Parts of the fault: overflow (dropped, the "
	"queue of the narrow path was full), clipped (released early, at the window's end), raised (delayed "
	"longer than drawn, to keep the flow's order).";

static void row_name(const struct fidelity_row *row, struct buf *out)
{
	buf_puts(out, "| ");
	md_text(out, row->step);
	if (row->target) {
		buf_printf(out, " #%" PRIu64 " | ", row->number);
		md_text(out, row->target);
	} else {
		buf_printf(out, " | all %" PRIu64, row->number);
	}
}

static size_t count_receipts(const struct results *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_fidelity; i++)
		n += r->fidelity[i].receipts;
	return n;
}

static void part_rows(const struct results *r, const char *step, struct buf *out,
		      void (*put)(const struct fidelity_row *row, struct buf *out))
{
	const struct result_window *w;
	const struct result_part *p;

	for (size_t i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		if (strcmp(w->step, step) != 0)
			continue;
		for (p = w->parts; p < w->parts + w->n_parts; p++) {
			const struct fidelity_row row = {step, p->target, w->instance, p->receipt};

			if (p->receipt)
				put(&row, out);
		}
	}
}

void fidelity_rows(const struct results *r, struct buf *out,
		   void (*put)(const struct fidelity_row *row, struct buf *out))
{
	bool parts = count_receipts(r) <= MAX_PARTS;

	for (size_t i = 0; i < r->n_fidelity; i++) {
		const struct result_fidelity *f = &r->fidelity[i];
		const struct fidelity_row sum = {f->step, NULL, f->receipts, f->sum};

		if (f->receipts > 1)
			put(&sum, out);
		if (parts || f->receipts == 1)
			part_rows(r, f->step, out, put);
	}
}

void fidelity_delays(const struct result_receipt *r, uint64_t ret_ns[FIDELITY_DELAYS])
{
	const uint64_t ns[FIDELITY_DELAYS] = {
		r->requested.mean_ns,
		histogram_percentile(&r->requested, 50),
		histogram_percentile(&r->requested, 99),
		r->achieved.mean_ns,
		histogram_percentile(&r->achieved, 50),
		histogram_percentile(&r->achieved, 99),
		histogram_percentile(&r->late, 50),
		histogram_percentile(&r->late, 99),
		r->late.max_ns,
	};

	memcpy(ret_ns, ns, sizeof(ns));
}

void fidelity_counts(const struct result_receipt *r, uint64_t ret_counts[FIDELITY_COUNTS])
{
	const uint64_t counts[FIDELITY_COUNTS] = {r->entered, r->returned, r->lost,    r->full,
						  r->stale,   r->overflow, r->clipped, r->raised};

	memcpy(ret_counts, counts, sizeof(counts));
}

static void put_millis(struct buf *out, uint64_t ns)
{
	buf_puts(out, " | ");
	if (ns == NO_NS)
		buf_puts(out, "-");
	else
		md_millis(out, ns);
}

static void delay_row(const struct fidelity_row *row, struct buf *out)
{
	const struct result_receipt *r = row->receipt;
	uint64_t ns[FIDELITY_DELAYS];

	if (!r->line || !r->achieved.count)
		return;
	fidelity_delays(r, ns);
	row_name(row, out);
	buf_printf(out, " | %" PRIu64, r->achieved.count);
	for (int i = 0; i < FIDELITY_DELAYS; i++)
		put_millis(out, ns[i]);
	buf_puts(out, " |\n");
}

static void put_percent(struct buf *out, double share)
{
	buf_printf(out, "%.4g %%", share * 100);
}

static void chance_row(const struct fidelity_row *row, struct buf *out)
{
	const struct result_chance *c;

	for (int i = 0; i < CHANCES; i++) {
		c = &row->receipt->chance[i];
		if (!c->asked)
			continue;
		row_name(row, out);
		buf_printf(out, " | %s | ", result_chance_name(i));
		put_percent(out, c->requested);
		buf_puts(out, " | ");
		if (c->drawn) {
			put_percent(out, c->achieved);
			buf_puts(out, " | ");
			put_percent(out, c->low);
			buf_puts(out, " to ");
			put_percent(out, c->high);
			buf_printf(out, " | %s", c->inside ? "yes" : "no");
		} else {
			buf_puts(out, "- | - | -");
		}
		buf_printf(out, " | %" PRIu64 " | %" PRIu64 " |\n", c->hit, c->drawn);
	}
}

static void line_row(const struct fidelity_row *row, struct buf *out)
{
	const struct result_receipt *r = row->receipt;
	uint64_t counts[FIDELITY_COUNTS];

	if (!r->line)
		return;
	fidelity_counts(r, counts);
	row_name(row, out);
	for (int i = 0; i < FIDELITY_COUNTS; i++)
		buf_printf(out, " | %" PRIu64, counts[i]);
	buf_puts(out, " |\n");
}

/* A table, if it has rows. */
static void table(const struct results *r, struct buf *out, const char *heading, const char *columns,
		  void (*put)(const struct fidelity_row *row, struct buf *out), const char *legend)
{
	struct buf body = {0};

	fidelity_rows(r, &body, put);
	if (body.len) {
		buf_printf(out, "\n### %s\n\n", heading);
		md_table(out, columns);
		buf_puts(out, body.data);
		buf_printf(out, "\n%s\n", legend);
	}
	if (body.failed)
		out->failed = true;
	buf_free(&body);
}

unsigned bucket_above(const struct histogram *h, uint64_t count)
{
	unsigned i;

	for (i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		if (h->bucket[i] > count)
			break;
		count -= h->bucket[i];
	}
	return i;
}

static void chart_errors(const struct histogram *late, struct buf *out)
{
	const struct chart_series series = {"error", late};

	chart(out, &series, 1, bucket_above(late, 0), bucket_above(late, late->count - 1), true);
}

bool delays_vary(const struct histogram *h)
{
	return h->count && bucket_above(h, h->count - 1 - h->count / FIDELITY_TAIL) >
				   bucket_above(h, h->count / FIDELITY_TAIL) + 1;
}

static void chart_delays(const struct result_receipt *r, struct buf *out)
{
	const struct chart_series series[] = {{"asked", &r->requested}, {"achieved", &r->achieved}};
	struct histogram both = r->requested;
	uint64_t tail;

	histogram_add(&both, &r->achieved);
	tail = both.count / FIDELITY_TAIL;
	chart(out, series, 2, bucket_above(&both, tail), bucket_above(&both, both.count - 1 - tail), false);
	buf_puts(out, "\n");
}

static void charts(const struct results *r, struct buf *out)
{
	const struct result_receipt *sum;
	unsigned charted = 0;

	for (size_t i = 0; i < r->n_fidelity; i++) {
		sum = r->fidelity[i].sum;
		if (!sum->late.count || charted++ >= FIDELITY_MAX_CHARTED)
			continue;
		buf_puts(out, "\n### Delays of ");
		md_text(out, r->fidelity[i].step);
		buf_puts(out, "\n\n```\n");
		if (delays_vary(&sum->requested))
			chart_delays(sum, out);
		chart_errors(&sum->late, out);
		buf_puts(out, "```\n");
	}
	if (charted > FIDELITY_MAX_CHARTED)
		buf_printf(out, "\n%u more steps have their histograms in results.json.\n",
			   charted - FIDELITY_MAX_CHARTED);
}

static void count_item(struct buf *out, const char *before, uint64_t count, const char *behind)
{
	if (count != NO_NS)
		buf_printf(out, "%s%" PRIu64 "%s", before, count, behind);
}

static void line_items(const struct result_line *line, struct buf *out)
{
	bool user = strcmp(line->backend, "user") == 0;

	md_item(out, "Delay line",
		!user            ? line->backend
		: line->realtime ? "user, real-time thread"
				 : "user, thread without real-time priority");
	buf_puts(out, "- Room of the line: ");
	if (line->parcels == NO_NS)
		buf_puts(out, "-");
	count_item(out, "", line->parcels, " packets");
	if (user) {
		count_item(out, ", ", line->memory, " bytes");
		count_item(out, "; at most ", line->held_max, " frames held at one time");
	}
	buf_puts(out, "\n- Frames lost on the way: ");
	if (line->device_dropped == NO_NS)
		buf_puts(out, "-");
	count_item(out, "", line->device_dropped, " dropped by the line's devices");
	count_item(out, ", ", line->memory_full, " without room in its memory");
	count_item(out, ", ", line->write_failed, " that could not be sent back");
	buf_puts(out, "\n");
}

void section_fidelity(const struct results *r, struct buf *out)
{
	if (!r->n_fidelity && !r->line)
		return;
	buf_puts(out, "\n## Fidelity\n\n"
		      "What was asked of the faults and what came of it, as counted by the kernel.\n");
	if (r->line) {
		buf_puts(out, "\n");
		line_items(r->line, out);
	}
	table(r, out, "Delay (ms)",
	      "Window|Target|Packets|Asked mean|Asked P50|Asked P99|Achieved mean|Achieved P50|Achieved P99|"
	      "Error P50|Error P99|Error max",
	      delay_row, fidelity_delay_legend);
	table(r, out, "Chance", "Window|Target|Fault|Asked|Drawn|95 % interval|Asked lies inside|Hits|Lots",
	      chance_row, fidelity_chance_legend);
	table(r, out, "Packets in the delay line",
	      "Window|Target|entered|returned|lost|full|stale|overflow|clipped|raised", line_row,
	      fidelity_line_legend);
	charts(r, out);
}
