/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes of the time line for steps and probes, and what all lanes have in common. */
#include <inttypes.h>
#include <string.h>

#include "base/timeutil.h"
#include "report/html.h"
#include "report/verdict.h"

#define LABEL_PX 18
#define BAR_PX 16
#define GAP_PX 10
#define UP_PX 3
#define DOWN_PX 9
#define MAX_WINDOWS 1500 /* of a step, one by one */
#define MAX_SPANS 1500   /* of a probe */
#define MAX_LINKED 100   /* windows that lead to their rows */
#define COLUMNS 300
#define LEAST_WIDTH 0.05 /* percent */

void html_lane_label(struct html_lanes *l, const char *name, const char *more)
{
	bool has_more = more && *more;
	struct buf whole = {0};

	buf_printf(&whole, "%s%s%s", name, has_more ? ": " : "", has_more ? more : "");
	buf_printf(l->out, "<foreignObject y=\"%u\" width=\"100%%\" height=\"%d\"><div class=\"label\"",
		   l->y - 1, LABEL_PX);
	html_attribute(l->out, "title", whole.data);
	buf_puts(l->out, ">");
	html_text(l->out, name);
	if (has_more) {
		buf_puts(l->out, " <span class=\"dim wide-only\">");
		html_text(l->out, more);
		buf_puts(l->out, "</span>");
	}
	buf_puts(l->out, "</div></foreignObject>\n");
	l->y += LABEL_PX;
	l->out->failed |= whole.failed;
	buf_free(&whole);
}

void html_lane_time(struct html_lanes *l, uint64_t ns)
{
	bool has_zero = l->r->zero_ns >= l->scale.from_ns && l->r->zero_ns <= l->scale.to_ns;
	uint64_t zero = has_zero ? l->r->zero_ns : l->scale.from_ns;

	if (ns < zero)
		buf_puts(l->out, "\xe2\x88\x92");
	html_seconds(l->out, ns < zero ? zero - ns : ns - zero);
	buf_puts(l->out, " s");
}

void html_mark(struct html_lanes *l, const char *kind, uint64_t ns, uint64_t seq,
	       const struct result_window *w, const char *words)
{
	double place = html_place(&l->scale, ns);

	buf_printf(l->out, "<g class=\"mark %s\" data-kind=\"%s\"", kind, kind);
	html_ns_attribute(l->out, "data-ns", ns);
	html_ns_attribute(l->out, "data-seq", seq);
	html_attribute(l->out, "data-step", w->step);
	buf_printf(l->out, " data-instance=\"%u\"><title>", w->instance);
	html_text(l->out, w->step);
	buf_printf(l->out, " #%u: %s, ", w->instance, words);
	html_lane_time(l, ns);
	if (seq != NO_NS && seq)
		buf_printf(l->out, ", event #%" PRIu64, seq);
	buf_printf(l->out, "</title><use href=\"#m-%s\" x=\"%.4f%%\" y=\"%u\"/></g>\n", kind, place,
		   l->y + BAR_PX / 2);
}

static uint64_t search_end(const struct html_lanes *l, const struct result_window *w)
{
	uint64_t end = window_observed_until(l->r, w);

	return end < l->scale.to_ns && end > w->opened_ns ? end : l->scale.to_ns;
}

static void window_times(struct html_lanes *l, const struct result_window *w)
{
	buf_puts(l->out, "<title>");
	html_text(l->out, w->step);
	buf_printf(l->out, " #%u: ", w->instance);
	html_text(l->out, w->words);
	buf_puts(l->out, ", from ");
	html_lane_time(l, w->opened_ns);
	buf_puts(l->out, " to ");
	if (w->closed_ns == NO_NS)
		buf_puts(l->out, "the end of the log");
	else
		html_lane_time(l, w->closed_ns);
	buf_puts(l->out, w->cut ? ", cut short</title>" : "</title>");
}

