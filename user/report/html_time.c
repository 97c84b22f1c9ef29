/* SPDX-License-Identifier: BSD-2-Clause */
/* The time line of report.html: its frame, axis and phases. The lanes are in html_lanes.c. */
#include <inttypes.h>
#include <math.h>

#include "base/timeutil.h"
#include "report/html.h"

#define AXIS_PX 22
#define PHASE_PX 18
#define MAX_MARKS 12 /* of the axis; every other is left out where there is little room */
#define MAX_BANDS 400
#define ENDS 4 /* percent: marks so near to an end have their text inside the picture */

static bool known(uint64_t ns)
{
	return ns != NO_NS && ns != 0;
}

/* From the start of the run to its end, as far as the log goes. */
static struct html_scale whole_run(const struct results *r)
{
	struct html_scale s = {
		.from_ns = known(r->start_ns)  ? r->start_ns
			   : known(r->zero_ns) ? r->zero_ns
					       : NO_NS,
		.to_ns = known(r->end_ns) ? r->end_ns : 0,
	};
	const struct result_window *w;

	for (size_t i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		if (w->opened_ns < s.from_ns)
			s.from_ns = w->opened_ns;
		if (w->opened_ns > s.to_ns)
			s.to_ns = w->opened_ns;
		if (w->closed_ns != NO_NS && w->closed_ns > s.to_ns)
			s.to_ns = w->closed_ns;
	}
	for (size_t i = 0; i < r->n_probes; i++) {
		if (r->probes[i].n_changes &&
		    r->probes[i].changes[r->probes[i].n_changes - 1].at_ns > s.to_ns)
			s.to_ns = r->probes[i].changes[r->probes[i].n_changes - 1].at_ns;
	}
	return s;
}

/* What times are told from: the end of the baseline, or where the log has none within the run the start. */
static uint64_t origin(const struct results *r, const struct html_scale *s)
{
	return r->zero_ns >= s->from_ns && r->zero_ns <= s->to_ns ? r->zero_ns : s->from_ns;
}

static const char *anchor(double place)
{
	return place < ENDS ? "start" : place > 100 - ENDS ? "end" : "middle";
}

static void axis_mark(const struct html_lanes *l, uint64_t ns, double seconds, bool wide_only)
{
	double place = html_place(&l->scale, ns);

	buf_printf(l->out, "<g%s><line class=\"%s\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%d\" y2=\"100%%\"/>",
		   wide_only ? " class=\"wide-only\"" : "", seconds == 0 ? "zero" : "grid", place, place,
		   AXIS_PX - 6);
	buf_printf(l->out, "<text x=\"%.4f%%\" y=\"11\" text-anchor=\"%s\">%s%.9g%s</text></g>\n", place,
		   anchor(place), seconds < 0 ? "\xe2\x88\x92" : "", fabs(seconds),
		   seconds == 0 ? "\xe2\x80\xaf"
				  "s"
				: "");
}

static void axis(const struct html_lanes *l)
{
	const struct html_scale *s = &l->scale;
	uint64_t zero = origin(l->r, s), step = html_tick(s->to_ns - s->from_ns, MAX_MARKS), k;

	buf_puts(l->out, "<g class=\"axis\">\n");
	for (k = zero > s->from_ns ? (zero - s->from_ns) / step : 0; k; k--)
		axis_mark(l, zero - k * step, -(double)(k * step) / NS_PER_S, k % 2);
	for (; zero + k * step <= s->to_ns; k++)
		axis_mark(l, zero + k * step, (double)(k * step) / NS_PER_S, k % 2);
	buf_puts(l->out, "</g>\n");
}

static void phase(struct html_lanes *l, const char *name, uint64_t from_ns, uint64_t to_ns)
{
	double from = html_place(&l->scale, from_ns), to = html_place(&l->scale, to_ns);

	if (to_ns <= from_ns)
		return;
	buf_printf(
		l->out,
		"<g class=\"phase\" data-phase=\"%s\" data-from-ns=\"%" PRIu64 "\" data-to-ns=\"%" PRIu64
		"\"><title>%s</title><line class=\"zero\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%u\" y2=\"%u\"/>",
		name, from_ns, to_ns, name, from, to, l->y + 1, l->y + 1);
	buf_printf(l->out, "<line class=\"zero\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%u\" y2=\"%u\"/>", from,
		   from, l->y + 1, l->y + 6);
	if (to - from > 7)
		buf_printf(l->out, "<text class=\"dim%s\" x=\"%.4f%%\" y=\"%u\" dx=\"4\">%s</text>",
			   to - from < 20 ? " wide-only" : "", from, l->y + 14, name);
	buf_puts(l->out, "</g>\n");
}

static void phases(struct html_lanes *l)
{
	const struct results *r = l->r;
	uint64_t last = origin(r, &l->scale);

	for (size_t i = 0; i < r->n_windows; i++) {
		if (r->windows[i]->closed_ns == NO_NS)
			last = l->scale.to_ns;
		else if (r->windows[i]->closed_ns > last)
			last = r->windows[i]->closed_ns;
	}
	phase(l, "baseline", l->scale.from_ns, origin(r, &l->scale));
	phase(l, "steps", origin(r, &l->scale), last);
	phase(l, "recovery", last, l->scale.to_ns);
	l->y += PHASE_PX + 6;
}

