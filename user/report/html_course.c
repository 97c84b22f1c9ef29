/* SPDX-License-Identifier: BSD-2-Clause */
/* Of report.html what is beside the windows: expectations, phases and waits, as tables and on the time line. */
#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/course.h"
#include "report/html.h"

#define BAR_PX 16
#define LINE_PX 3
#define GAP_PX 10
#define MAX_LANES 30 /* of expectations */
#define LEAST_WIDTH 0.05

/* Seconds from the end of the baseline. */
static void time_cell(const struct results *r, uint64_t ns, struct buf *out)
{
	bool early = ns < r->zero_ns;

	buf_puts(out, "<td class=\"n\">");
	if (ns == NO_NS || r->zero_ns == NO_NS)
		html_seconds(out, NO_NS);
	else
		buf_puts(out, early ? "\xe2\x88\x92" : "");
	if (ns != NO_NS && r->zero_ns != NO_NS)
		html_seconds(out, early ? r->zero_ns - ns : ns - r->zero_ns);
	buf_puts(out, "</td>");
}

static void expect_row(const struct results *r, const struct result_expect *e, struct buf *out)
{
	struct buf seen = {0};

	buf_puts(out, "<tr");
	html_attribute(out, "data-step", e->step);
	buf_printf(out, " data-instance=\"%u\" data-pass=\"%s\"", e->instance, e->pass ? "true" : "false");
	buf_printf(out, "><td class=\"t %s</td><th scope=\"row\">",
		   e->pass ? "pass\">\xe2\x9c\x93 met" : "bad\">\xe2\x9c\x97 failed");
	html_text(out, e->step);
	buf_printf(out, "\xc2\xa0#%u</th><td class=\"w\">", e->instance);
	html_text(out, e->words);
	buf_puts(out, "</td>");
	time_cell(r, e->opens_ns, out);
	time_cell(r, e->closes_ns, out);
	time_cell(r, e->decided_ns, out);
	html_cell_count(out, e->samples);
	expect_seen(e, &seen);
	buf_puts(out, "<td class=\"w\">");
	html_text(out, seen.data);
	html_seq(out, e->seq);
	buf_puts(out, "</td></tr>\n");
	out->failed |= seen.failed;
	buf_free(&seen);
}

void html_expects(const struct results *r, struct buf *out)
{
	size_t shown = r->n_expects < HTML_MAX_ROWS ? r->n_expects : HTML_MAX_ROWS;

	if (!shown)
		return;
	html_section(out, "expectations", "Expectations");
	html_table(out, "Expectations",
		   "Result|Expectation|Condition|>From (s)|>To (s)|>Decided (s)|>Samples|Seen");
	for (size_t i = 0; i < shown; i++)
		expect_row(r, &r->expects[i], out);
	html_table_end(out);
	html_more_rows(out, shown, r->n_expects, "expectations");
	buf_puts(out, "<p class=\"fine\">Times count from the end of the baseline.</p>\n");
	html_section_end(out);
}

static void phase_row(const struct results *r, const struct result_phase *p, struct buf *out)
{
	struct buf share = {0};

	phase_share(p, &share);
	buf_puts(out, "<tr");
	html_attribute(out, "data-phase", p->name);
	html_attribute(out, "data-result", p->result);
	buf_puts(out, ">");
	html_row_head(out, p->name);
	html_cell(out, share.data);
	html_cell(out, p->words);
	time_cell(r, p->started_ns, out);
	time_cell(r, p->ended_ns, out);
	buf_printf(out, "<td%s>", p->result && strcmp(p->result, "rolled back") == 0 ? " class=\"bad\"" : "");
	html_text(out, p->result);
	html_seq(out, p->seq);
	buf_puts(out, "</td></tr>\n");
	out->failed |= share.failed;
	buf_free(&share);
}

void html_phases(const struct results *r, struct buf *out)
{
	if (!r->n_phases)
		return;
	html_section(out, "phases", "Phases");
	html_table(out, "Phases", "Phase|Flows|Sets|>From (s)|>To (s)|Result");
	for (size_t i = 0; i < r->n_phases; i++)
		phase_row(r, &r->phases[i], out);
	html_table_end(out);
	html_section_end(out);
}

static void stretch_title(struct html_lanes *l, const char *name, uint64_t from_ns, uint64_t to_ns,
			  const char *more)
{
	buf_puts(l->out, "<title>");
	html_text(l->out, name);
	buf_puts(l->out, ": from ");
	html_lane_time(l, from_ns);
	buf_puts(l->out, " to ");
	html_lane_time(l, to_ns);
	if (more) {
		buf_puts(l->out, ", ");
		html_text(l->out, more);
	}
	buf_puts(l->out, "</title>");
}

static void stretch(struct html_lanes *l, const char *class, uint64_t from_ns, uint64_t to_ns,
		    unsigned height)
{
	double from = html_place(&l->scale, from_ns), width = html_place(&l->scale, to_ns) - from;

	buf_printf(l->out, "<rect class=\"%s\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%u\" height=\"%u\"", class,
		   from, width > LEAST_WIDTH ? width : LEAST_WIDTH, l->y + (BAR_PX - height) / 2, height);
	html_ns_attribute(l->out, "data-from-ns", from_ns);
	html_ns_attribute(l->out, "data-to-ns", to_ns);
	buf_puts(l->out, "/>");
}

