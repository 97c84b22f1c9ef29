/* SPDX-License-Identifier: BSD-2-Clause */
/* The distribution of recovery beside its limits: every sample, and the share that was back by each time. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/html.h"
#include "slo/pick.h"

#define CURVE_PX 110
#define STRIP_PX 34
#define AXIS_PX 20
#define LIMIT_PX 15
#define NEVER_PERCENT 14 /* of the width, for samples without a value */
#define MAX_DOTS 400
#define MAX_NEVER 24
#define MAX_LIMITS 4
#define COLUMNS 200
#define POINTS 500 /* of the curve */
#define MAX_MARKS 8
#define FAR 20 /* times the slowest sample: limits beyond that are named, but not drawn */

struct sample {
	uint64_t ns, seq; /* NO_NS: censored */
	const struct result_window *w;
	const char *who;
	const struct result_path *path; /* NULL: a probe */
};

struct chart {
	const struct results *r;
	struct buf *out;
	bool by_flow;
	struct sample *samples; /* in ascending order; the censored ones are last */
	size_t n, censored;
	const struct result_slo *limits[MAX_LIMITS];
	size_t n_limits;
	struct html_scale scale;
	double width; /* percent, for samples with a value */
	unsigned y;
};

static int ascending(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static void add(struct chart *c, uint64_t ns, uint64_t seq, const struct result_window *w, const char *who,
		const struct result_path *path)
{
	c->samples[c->n++] = (struct sample){ns, seq, w, who, path};
	c->censored += ns == NO_NS;
}

static bool gather(struct chart *c)
{
	const struct results *r = c->r;
	const struct result_window *w;
	size_t most = 1, i, k;

	for (i = 0; i < r->n_windows; i++)
		most += c->by_flow ? r->windows[i]->n_flows : r->n_probes;
	c->samples = calloc(most, sizeof(*c->samples));
	for (i = 0; c->samples && i < r->n_windows; i++) {
		w = r->windows[i];
		if (w->shadow)
			continue;
		for (k = 0; !c->by_flow && k < r->n_probes; k++)
			add(c, w->probes[k].recovery_ns, w->probes[k].healthy_seq, w, r->probes[k].name,
			    NULL);
		for (k = 0; c->by_flow && k < w->n_flows; k++) {
			if (w->flows[k].is_hit)
				add(c, w->flows[k].recovery_ns, w->flows[k].recovered_seq, w,
				    r->paths[w->flows[k].path].name, &r->paths[w->flows[k].path]);
		}
	}
	if (c->samples && c->n)
		qsort(c->samples, c->n, sizeof(*c->samples), ascending);
	return c->samples;
}

static void find_limits(struct chart *c)
{
	const struct result_slo *slo;

	for (size_t i = 0; i < c->r->n_slos && c->n_limits < MAX_LIMITS; i++) {
		slo = &c->r->slos[i];
		if (strncmp(slo->key, "recovery_", 9) == 0 && slo->unit == UNIT_NS && slo->limit != NO_NS &&
		    slo->by_flow == c->by_flow)
			c->limits[c->n_limits++] = slo;
	}
}

/* All samples, and the limits that are not so far away that the samples would be a single point. */
static void find_scale(struct chart *c)
{
	size_t valued = c->n - c->censored;
	uint64_t slowest = valued ? c->samples[valued - 1].ns : 0, most = slowest;

	for (size_t i = 0; i < c->n_limits; i++) {
		if (c->limits[i]->limit > most && (!valued || c->limits[i]->limit / FAR <= slowest))
			most = c->limits[i]->limit;
	}
	c->scale.to_ns = most + most / 20 + 1;
	c->width = c->censored ? 100 - NEVER_PERCENT : 100;
}

static double place(const struct chart *c, uint64_t ns)
{
	return html_place(&c->scale, ns) * c->width / 100;
}

static void axis(const struct chart *c, unsigned top, unsigned bottom)
{
	uint64_t step = html_tick(c->scale.to_ns, MAX_MARKS), ns;
	unsigned i;

	buf_puts(c->out, "<g class=\"axis\">\n");
	for (i = 0, ns = 0; ns <= c->scale.to_ns; i++, ns += step) {
		double x = place(c, ns);

		buf_printf(c->out,
			   "<g%s><line class=\"grid\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%u\" y2=\"%u\"/>"
			   "<text x=\"%.4f%%\" y=\"%u\" text-anchor=\"%s\">%.9g%s</text></g>\n",
			   i % 2 ? " class=\"wide-only\"" : "", x, x, top, bottom, x, bottom + 14,
			   i ? x > 97 ? "end" : "middle" : "start", (double)ns / NS_PER_S,
			   i ? ""
			     : "\xe2\x80\xaf"
			       "s");
	}
	buf_puts(c->out, "</g>\n");
}

static void share_lines(const struct chart *c, unsigned top)
{
	static const unsigned shares[] = {0, 50, 100};

	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		double y = top + CURVE_PX * (1 - shares[i] / 100.0);

		buf_printf(c->out, "<line class=\"grid\" x1=\"0\" x2=\"%.4f%%\" y1=\"%.1f\" y2=\"%.1f\"/>",
			   c->width, y, y);
		if (shares[i])
			buf_printf(
				c->out,
				"<text class=\"dim\" x=\"0\" dx=\"3\" y=\"%.1f\">%u\xe2\x80\xaf%%</text>\n",
				y + 13, shares[i]);
	}
}

