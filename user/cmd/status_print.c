/* SPDX-License-Identifier: BSD-2-Clause */
/* What is active, in lines for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/colour.h"
#include "cmd/status_scene.h"

static const char *duration(uint64_t ns, char *text, size_t size)
{
	/* A countdown: whole seconds are enough above ten of them, tenths below. */
	format_duration(ns >= 10 * NS_PER_S ? ns / NS_PER_S * NS_PER_S
					    : ns / (NS_PER_S / 10) * (NS_PER_S / 10),
			text, size);
	return text;
}

static const char *join(char *const *words, size_t n, char *text, size_t size)
{
	int len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n && len < (int)size; i++)
		len += snprintf(text + len, size - len, "%s%s", i ? ", " : "", words[i]);
	return text;
}

static void print_head(FILE *out, const struct scene *scene, const struct run_view *view, bool colour)
{
	const struct record *record = view->record;
	const char *netns = scene_netns_name(scene, record->netns);
	char text[256], left[32];

	fprintf(out, "%s%s%s  pid %d  %s%s%s", colour_code(colour, COLOUR_BOLD), record->name,
		colour_code(colour, COLOUR_PLAIN), view->run->pid,
		colour_code(colour, view->open ? COLOUR_RED : COLOUR_PLAIN), scene_phase_names[view->phase],
		colour_code(colour, COLOUR_PLAIN));
	if (view->phase == RECORD_WAIT)
		fprintf(out, " %s", record->wait);
	fprintf(out, ", %s%s left\n", view->phase >= RECORD_RECOVERY ? "at most " : "",
		duration(view->left_ns, left, sizeof(left)));
	fprintf(out, "  run        %s\n", record->directory);
	if (record->n_interfaces)
		fprintf(out, "  interface  %s (%s)",
			join(record->interfaces, record->n_interfaces, text, sizeof(text)), record->attach);
	else
		fprintf(out, "  interface  none");
	if (record->netns != scene->own_netns && netns)
		fprintf(out, " in another network namespace, %s", netns);
	else if (record->netns != scene->own_netns)
		fprintf(out, " in another network namespace, %" PRIu64, record->netns);
	fprintf(out, "\n  windows    %" PRIu32 " open, %" PRIu32 " over, %" PRIu32 " to come\n", view->open,
		view->over, view->windows - view->open - view->over);
}

static enum colour state_colour(enum window_state state)
{
	return state == WINDOW_OPEN     ? COLOUR_RED
	       : state == WINDOW_PAUSED ? COLOUR_YELLOW
	       : state == WINDOW_OVER   ? COLOUR_DIM
					: COLOUR_PLAIN;
}

static const struct {
	const char *name;
	enum sp_verdict verdict;
	bool always; /* also if it is zero throughout */
} columns[] = {
	{"passed", SP_PASS, true},    {"dropped", SP_DROP, true},        {"reset", SP_RESET, true},
	{"refused", SP_REFUSE, true}, {"altered", SP_ALTER, false},      {"duplicated", SP_DUPLICATE, false},
	{"delayed", SP_DELAY, false}, {"suppressed", SP_SUPPRESS, true},
};

#define N_COLUMNS (sizeof(columns) / sizeof(*columns))
#define COLUMN_WIDTH 10
#define NAME_SIZE 96

/* The columns that have something to show, as bits. */
static unsigned shown_columns(const struct run_view *view)
{
	unsigned shown = 0;

	for (size_t i = 0; i < N_COLUMNS; i++) {
		shown |= (unsigned)columns[i].always << i;
		for (size_t r = 0; r < view->record->n_rules; r++)
			if (view->rules[r].counters.verdict[columns[i].verdict])
				shown |= 1U << i;
	}
	return shown;
}

/* Returns the width. */
static int window_name(const char *step, const struct record_window *window, uint32_t times, char *text,
		       size_t size)
{
	return snprintf(text, size, "%.60s %" PRIu32 "/%" PRIu32, step, window->instance + 1, times);
}

static int wider(int width, const char *step, const struct record_window *window, uint32_t times)
{
	char text[NAME_SIZE];
	int len = window_name(step, window, times, text, sizeof(text));

	return len > width ? len : width;
}

static void print_rule(FILE *out, const struct rule_view *view, bool counted, unsigned shown, int width,
		       bool colour)
{
	char name[NAME_SIZE], left[32] = "";

	window_name(view->rule->step, &view->window, view->rule->window.times, name, sizeof(name));
	if (view->window.state != WINDOW_OVER)
		duration(view->window.left_ns, left, sizeof(left));
	fprintf(out, "  %-*s  %-12.12s  %s%-6s%s %7s", width, name, view->rule->target,
		colour_code(colour, state_colour(view->window.state)), scene_state_names[view->window.state],
		colour_code(colour, COLOUR_PLAIN), left);
	if (counted)
		fprintf(out, " %11" PRIu64, (uint64_t)view->counters.matched);
	for (size_t i = 0; counted && i < N_COLUMNS; i++)
		if (shown & 1U << i)
			fprintf(out, " %*" PRIu64, COLUMN_WIDTH,
				(uint64_t)view->counters.verdict[columns[i].verdict]);
	fputc('\n', out);
}