static void window_bar(struct html_lanes *l, size_t i)
{
	const struct result_window *w = l->r->windows[i];
	double from = html_place(&l->scale, w->opened_ns);
	double width = (w->closed_ns == NO_NS ? 100 : html_place(&l->scale, w->closed_ns)) - from;
	bool linked = l->r->n_windows <= MAX_LINKED;

	if (linked)
		buf_printf(l->out, "<a href=\"#window-%zu\" tabindex=\"-1\">", i + 1);
	buf_puts(l->out, "<g>");
	window_times(l, w);
	buf_printf(l->out,
		   "<rect class=\"window%s\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%u\" height=\"%d\" rx=\"1\"",
		   w->shadow ? " shadow" : "", from, width > LEAST_WIDTH ? width : LEAST_WIDTH, l->y, BAR_PX);
	html_attribute(l->out, "data-step", w->step);
	buf_printf(l->out, " data-instance=\"%u\"", w->instance);
	html_ns_attribute(l->out, "data-opened-ns", w->opened_ns);
	html_ns_attribute(l->out, "data-closed-ns", w->closed_ns);
	html_ns_attribute(l->out, "data-seq", window_seq(w, false));
	buf_puts(l->out, "/>");
	if (width > 3)
		buf_printf(l->out, "<text class=\"in-bar\" x=\"%.4f%%\" dx=\"4\" y=\"%u\">%u</text>", from,
			   l->y + 12, w->instance);
	buf_puts(l->out, linked ? "</g></a>\n" : "</g>\n");
}

/* Column by column, where any window of the step is open. */
static void window_columns(struct html_lanes *l, const char *step)
{
	bool open[COLUMNS + 1] = {false};
	const struct result_window *w;
	unsigned from, to;

	for (size_t i = 0; i < l->r->n_windows; i++) {
		w = l->r->windows[i];
		if (strcmp(w->step, step) != 0)
			continue;
		from = html_place(&l->scale, w->opened_ns) / 100 * COLUMNS;
		to = (w->closed_ns == NO_NS ? 100 : html_place(&l->scale, w->closed_ns)) / 100 * COLUMNS;
		for (; from <= to && from < COLUMNS; from++)
			open[from] = true;
	}
	for (from = 0; from < COLUMNS; from = to + 1) {
		for (to = from; open[to]; to++)
			;
		if (to > from)
			buf_printf(l->out,
				   "<rect class=\"window many\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%u\" "
				   "height=\"%d\"/>\n",
				   100.0 * from / COLUMNS, 100.0 * (to - from) / COLUMNS, l->y, BAR_PX);
	}
	l->simplified = true;
}

static size_t count_windows(const struct results *r, const char *step, const char **ret_words)
{
	size_t n = 0;

	*ret_words = NULL;
	for (size_t i = 0; i < r->n_windows; i++) {
		if (strcmp(r->windows[i]->step, step) != 0)
			continue;
		*ret_words = r->windows[i]->words;
		n++;
	}
	return n;
}

static bool came_before(const struct results *r, size_t window)
{
	for (size_t i = 0; i < window; i++) {
		if (strcmp(r->windows[i]->step, r->windows[window]->step) == 0)
			return true;
	}
	return false;
}

static void step_lane(struct html_lanes *l, const char *step)
{
	const char *words;
	size_t n = count_windows(l->r, step, &words), i;

	buf_printf(l->out, "<g class=\"lane step\" data-windows=\"%zu\"", n);
	html_attribute(l->out, "data-step", step);
	buf_puts(l->out, ">\n");
	html_lane_label(l, step, words);
	if (n > MAX_WINDOWS)
		window_columns(l, step);
	for (i = 0; i < l->r->n_windows && n <= MAX_WINDOWS; i++) {
		if (strcmp(l->r->windows[i]->step, step) == 0)
			window_bar(l, i);
	}
	l->y += BAR_PX + GAP_PX;
	buf_puts(l->out, "</g>\n");
}

/* In the order of their first openings. */
void html_step_lanes(struct html_lanes *l)
{
	for (size_t i = 0; i < l->r->n_windows; i++) {
		if (!came_before(l->r, i))
			step_lane(l, l->r->windows[i]->step);
	}
}

static void span(struct html_lanes *l, const char *state, uint64_t from_ns, uint64_t to_ns, uint64_t seq)
{
	double from = html_place(&l->scale, from_ns), width = html_place(&l->scale, to_ns) - from;
	bool up = strcmp(state, "up") == 0;

	buf_printf(l->out, "<rect class=\"%s\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%u\" height=\"%d\"", state,
		   from, width > LEAST_WIDTH ? width : LEAST_WIDTH,
		   l->y + BAR_PX / 2 - (up ? UP_PX : DOWN_PX) / 2, up ? UP_PX : DOWN_PX);
	html_ns_attribute(l->out, "data-from-ns", from_ns);
	html_ns_attribute(l->out, "data-to-ns", to_ns);
	html_ns_attribute(l->out, "data-seq", seq);
	buf_printf(l->out, "><title>%s from ", up ? "healthy" : strcmp(state, "down") ? "both" : "unhealthy");
	html_lane_time(l, from_ns);
	buf_puts(l->out, " to ");
	html_lane_time(l, to_ns);
	if (seq != NO_NS && seq)
		buf_printf(l->out, ", event #%" PRIu64, seq);
	buf_puts(l->out, "</title></rect>\n");
}