static void phase_bar(struct html_lanes *l, const struct result_phase *p)
{
	uint64_t from = p->started_ns, to = p->ended_ns == NO_NS ? l->scale.to_ns : p->ended_ns;
	double width = html_place(&l->scale, to) - html_place(&l->scale, from);

	if (from == NO_NS || to < from)
		return;
	buf_puts(l->out, "<g");
	html_attribute(l->out, "data-phase", p->name);
	buf_puts(l->out, ">");
	stretch_title(l, p->name, from, to, p->result);
	stretch(l, p->shadow ? "stage shadow" : "stage", from, to, BAR_PX);
	if (width > 4) {
		buf_printf(l->out,
			   "<foreignObject x=\"%.4f%%\" width=\"%.4f%%\" y=\"%u\" height=\"%d\">"
			   "<div class=\"label in-stage%s\">",
			   html_place(&l->scale, from), width, l->y, BAR_PX, width > 10 ? "" : " wide-only");
		html_text(l->out, p->name);
		buf_puts(l->out, "</div></foreignObject>");
	}
	buf_puts(l->out, "</g>\n");
}

static void phase_lane(struct html_lanes *l)
{
	if (!l->r->n_phases)
		return;
	buf_puts(l->out, "<g class=\"lane phases\">\n");
	html_lane_label(l, "Phases", NULL);
	for (size_t i = 0; i < l->r->n_phases; i++)
		phase_bar(l, &l->r->phases[i]);
	l->y += BAR_PX + GAP_PX;
	buf_puts(l->out, "</g>\n");
}

static void wait_lane(struct html_lanes *l)
{
	if (!l->r->n_waits)
		return;
	buf_puts(l->out, "<g class=\"lane waits\">\n");
	html_lane_label(l, "Waits", "the plan's time stands still");
	for (size_t i = 0; i < l->r->n_waits; i++) {
		const struct result_wait *w = &l->r->waits[i];
		uint64_t to = w->to_ns == NO_NS ? l->scale.to_ns : w->to_ns;
		uint64_t from = w->from_ns == NO_NS ? to : w->from_ns;

		buf_puts(l->out, "<g");
		html_attribute(l->out, "data-step", w->step);
		buf_puts(l->out, ">");
		stretch_title(l, w->step, from, to, w->result);
		stretch(l, "stage", from, to, BAR_PX / 2);
		buf_puts(l->out, "</g>\n");
	}
	l->y += BAR_PX + GAP_PX;
	buf_puts(l->out, "</g>\n");
}

static void expect_mark(struct html_lanes *l, const struct result_expect *e)
{
	const char *kind = e->pass ? "met" : "failed";

	buf_printf(l->out, "<g class=\"mark %s\" data-kind=\"%s\"", kind, kind);
	html_attribute(l->out, "data-step", e->step);
	buf_printf(l->out, " data-instance=\"%u\"", e->instance);
	html_ns_attribute(l->out, "data-ns", e->decided_ns);
	html_ns_attribute(l->out, "data-seq", e->seq);
	buf_puts(l->out, "><title>");
	html_text(l->out, e->step);
	buf_printf(l->out, " #%u: %s, ", e->instance, kind);
	html_lane_time(l, e->decided_ns);
	buf_printf(l->out, ", event #%" PRIu64 "</title>", e->seq);
	buf_printf(l->out, "<use href=\"#m-%s\" x=\"%.4f%%\" y=\"%u\"/></g>\n", kind,
		   html_place(&l->scale, e->decided_ns), l->y + BAR_PX / 2);
}

static void expect_span(struct html_lanes *l, const struct result_expect *e)
{
	if (e->opens_ns != NO_NS && e->closes_ns != NO_NS && e->closes_ns >= e->opens_ns) {
		buf_puts(l->out, "<g>");
		stretch_title(l, e->step, e->opens_ns, e->closes_ns, e->words);
		stretch(l, "asked-for", e->opens_ns, e->closes_ns, LINE_PX);
		buf_puts(l->out, "</g>\n");
	}
	expect_mark(l, e);
}

static bool is_first(const struct results *r, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(r->expects[i].step, r->expects[at].step) == 0)
			return false;
	}
	return true;
}

static void expect_lane(struct html_lanes *l, size_t first)
{
	const struct results *r = l->r;
	size_t drawn = 0;

	buf_puts(l->out, "<g class=\"lane expect\"");
	html_attribute(l->out, "data-step", r->expects[first].step);
	buf_puts(l->out, ">\n");
	html_lane_label(l, r->expects[first].step, r->expects[first].words);
	for (size_t i = first; i < r->n_expects; i++) {
		if (strcmp(r->expects[i].step, r->expects[first].step) == 0 && drawn++ < HTML_MAX_MARKED)
			expect_span(l, &r->expects[i]);
	}
	l->simplified |= drawn > HTML_MAX_MARKED;
	l->y += BAR_PX + GAP_PX;
	buf_puts(l->out, "</g>\n");
}

void html_course_lanes(struct html_lanes *l)
{
	size_t lanes = 0;

	phase_lane(l);
	wait_lane(l);
	for (size_t i = 0; i < l->r->n_expects; i++) {
		if (is_first(l->r, i) && lanes++ < MAX_LANES)
			expect_lane(l, i);
	}
	l->simplified |= lanes > MAX_LANES;
}
