/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes of the time line for paths: what was hit, who noticed and how, every attempt, and the recovery. */
#include <inttypes.h>
#include <stdlib.h>

#include "report/html.h"

#define LANE_PX 16
#define GAP_PX 10
#define MAX_PATHS 20
#define MAX_TICKS 400 /* of a path, one by one */
#define COLUMNS 300

struct lane {
	size_t path;
	uint64_t hits, censored, attempts;
};

static bool matters(const struct lane *lane)
{
	return lane->hits || lane->attempts;
}

/* Those that did not recover, then those with the most hits, then with the most attempts. */
static int by_weight(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	if (x->censored != y->censored)
		return x->censored > y->censored ? -1 : 1;
	if (x->hits != y->hits)
		return x->hits > y->hits ? -1 : 1;
	if (x->attempts != y->attempts)
		return x->attempts > y->attempts ? -1 : 1;
	return x->path < y->path ? -1 : 1;
}

static int by_path(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	return x->path < y->path ? -1 : x->path > y->path;
}

/* As many as are drawn, in the order of the results; `ret_all`: that were hit or had an attempt in a window. */
static struct lane *pick_lanes(const struct results *r, size_t *ret_shown, size_t *ret_all)
{
	struct lane *lanes = calloc(r->n_paths, sizeof(*lanes));
	const struct result_flow *f;
	size_t i, k;

	for (i = 0; lanes && i < r->n_paths; i++)
		lanes[i].path = i;
	for (i = 0; lanes && i < r->n_windows; i++) {
		for (k = 0; k < r->windows[i]->n_flows; k++) {
			f = &r->windows[i]->flows[k];
			lanes[f->path].hits += f->is_hit;
			lanes[f->path].censored += f->is_hit && f->censored;
			lanes[f->path].attempts += f->attempts;
		}
	}
	if (!lanes)
		return NULL;
	qsort(lanes, r->n_paths, sizeof(*lanes), by_weight);
	for (*ret_all = 0; *ret_all < r->n_paths && matters(&lanes[*ret_all]); ++*ret_all)
		;
	*ret_shown = *ret_all < MAX_PATHS ? *ret_all : MAX_PATHS;
	qsort(lanes, *ret_shown, sizeof(*lanes), by_path);
	return lanes;
}

/* How many of its attempts have their times in the results. */
static uint64_t timed(const struct result_flow *f)
{
	return f->attempts < RESULT_MOST_ATTEMPTS ? f->attempts : RESULT_MOST_ATTEMPTS;
}

static void tick(struct html_lanes *l, const struct result_window *w, const struct result_flow *f, uint64_t i)
{
	double place = html_place(&l->scale, f->attempts_at[i]);

	buf_printf(l->out, "<line class=\"try\" x1=\"%.4f%%\" x2=\"%.4f%%\" y1=\"%u\" y2=\"%u\"", place,
		   place, l->y + 2, l->y + LANE_PX - 2);
	html_ns_attribute(l->out, "data-ns", f->attempts_at[i]);
	if (!i)
		html_ns_attribute(l->out, "data-seq", f->attempts_seq);
	html_attribute(l->out, "data-step", w->step);
	buf_printf(l->out, " data-instance=\"%u\"><title>attempt %" PRIu64 ", ", w->instance, i + 1);
	html_lane_time(l, f->attempts_at[i]);
	if (i) {
		buf_puts(l->out, ", ");
		html_seconds(l->out, f->attempts_at[i] - f->attempts_at[i - 1]);
		buf_puts(l->out, " s after the one before");
	}
	buf_puts(l->out, "</title></line>\n");
}

static void ticks(struct html_lanes *l, const struct result_window *w, const struct result_flow *f)
{
	for (uint64_t i = 0; f->attempts_at && i < timed(f); i++)
		tick(l, w, f, i);
}

/* Attempts of all windows, column by column; a column's height says how many there are, beside the fullest one. */
static void put_columns(struct html_lanes *l, const uint64_t counts[COLUMNS])
{
	uint64_t most = 1;
	unsigned i;
	double height;

	for (i = 0; i < COLUMNS; i++)
		most = counts[i] > most ? counts[i] : most;
	for (i = 0; i < COLUMNS; i++) {
		if (!counts[i])
			continue;
		height = 2 + (double)counts[i] / most * (LANE_PX - 4);
		buf_printf(l->out,
			   "<rect class=\"tries\" x=\"%.4f%%\" width=\"%.4f%%\" y=\"%.2f\" height=\"%.2f\" "
			   "data-count=\"%" PRIu64 "\"><title>%" PRIu64 " attempts</title></rect>\n",
			   100.0 * i / COLUMNS, 100.0 / COLUMNS, l->y + LANE_PX - 1 - height, height,
			   counts[i], counts[i]);
	}
	l->simplified = true;
}