/* The windows behind all lanes. */
static void bands(const struct html_lanes *l)
{
	const struct result_window *w;
	double from, to;

	for (size_t i = 0; i < l->r->n_windows && l->r->n_windows <= MAX_BANDS; i++) {
		w = l->r->windows[i];
		if (w->shadow)
			continue;
		from = html_place(&l->scale, w->opened_ns);
		to = w->closed_ns == NO_NS ? 100 : html_place(&l->scale, w->closed_ns);
		buf_printf(l->out,
			   "<rect class=\"band\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%d\" height=\"%u\"/>\n",
			   from, to - from, AXIS_PX, l->y - AXIS_PX);
	}
}

static void legend_mark(struct buf *out, const char *kind, const char *mark, const char *words)
{
	buf_printf(out,
		   "<li><svg aria-hidden=\"true\"><g class=\"mark %s\"><use href=\"#%s\" x=\"9\" "
		   "y=\"7\"/></g></svg>%s</li>",
		   kind, mark, words);
}

static void legend(const struct results *r, struct buf *out)
{
	const struct {
		const char *mark, *kind, *words;
		bool flows;
	} items[] = {
		{"m-seen", "seen", "noticed by a probe", false},
		{"m-hit", "hit", "first packet hit", true},
		{"m-reset", "reset", "connection reset", true},
		{"m-refused", "refused", "connection refused", true},
		{"m-closed", "closed", "closed by its owner", true},
		{"m-attempt", "attempt", "noticed: first new attempt", true},
		{"m-back", "back", "recovered", false},
		{"m-lost", "lost", "not seen to recover by then", false},
	};

	buf_puts(out, "<ul class=\"legend\">");
	if (r->n_probes)
		buf_puts(
			out,
			"<li><svg aria-hidden=\"true\"><rect class=\"up\" y=\"6\" width=\"18\" "
			"height=\"3\"/></svg>"
			"healthy</li><li><svg aria-hidden=\"true\"><rect class=\"down\" y=\"3\" width=\"18\" "
			"height=\"9\"/></svg>unhealthy</li>");
	if (r->n_paths)
		buf_puts(out, "<li><svg aria-hidden=\"true\"><line class=\"try\" x1=\"9\" x2=\"9\" y1=\"1\" "
			      "y2=\"13\"/></svg>connection attempt</li>");
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		if (items[i].flows ? !r->n_paths : !r->n_paths && !r->n_probes)
			continue;
		legend_mark(out, items[i].kind, items[i].mark, items[i].words);
	}
	if (r->n_expects) {
		legend_mark(out, "met", "m-met", "expectation met");
		legend_mark(out, "failed", "m-failed", "expectation failed");
	}
	buf_puts(out, "</ul>\n");
}

static void draw(struct html_lanes *l, struct buf *lanes)
{
	struct buf *page = l->out;

	l->out = lanes;
	phases(l);
	html_step_lanes(l);
	html_course_lanes(l);
	html_probe_lanes(l);
	html_path_lanes(l);
	l->out = page;
	buf_printf(page,
		   "<figure><div class=\"plot\"><svg id=\"time-line\" role=\"img\" aria-label=\"Time line of "
		   "the run: "
		   "%zu windows, %zu probes, %zu paths; the tables below have its figures\" height=\"%u\" "
		   "data-from-ns=\"%" PRIu64 "\" data-to-ns=\"%" PRIu64 "\" data-zero-ns=\"%" PRIu64 "\">\n",
		   l->r->n_windows, l->r->n_probes, l->r->n_paths, l->y, l->scale.from_ns, l->scale.to_ns,
		   origin(l->r, &l->scale));
	bands(l);
	axis(l);
	buf_puts(page, lanes->len ? lanes->data : "");
	buf_puts(page, "</svg></div>\n");
}

void html_time_line(const struct results *r, struct buf *out)
{
	struct html_lanes l = {.r = r, .scale = whole_run(r), .out = out, .y = AXIS_PX};
	struct buf lanes = {0};

	if (l.scale.from_ns == NO_NS || l.scale.to_ns <= l.scale.from_ns)
		return;
	html_section(out, "time", "Time line");
	draw(&l, &lanes);
	legend(r, out);
	buf_puts(out,
		 "<figcaption><p>Seconds from the end of the baseline. Grey bands are the fault windows.");
	if (l.simplified)
		buf_puts(
			out,
			" Where there are too many to draw one by one, marks stand for all that falls into a "
			"300th of the width.");
	if (l.unmarked)
		buf_printf(
			out,
			" Lanes with more than %d windows have marks only where something did not recover.",
			HTML_MAX_MARKED);
	buf_puts(out, "</p></figcaption></figure>\n");
	html_section_end(out);
	out->failed |= lanes.failed;
	buf_free(&lanes);
}