static void spans(struct html_lanes *l, const struct result_probe_summary *p)
{
	for (size_t i = 0; i < p->n_changes; i++)
		span(l, p->changes[i].healthy ? "up" : "down", p->changes[i].at_ns,
		     i + 1 < p->n_changes ? p->changes[i + 1].at_ns : l->scale.to_ns, p->changes[i].seq);
}

#define SEEN_UP 1
#define SEEN_DOWN 2

/* What each column has seen of the probe; a state lasts into the columns behind its change. */
static void see_columns(const struct html_lanes *l, const struct result_probe_summary *p,
			unsigned char seen[COLUMNS + 1])
{
	unsigned from, to;

	for (size_t i = 0; i < p->n_changes; i++) {
		from = html_place(&l->scale, p->changes[i].at_ns) / 100 * COLUMNS;
		to = i + 1 < p->n_changes ? html_place(&l->scale, p->changes[i + 1].at_ns) / 100 * COLUMNS
					  : COLUMNS;
		for (; from <= to && from < COLUMNS; from++)
			seen[from] |= p->changes[i].healthy ? SEEN_UP : SEEN_DOWN;
	}
}

static uint64_t column_ns(const struct html_lanes *l, unsigned column)
{
	return l->scale.from_ns + (l->scale.to_ns - l->scale.from_ns) / COLUMNS * column;
}

static void span_columns(struct html_lanes *l, const struct result_probe_summary *p)
{
	static const char *const states[] = {NULL, "up", "down", "mixed"};
	unsigned char seen[COLUMNS + 1] = {0};
	unsigned from, to;

	see_columns(l, p, seen);
	for (from = 0; from < COLUMNS; from = to) {
		for (to = from + 1; to < COLUMNS && seen[to] == seen[from]; to++)
			;
		if (seen[from])
			span(l, states[seen[from]], column_ns(l, from), column_ns(l, to), NO_NS);
	}
	l->simplified = true;
}

void html_unrecovered(struct html_lanes *l, const struct result_window *w)
{
	uint64_t end = search_end(l, w), from = window_end(w) == NO_NS ? w->opened_ns : window_end(w);

	buf_printf(l->out, "<line class=\"wait\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%u\" y2=\"%u\"/>\n",
		   html_place(&l->scale, from), html_place(&l->scale, end), l->y + BAR_PX / 2,
		   l->y + BAR_PX / 2);
	html_mark(l, "lost", end, NO_NS, w, "not seen to recover");
}

static void probe_marks(struct html_lanes *l, size_t probe)
{
	bool all = l->r->n_windows <= HTML_MAX_MARKED;
	size_t lost = 0;

	for (size_t i = 0; i < l->r->n_windows; i++) {
		const struct result_window *w = l->r->windows[i];
		const struct result_probe *p = &w->probes[probe];

		if (w->shadow)
			continue;
		if (all && p->unhealthy_at != NO_NS)
			html_mark(l, "seen", p->unhealthy_at, p->unhealthy_seq, w, "noticed");
		if (all && p->healthy_at != NO_NS)
			html_mark(l, "back", p->healthy_at, p->healthy_seq, w, "recovered");
		if (p->censored && lost++ < HTML_MAX_MARKED)
			html_unrecovered(l, w);
	}
	l->unmarked |= !all;
}

void html_probe_lanes(struct html_lanes *l)
{
	const struct result_probe_summary *p;
	size_t i;

	for (i = 0; i < l->r->n_probes; i++) {
		p = &l->r->probes[i];
		buf_printf(l->out, "<g class=\"lane probe\" data-changes=\"%zu\"", p->n_changes);
		html_attribute(l->out, "data-probe", p->name);
		buf_puts(l->out, ">\n");
		html_lane_label(l, p->name, "probe");
		if (p->n_changes > MAX_SPANS)
			span_columns(l, p);
		else
			spans(l, p);
		probe_marks(l, i);
		l->y += BAR_PX + GAP_PX;
		buf_puts(l->out, "</g>\n");
	}
}
