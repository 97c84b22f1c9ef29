/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/plan_time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/plan_step.h"
#include "cmd/plan_watch.h"

#define COLUMNS 64      /* of the picture */
#define SHOWN_WINDOWS 6 /* of a step with many, before the ellipsis */

struct row { /* a window, or what stands for several, or a phase */
	const struct plan_step *step;
	const struct plan_phase *phase;
	uint64_t opens, closes;
	size_t order;
	uint32_t instance; /* from 0 */
	uint32_t more;     /* windows that are not shown; 0: this is one */
};

const char *plan_duration(uint64_t ns)
{
	static char texts[4][40];
	static unsigned next;
	char *text = texts[next++ % 4];

	format_duration_exact(ns, text, sizeof(texts[0]));
	return text;
}

/* ---- the picture ---- */

/* How a step's windows are drawn. */
static const struct {
	char sign;
	const char *words;
} signs[] = {
	{'#', "fault"},
	{'%', "fault in bursts"},
	{':', "fault that is counted alone"},
	{'=', "change"},
	{'!', "done once"},
	{'w', "wait"},
	{'?', "what is expected"},
};

static char sign_of(const struct plan_step *s)
{
	switch (s->kind) {
	case STEP_FAULT:
		return s->shadow ? ':' : s->window.burst_on_ns ? '%' : '#';
	case STEP_WAIT:
		return 'w';
	case STEP_EXPECT:
		return '?';
	default:
		return s->window.for_ns || s->until_end ? '=' : '!';
	}
}

/* The column of a time; the picture goes from the start of the baseline to the end of the recovery. */
static unsigned column_of(const struct plan *plan, uint64_t ns)
{
	long double total = (long double)plan->baseline_ns + plan->length_ns + plan->recovery_ns;

	return total > 0 ? (plan->baseline_ns + (long double)ns) * COLUMNS / total : 0;
}

static void print_bar(const struct plan *plan, const struct plan_step *step, int width)
{
	char bar[COLUMNS + 1];
	const struct plan_window *w = &step->window;

	memset(bar, '.', COLUMNS);
	bar[COLUMNS] = '\0';
	for (uint32_t i = 0; i < w->times; i++) {
		unsigned first = column_of(plan, plan_opens(w, i));
		unsigned end = step->until_end ? COLUMNS : column_of(plan, plan_closes(w, i));

		if (first == COLUMNS) /* the end of a picture without a recovery */
			first--;
		for (unsigned c = first; c < COLUMNS && (c < end || c == first); c++)
			bar[c] = sign_of(step);
	}
	printf("  %-*.*s  %s\n", width, width, step->name, bar);
}

/* "|shadow       |canary              |full       " */
static void print_phases(const struct plan *plan, int width)
{
	char line[COLUMNS + 1];

	if (!plan->n_phases)
		return;
	memset(line, ' ', COLUMNS);
	line[COLUMNS] = '\0';
	for (size_t i = 0; i < plan->n_phases; i++) {
		const struct plan_phase *p = &plan->phases[i];
		unsigned c = column_of(plan, p->at_ns), end = column_of(plan, p->at_ns + p->for_ns);

		if (c < COLUMNS)
			line[c++] = '|';
		for (const char *s = p->name; *s && c < end && c < COLUMNS; s++)
			line[c++] = *s;
	}
	printf("  %-*s  %s\n", width, "", line);
}

static void print_legend(const struct plan *plan)
{
	uint64_t total = plan->baseline_ns + plan->length_ns + plan->recovery_ns;

	printf("\nTime line (a column is %s", plan_duration(total / COLUMNS / NS_PER_MS * NS_PER_MS));
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		bool used = false;

		for (size_t k = 0; k < plan->n_steps; k++)
			used = used || sign_of(&plan->steps[k]) == signs[i].sign;
		if (used)
			printf(", %c %s", signs[i].sign, signs[i].words);
	}
	printf(", b baseline, r recovery)\n");
}

static void print_picture(const struct plan *plan, int width)
{
	unsigned zero = column_of(plan, 0), end = column_of(plan, plan->length_ns);
	char parts[COLUMNS + 1];

	for (unsigned c = 0; c < COLUMNS; c++)
		parts[c] = c < zero ? 'b' : c < end ? ' ' : 'r';
	parts[COLUMNS] = '\0';
	print_legend(plan);
	printf("  %-*s  %s\n", width, "", parts);
	print_phases(plan, width);
	for (size_t i = 0; i < plan->n_steps; i++)
		print_bar(plan, &plan->steps[i], width);
	putchar('\n');
}