/* Of all samples, the share with a recovery of at most so much: censored ones never come in. */
static void curve(const struct chart *c, unsigned top)
{
	size_t valued = c->n - c->censored, stride = valued / POINTS + 1, i;

	buf_printf(c->out,
		   "<svg x=\"0\" y=\"%u\" width=\"%.4f%%\" height=\"%d\" viewBox=\"0 0 1000 100\" "
		   "preserveAspectRatio=\"none\" aria-hidden=\"true\"><path class=\"curve\" d=\"M0 100",
		   top, c->width, CURVE_PX);
	for (i = 0; i < valued; i += stride) {
		size_t last = i + stride <= valued ? i + stride - 1 : valued - 1;

		buf_printf(c->out, "H%.2fV%.3f", html_place(&c->scale, c->samples[last].ns) * 10,
			   100 - 100.0 * (last + 1) / c->n);
	}
	buf_puts(c->out, "H1000\"/></svg>\n");
}

static void limit_text(const struct chart *c, const struct result_slo *slo, double x, unsigned y, bool far)
{
	const char *const narrow[] = {slo->step, slo->probe, slo->target};
	bool left = x > 50;

	buf_printf(c->out, "<text x=\"%.4f%%\" dx=\"%d\" y=\"%u\" text-anchor=\"%s\">", x,
		   far    ? 0
		   : left ? -6
			  : 6,
		   y, left ? "end" : "start");
	html_text(c->out, slo->key);
	buf_puts(c->out, " ");
	html_text(c->out, slo->limit_words);
	for (size_t i = 0; i < sizeof(narrow) / sizeof(*narrow); i++) {
		buf_puts(c->out, narrow[i] ? ", " : "");
		if (narrow[i])
			html_text(c->out, narrow[i]);
	}
	buf_puts(c->out, far ? " \xe2\x86\x92</text>" : "</text>");
}

static void limit_lines(const struct chart *c, unsigned bottom)
{
	for (size_t i = 0; i < c->n_limits; i++) {
		const struct result_slo *slo = c->limits[i];
		bool far = slo->limit > c->scale.to_ns;
		double x = place(c, slo->limit);
		unsigned y = LIMIT_PX * (i + 1);

		buf_printf(c->out, "<g class=\"target\" data-limit-ns=\"%" PRIu64 "\"", slo->limit);
		html_attribute(c->out, "data-key", slo->key);
		buf_puts(c->out, ">");
		if (!far)
			buf_printf(c->out,
				   "<line class=\"limit\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%u\" y2=\"%u\"/>",
				   x, x, y - 10, bottom);
		limit_text(c, slo, x, y, far);
		buf_puts(c->out, "</g>\n");
	}
}

/* Later than a limit that it is a sample of? */
static bool is_late(const struct chart *c, const struct sample *s)
{
	for (size_t i = 0; i < c->n_limits; i++) {
		const struct result_slo *slo = c->limits[i];

		if (s->ns > slo->limit && pick_wants(slo->step, s->w->step) &&
		    (s->path ? pick_is_of(c->r, s->path, slo->target) : pick_wants(slo->probe, s->who)))
			return true;
	}
	return false;
}

static void dot(const struct chart *c, const struct sample *s, double x, unsigned y, const char *class)
{
	buf_printf(c->out, "<circle class=\"dot %s\" cx=\"%.4f%%\" cy=\"%u\" r=\"4\"", class, x, y);
	html_ns_attribute(c->out, "data-ns", s->ns);
	html_ns_attribute(c->out, "data-seq", s->seq);
	html_attribute(c->out, "data-step", s->w->step);
	buf_printf(c->out, " data-instance=\"%u\"><title>", s->w->instance);
	html_text(c->out, s->w->step);
	buf_printf(c->out, " #%u, ", s->w->instance);
	html_text(c->out, s->who);
	buf_puts(c->out, ": ");
	html_seconds(c->out, s->ns);
	buf_puts(c->out, s->ns == NO_NS ? " not seen to recover" : " s");
	if (s->ns != NO_NS && s->seq != NO_NS && s->seq)
		buf_printf(c->out, ", event #%" PRIu64, s->seq);
	buf_puts(c->out, "</title></circle>\n");
}

/* Dots in three rows, so that near ones are told apart. */
static void dots(const struct chart *c, unsigned top)
{
	for (size_t i = 0; i < c->n - c->censored; i++)
		dot(c, &c->samples[i], place(c, c->samples[i].ns), top + 7 + i % 3 * 10,
		    is_late(c, &c->samples[i]) ? "late" : "in-time");
}