static void print_rules(FILE *out, const struct run_view *view, bool colour)
{
	bool counted = !view->counters_error;
	unsigned shown = counted ? shown_columns(view) : 0;
	int width = strlen("step");

	for (size_t i = 0; i < view->record->n_rules; i++)
		width = wider(width, view->rules[i].rule->step, &view->rules[i].window,
			      view->rules[i].rule->window.times);
	fprintf(out, "\n  %s%-*s  %-12s  %-6s %7s", colour_code(colour, COLOUR_DIM), width, "step", "target",
		"window", "left");
	if (counted)
		fprintf(out, " %11s", "matched");
	for (size_t i = 0; counted && i < N_COLUMNS; i++)
		if (shown & 1U << i)
			fprintf(out, " %*s", COLUMN_WIDTH, columns[i].name);
	fprintf(out, "%s\n", colour_code(colour, COLOUR_PLAIN));
	for (size_t i = 0; i < view->record->n_rules; i++)
		print_rule(out, &view->rules[i], counted, shown, width, colour);
	if (!counted)
		fprintf(out, "  the counters can't be read: %s%s\n", strerror(-view->counters_error),
			view->counters_error == -EPERM ? " (use sudo)" : "");
}

/* "ahead 5s" */
static const char *offset_words(int64_t offset_ns, char *text, size_t size)
{
	int len = snprintf(text, size, "%s ", offset_ns < 0 ? "back" : "ahead");

	format_duration_exact(llabs(offset_ns), text + len, size - len);
	return text;
}

static void print_clock(FILE *out, const struct clock_view *view, int width, bool colour)
{
	char name[NAME_SIZE], offset[48], left[32] = "";

	window_name(view->clock->step, &view->window, view->clock->window.times, name, sizeof(name));
	if (view->window.state != WINDOW_OVER)
		duration(view->window.left_ns, left, sizeof(left));
	fprintf(out, "  %-*s  %-12s  %s%-6s%s %7s\n", width, name,
		offset_words(view->clock->offset_ns, offset, sizeof(offset)),
		colour_code(colour, state_colour(view->window.state)), scene_state_names[view->window.state],
		colour_code(colour, COLOUR_PLAIN), left);
}

static void print_clocks(FILE *out, const struct run_view *view, bool colour)
{
	int width = strlen("step");

	for (size_t i = 0; i < view->record->n_clocks; i++)
		width = wider(width, view->clocks[i].clock->step, &view->clocks[i].window,
			      view->clocks[i].clock->window.times);
	fprintf(out, "\n  %s%-*s  %-12s  %-6s %7s%s\n", colour_code(colour, COLOUR_DIM), width, "step",
		"clock", "window", "left", colour_code(colour, COLOUR_PLAIN));
	for (size_t i = 0; i < view->record->n_clocks; i++)
		print_clock(out, &view->clocks[i], width, colour);
}

static void print_run(FILE *out, const struct scene *scene, const struct run_view *view, bool colour)
{
	if (!view->record) {
		fprintf(out,
			"pid %d: its record %s is none that this version can read; `shearpin clear` ends "
			"it\n",
			view->run->pid, view->run->path);
		return;
	}
	print_head(out, scene, view, colour);
	if (view->record->n_rules)
		print_rules(out, view, colour);
	if (view->record->n_clocks)
		print_clocks(out, view, colour);
}

/* On a kernel without tcx something is left, though it does nothing. */
static const char *leftover(const struct host_run *run)
{
	struct record *record = NULL;
	bool stub = !record_read(run->json, &record) && !strcmp(record->attach, "clsact");

	record_free(record);
	return stub ? "; `shearpin clear` removes the inert stub it left" : "";
}

void scene_print_removed(FILE *out, const struct scene *scene)
{
	for (size_t i = 0; i < scene->n_removed; i++) {
		const struct host_run *run = scene->removed[i];

		if (scene->errors[i])
			fprintf(out,
				"run %d was killed; nothing of it acts. Its record %s can't be removed: %s\n",
				run->pid, run->path, strerror(-scene->errors[i]));
		else
			fprintf(out, "removed the record of run %d, which was killed; nothing of it acts%s\n",
				run->pid, leftover(run));
	}
}

void scene_print(FILE *out, const struct scene *scene, bool colour)
{
	if (!scene->n)
		fputs("no run is active\n", out);
	for (size_t i = 0; i < scene->n; i++) {
		if (i)
			fputc('\n', out);
		print_run(out, scene, &scene->runs[i], colour);
	}
}