static void add_columns(const struct html_lanes *l, const struct result_flow *f, uint64_t counts[COLUMNS])
{
	unsigned column;

	for (uint64_t i = 0; f->attempts_at && i < timed(f); i++) {
		column = html_place(&l->scale, f->attempts_at[i]) / 100 * COLUMNS;
		counts[column < COLUMNS ? column : COLUMNS - 1]++;
	}
}

static void notice(struct html_lanes *l, const struct result_window *w, const struct result_flow *f)
{
	static const struct {
		const char *kind, *words;
	} marks[] = {
		[NOTICE_RESET] = {"reset", "connection reset"},
		[NOTICE_REFUSED] = {"refused", "connection refused"},
		[NOTICE_CLOSED] = {"closed", "closed by its owner"},
		[NOTICE_ATTEMPT] = {"attempt", "first new attempt"},
	};

	if (f->notice != NOTICE_NONE && f->noticed_at != NO_NS)
		html_mark(l, marks[f->notice].kind, f->noticed_at, f->noticed_seq, w, marks[f->notice].words);
}

static void marks(struct html_lanes *l, const struct result_window *w, const struct result_flow *f)
{
	if (!f->is_hit)
		return;
	html_mark(l, "hit", f->hit_at, f->hit_seq, w, "first packet hit");
	notice(l, w, f);
	if (f->recovered_at != NO_NS)
		html_mark(l, "back", f->recovered_at, f->recovered_seq, w, "recovered");
	if (f->censored)
		html_unrecovered(l, w);
}

/* Every flow of the path: its attempts below, its marks above. */
static void path_flows(struct html_lanes *l, const struct lane *lane)
{
	uint64_t counts[COLUMNS] = {0}, lost = 0;
	bool single = lane->attempts <= MAX_TICKS;
	const struct result_window *w;
	size_t i, k;

	for (i = 0; i < l->r->n_windows; i++) {
		w = l->r->windows[i];
		for (k = 0; k < w->n_flows; k++) {
			if (w->flows[k].path != lane->path)
				continue;
			if (single)
				ticks(l, w, &w->flows[k]);
			else
				add_columns(l, &w->flows[k], counts);
		}
	}
	if (!single)
		put_columns(l, counts);
	for (i = 0; i < l->r->n_windows; i++) {
		w = l->r->windows[i];
		for (k = 0; k < w->n_flows; k++) {
			if (w->flows[k].path != lane->path)
				continue;
			if (lane->hits <= HTML_MAX_MARKED)
				marks(l, w, &w->flows[k]);
			else if (w->flows[k].censored && w->flows[k].is_hit && lost++ < HTML_MAX_MARKED)
				html_unrecovered(l, w);
		}
	}
	l->unmarked |= lane->hits > HTML_MAX_MARKED;
}

static void path_lane(struct html_lanes *l, const struct lane *lane)
{
	const struct result_path *p = &l->r->paths[lane->path];

	buf_puts(l->out, "<g class=\"lane path\"");
	html_attribute(l->out, "data-path", p->name);
	buf_printf(l->out, " data-attempts=\"%" PRIu64 "\">\n", lane->attempts);
	html_lane_label(l, p->name, p->process);
	buf_printf(l->out, "<line class=\"base\" x1=\"0\" x2=\"100%%\" y1=\"%u\" y2=\"%u\"/>\n",
		   l->y + LANE_PX / 2, l->y + LANE_PX / 2);
	path_flows(l, lane);
	l->y += LANE_PX + GAP_PX;
	buf_puts(l->out, "</g>\n");
}

void html_path_lanes(struct html_lanes *l)
{
	struct lane *lanes;
	size_t shown, all;

	if (!l->r->n_paths)
		return;
	lanes = pick_lanes(l->r, &shown, &all);
	if (!lanes) {
		l->out->failed = true;
		return;
	}
	for (size_t i = 0; i < shown; i++)
		path_lane(l, &lanes[i]);
	if (all > shown) {
		buf_printf(l->out,
			   "<text class=\"dim\" y=\"%u\">and %zu more paths, in the tables below</text>\n",
			   l->y + 12, all - shown);
		l->y += LANE_PX;
	}
	free(lanes);
}