static void columns(const struct chart *c, unsigned top)
{
	uint64_t counts[COLUMNS] = {0}, most = 1;
	unsigned i;

	for (size_t k = 0; k < c->n - c->censored; k++) {
		i = html_place(&c->scale, c->samples[k].ns) / 100 * COLUMNS;
		i = i < COLUMNS ? i : COLUMNS - 1;
		counts[i]++;
		most = counts[i] > most ? counts[i] : most;
	}
	for (i = 0; i < COLUMNS; i++) {
		double height = 1 + (double)counts[i] / most * (STRIP_PX - 4);

		if (counts[i])
			buf_printf(c->out,
				   "<rect class=\"bars\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%.2f\" "
				   "height=\"%.2f\" "
				   "data-count=\"%" PRIu64 "\"><title>%" PRIu64 " samples</title></rect>\n",
				   c->width * i / COLUMNS, c->width / COLUMNS, top + STRIP_PX - height,
				   height, counts[i], counts[i]);
	}
}

/* At the right, apart: samples that have no recovery. */
static void never(const struct chart *c, unsigned top, unsigned bottom)
{
	double x = c->width + 3;
	size_t shown = c->censored < MAX_NEVER ? c->censored : MAX_NEVER;

	if (!c->censored)
		return;
	buf_printf(c->out,
		   "<g class=\"never\" data-count=\"%zu\"><line class=\"wait\" x1=\"%.4f%%\" x2=\"%.4f%%\" "
		   "y1=\"%u\" y2=\"%u\"/>\n",
		   c->censored, x - 2, x - 2, top, bottom);
	for (size_t i = 0; i < shown; i++)
		dot(c, &c->samples[c->n - c->censored + i], x + i % 4 * 2.5, bottom - 8 - i / 4 * 11,
		    "never");
	buf_printf(c->out, "<text x=\"%.4f%%\" y=\"%u\">%zu never</text></g>\n", x - 2, bottom + 14,
		   c->censored);
}

static void caption(const struct chart *c, const struct result_samples *s)
{
	const struct {
		const char *name;
		uint64_t ns;
	} ranks[] = {{"P50", s->p50_ns}, {"P95", s->p95_ns}, {"P99", s->p99_ns}, {"longest", s->max_ns}};

	buf_puts(c->out, "<figcaption>");
	html_count(c->out, c->n);
	buf_printf(c->out, " %s%s:", c->by_flow ? "flow" : "sample", c->n == 1 ? "" : "s");
	for (size_t i = 0; i < sizeof(ranks) / sizeof(*ranks); i++) {
		buf_printf(c->out, "%s %s ", i ? "," : "", ranks[i].name);
		html_seconds(c->out, ranks[i].ns);
		buf_puts(c->out, ranks[i].ns == NO_NS ? "" : " s");
	}
	buf_puts(c->out, ". The curve is the share of all samples that had recovered by then");
	buf_puts(c->out, c->censored ? "; those that never did are at the right.</figcaption>\n"
				     : ".</figcaption>\n");
}

static void draw(struct chart *c, const struct result_samples *s)
{
	unsigned top = c->n_limits * LIMIT_PX + 8, strip = top + CURVE_PX + 6, bottom = strip + STRIP_PX;

	buf_printf(c->out,
		   "<figure class=\"distribution\" data-by=\"%s\" data-samples=\"%zu\" "
		   "data-censored=\"%zu\">\n<h3>By "
		   "%s</h3>\n<div class=\"plot\"><svg role=\"img\" aria-label=\"Distribution of recovery by "
		   "%s\" "
		   "height=\"%u\" data-to-ns=\"%" PRIu64 "\">\n",
		   c->by_flow ? "flow" : "probe", c->n, c->censored, c->by_flow ? "flow" : "probe",
		   c->by_flow ? "flow" : "probe", bottom + AXIS_PX, c->scale.to_ns);
	axis(c, top, bottom);
	share_lines(c, top);
	curve(c, top);
	if (c->n - c->censored > MAX_DOTS)
		columns(c, strip);
	else
		dots(c, strip);
	never(c, top, bottom);
	limit_lines(c, bottom);
	buf_puts(c->out, "</svg></div>\n");
	caption(c, s);
	buf_puts(c->out, "</figure>\n");
}

static void distribution(const struct results *r, bool by_flow, struct buf *out)
{
	struct chart c = {.r = r, .out = out, .by_flow = by_flow};

	if (!gather(&c)) {
		out->failed = true;
		return;
	}
	find_limits(&c);
	find_scale(&c);
	if (c.n)
		draw(&c, by_flow ? &r->flow_recovery : &r->recovery);
	free(c.samples);
}

void html_recovery(const struct results *r, struct buf *out)
{
	if (!r->recovery.samples && !r->flow_recovery.samples)
		return;
	html_section(out, "recovery", "Recovery");
	distribution(r, false, out);
	if (r->observed)
		distribution(r, true, out);
	html_section_end(out);
}