/* ---- the windows ---- */

static size_t add_rows(const struct plan_step *step, size_t order, struct row *rows)
{
	const struct plan_window *w = &step->window;
	size_t n = 0;

	for (uint32_t i = 0; i < w->times; i++) {
		bool skip = w->times > SHOWN_WINDOWS + 2 && i == SHOWN_WINDOWS;
		uint32_t last = skip ? w->times - 2 : i;

		rows[n++] = (struct row){.step = step,
					 .opens = plan_opens(w, i),
					 .closes = plan_closes(w, last),
					 .order = order,
					 .instance = i,
					 .more = skip ? w->times - 1 - i : 0};
		i = last;
	}
	return n;
}

/* A wait comes before all else of its time, a phase before that. */
static int rank(const struct row *r)
{
	return r->phase ? 0 : r->step->kind == STEP_WAIT ? 1 : 2;
}

static int by_opening(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	if (a->opens != b->opens)
		return a->opens < b->opens ? -1 : 1;
	if (rank(a) != rank(b))
		return rank(a) - rank(b);
	return a->order < b->order ? -1 : a->order > b->order;
}

static void print_phase(const struct plan_phase *p)
{
	printf("  %12s  %12s  phase %s", plan_duration(p->at_ns), plan_duration(p->at_ns + p->for_ns),
	       p->name);
	if (p->share < PLAN_ALWAYS)
		printf(", %.4g%% of the flows", 100.0 * p->share / PLAN_ALWAYS);
	if (p->shadow)
		printf(", in which nothing is touched");
	if (strcmp(p->text, "{}") != 0)
		plan_print_text(", with ", p->text);
	putchar('\n');
}

static const char *closing(const struct row *row)
{
	if (row->step->kind == STEP_WAIT)
		return "fulfilled";
	if (row->step->until_end)
		return "the end";
	return row->step->window.for_ns ? plan_duration(row->closes) : "";
}

static void print_window(const struct plan *plan, const struct row *row, int width)
{
	const struct plan_window *w;
	char count[24] = "";

	if (row->phase) {
		print_phase(row->phase);
		return;
	}
	w = &row->step->window;
	printf("  %12s  %12s  ", plan_duration(row->opens), closing(row));
	if (row->more) {
		printf("%-*.*s  ... %u more, one every %s\n", width, width, row->step->name, row->more,
		       plan_duration(w->every_ns));
		return;
	}
	if (w->times > 1)
		snprintf(count, sizeof(count), "%u/%u", row->instance + 1, w->times);
	printf("%-*.*s  %7s  ", width, width, row->step->name, count);
	plan_print_step(plan, row->step);
	putchar('\n');
}

static void print_baseline(const struct plan *plan)
{
	char start[48];

	snprintf(start, sizeof(start), "-%s", plan_duration(plan->baseline_ns));
	if (plan->baseline_ns)
		printf("  %12s  %12s  baseline: nothing happens, %s\n", start, "0s",
		       plan->n_probes ? "every probe must be healthy" : "no probe to watch");
}

static void print_recovery(const struct plan *plan)
{
	bool waits = false;

	if (plan->recovery_ns)
		printf("  %12s  %12s  recovery: observed until all is healthy, at most %s\n",
		       plan_duration(plan->length_ns), plan_duration(plan->length_ns + plan->recovery_ns),
		       plan_duration(plan->recovery_ns));
	for (size_t i = 0; i < plan->n_steps; i++)
		waits = waits || plan->steps[i].kind == STEP_WAIT;
	if (waits)
		printf("  While it waits, no time counts: what is planned for behind a wait comes so much "
		       "later.\n");
}

static int print_windows(const struct plan *plan, int width)
{
	struct row *rows = calloc(plan->n_steps * (SHOWN_WINDOWS + 3) + plan->n_phases, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_phases; i++)
		rows[n++] =
			(struct row){.phase = &plan->phases[i], .opens = plan->phases[i].at_ns, .order = i};
	for (size_t i = 0; i < plan->n_steps; i++)
		n += add_rows(&plan->steps[i], i, rows + n);
	qsort(rows, n, sizeof(*rows), by_opening);
	printf("  %12s  %12s\n", "opens", "closes");
	print_baseline(plan);
	for (size_t i = 0; i < n; i++)
		print_window(plan, &rows[i], width);
	print_recovery(plan);
	free(rows);
	return 0;
}

int plan_print_time(const struct plan *plan, int width)
{
	print_picture(plan, width);
	return print_windows(plan, width);
}
