/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin status: what is active on this host now. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "cmd/cmd.h"
#include "cmd/colour.h"
#include "cmd/options.h"
#include "cmd/place.h"
#include "drill/record.h"
#include "kernel/counters.h"
#include "kernel/host.h"
#include "kernel/netns.h"

struct status_args {
	bool json;
	struct place place;
};

static const struct option_spec options[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct status_args, json), NULL, NULL,
	 "one JSON document on standard output; messages go to standard error"},
	PLACE_OPTIONS(offsetof(struct status_args, place), "only runs inside"),
};

static const struct command_spec command = {
	.name = "status",
	.synopsis = "[OPTION...]",
	.about = "Shows every run on this host, in whatever network namespace: the windows that are open or\n"
		 "open next, the time left, by how much the clock is moved, and what each rule has done so\n"
		 "far. Removes the record of a run that was killed, and says so. Counters need root.",
	.options = options,
	.n_options = sizeof(options) / sizeof(*options),
};

/* A rule as it stands. */
struct rule_view {
	const struct record_rule *rule;
	struct record_window window;
	struct sp_counters counters; /* of all its windows */
};

/* A step that moves the clock, as it stands. */
struct clock_view {
	const struct record_clock *clock;
	struct record_window window;
};

struct run_view {
	const struct host_run *run;
	struct record *record; /* NULL: unreadable */
	enum record_phase phase;
	uint64_t left_ns; /* of the phase, at most */
	struct rule_view *rules;
	struct clock_view *clocks;
	uint32_t open, over, windows;
	int counters_error; /* 0: the counters hold */
};

/* What there is to be seen; the namespaces are kept for their names. */
struct scene {
	struct run_view *runs;
	size_t n;
	const struct host_run **removed; /* records of dead runs, */
	int *errors;                     /* and why one could not be removed */
	size_t n_removed;
	struct netns *netns;
	size_t n_netns;
	uint64_t own_netns;
};

static const char *const phase_names[] = {
	[RECORD_BASELINE] = "baseline",
	[RECORD_FAULTS] = "faults",
	[RECORD_RECOVERY] = "recovery",
};

static const char *const state_names[] = {
	[WINDOW_WAITS] = "waits",
	[WINDOW_OPEN] = "open",
	[WINDOW_PAUSED] = "paused",
	[WINDOW_OVER] = "over",
};

static const char *netns_name(const struct scene *scene, uint64_t inode)
{
	for (size_t i = 0; i < scene->n_netns; i++)
		if (scene->netns[i].inode == inode && scene->netns[i].name[0])
			return scene->netns[i].name;
	return NULL;
}

static void read_counters(struct run_view *view)
{
	const struct record *record = view->record;
	int fd, err = counters_open(record->counters_map, &fd);

	view->counters_error = err;
	if (err)
		return;
	for (size_t i = 0; !err && i < record->n_rules; i++)
		err = counters_read(fd, record->rules[i].first_slot, record->rules[i].window.times,
				    &view->rules[i].counters);
	view->counters_error = err;
	close(fd);
}

static void count_windows(struct run_view *view, uint32_t times, const struct record_window *window)
{
	view->windows += times;
	view->over += window->over;
	view->open += window->state == WINDOW_OPEN || window->state == WINDOW_PAUSED;
}

static int look_at(struct run_view *view, const struct host_run *run)
{
	uint64_t now = clock_mono_ns(), ends;
	int err = record_read(run->json, &view->record);

	view->run = run;
	if (err)
		return err == -EBADMSG ? 0 : err;
	view->phase = record_phase(view->record, now, &ends);
	view->left_ns = ends > now ? ends - now : 0;
	view->rules = calloc(view->record->n_rules + 1, sizeof(*view->rules));
	view->clocks = calloc(view->record->n_clocks + 1, sizeof(*view->clocks));
	if (!view->rules || !view->clocks)
		return -ENOMEM;
	for (size_t i = 0; i < view->record->n_rules; i++) {
		struct rule_view *rule = &view->rules[i];

		rule->rule = &view->record->rules[i];
		rule->window = record_window(view->record, &rule->rule->window, now);
		count_windows(view, rule->rule->window.times, &rule->window);
	}
	for (size_t i = 0; i < view->record->n_clocks; i++) {
		struct clock_view *clock = &view->clocks[i];

		clock->clock = &view->record->clocks[i];
		clock->window = record_window(view->record, &clock->clock->window, now);
		count_windows(view, clock->clock->window.times, &clock->window);
	}
	read_counters(view);
	return 0;
}

/* Is the run to be shown? Every one, or those in the namespace that was asked for. */
static bool is_wanted(const struct run_view *view, uint64_t netns)
{
	return !netns || (view->record && view->record->netns == netns);
}

static void run_view_free(struct run_view *view)
{
	record_free(view->record);
	free(view->rules);
	free(view->clocks);
}

static int survey(struct scene *scene, const struct host_run *runs, size_t n, uint64_t netns)
{
	int err = host_netns(getpid(), &scene->own_netns);

	scene->runs = calloc(n + 1, sizeof(*scene->runs));
	scene->removed = calloc(n + 1, sizeof(*scene->removed));
	scene->errors = calloc(n + 1, sizeof(*scene->errors));
	if (!scene->runs || !scene->removed || !scene->errors)
		err = -ENOMEM;
	if (!err)
		err = netns_list(&scene->netns, &scene->n_netns);
	for (size_t i = 0; !err && i < n; i++) {
		struct run_view *view = &scene->runs[scene->n];

		if (!runs[i].alive) {
			scene->errors[scene->n_removed] = host_forget(&runs[i]);
			scene->removed[scene->n_removed++] = &runs[i];
			continue;
		}
		err = look_at(view, &runs[i]);
		if (!err && is_wanted(view, netns)) {
			scene->n++;
			continue;
		}
		run_view_free(view);
		memset(view, 0, sizeof(*view));
	}
	return err;
}

static void scene_free(struct scene *scene)
{
	for (size_t i = 0; i < scene->n; i++)
		run_view_free(&scene->runs[i]);
	free(scene->runs);
	free(scene->removed);
	free(scene->errors);
	free(scene->netns);
}

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

static void print_head(const struct scene *scene, const struct run_view *view, bool colour)
{
	const struct record *record = view->record;
	const char *netns = netns_name(scene, record->netns);
	char text[256], left[32];

	printf("%s%s%s  pid %d  %s%s%s, ", colour_code(colour, COLOUR_BOLD), record->name,
	       colour_code(colour, COLOUR_PLAIN), view->run->pid,
	       colour_code(colour, view->open ? COLOUR_RED : COLOUR_PLAIN), phase_names[view->phase],
	       colour_code(colour, COLOUR_PLAIN));
	printf("%s%s left\n", view->phase == RECORD_RECOVERY ? "at most " : "",
	       duration(view->left_ns, left, sizeof(left)));
	printf("  run        %s\n", record->directory);
	if (record->n_interfaces)
		printf("  interface  %s (%s)",
		       join(record->interfaces, record->n_interfaces, text, sizeof(text)), record->attach);
	else
		printf("  interface  none");
	if (record->netns != scene->own_netns && netns)
		printf(" in another network namespace, %s", netns);
	else if (record->netns != scene->own_netns)
		printf(" in another network namespace, %" PRIu64, record->netns);
	printf("\n  windows    %" PRIu32 " open, %" PRIu32 " over, %" PRIu32 " to come\n", view->open,
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
	int len = window_name(step, window, times, NULL, 0);

	return len > width ? len : width;
}

static void print_rule(const struct rule_view *view, bool counted, unsigned shown, int width, bool colour)
{
	char name[96], left[32] = "";

	window_name(view->rule->step, &view->window, view->rule->window.times, name, sizeof(name));
	if (view->window.state != WINDOW_OVER)
		duration(view->window.left_ns, left, sizeof(left));
	printf("  %-*s  %-12.12s  %s%-6s%s %7s", width, name, view->rule->target,
	       colour_code(colour, state_colour(view->window.state)), state_names[view->window.state],
	       colour_code(colour, COLOUR_PLAIN), left);
	if (counted)
		printf(" %11" PRIu64, (uint64_t)view->counters.matched);
	for (size_t i = 0; counted && i < N_COLUMNS; i++)
		if (shown & 1U << i)
			printf(" %*" PRIu64, COLUMN_WIDTH,
			       (uint64_t)view->counters.verdict[columns[i].verdict]);
	putchar('\n');
}

static void print_rules(const struct run_view *view, bool colour)
{
	bool counted = !view->counters_error;
	unsigned shown = counted ? shown_columns(view) : 0;
	int width = strlen("step");

	for (size_t i = 0; i < view->record->n_rules; i++)
		width = wider(width, view->rules[i].rule->step, &view->rules[i].window,
			      view->rules[i].rule->window.times);
	printf("\n  %s%-*s  %-12s  %-6s %7s", colour_code(colour, COLOUR_DIM), width, "step", "target",
	       "window", "left");
	if (counted)
		printf(" %11s", "matched");
	for (size_t i = 0; counted && i < N_COLUMNS; i++)
		if (shown & 1U << i)
			printf(" %*s", COLUMN_WIDTH, columns[i].name);
	printf("%s\n", colour_code(colour, COLOUR_PLAIN));
	for (size_t i = 0; i < view->record->n_rules; i++)
		print_rule(&view->rules[i], counted, shown, width, colour);
	if (!counted)
		printf("  the counters can't be read: %s%s\n", strerror(-view->counters_error),
		       view->counters_error == -EPERM ? " (use sudo)" : "");
}

/* "ahead 5s" */
static const char *offset_words(int64_t offset_ns, char *text, size_t size)
{
	int len = snprintf(text, size, "%s ", offset_ns < 0 ? "back" : "ahead");

	format_duration_exact(llabs(offset_ns), text + len, size - len);
	return text;
}

static void print_clock(const struct clock_view *view, int width, bool colour)
{
	char name[96], offset[48], left[32] = "";

	window_name(view->clock->step, &view->window, view->clock->window.times, name, sizeof(name));
	if (view->window.state != WINDOW_OVER)
		duration(view->window.left_ns, left, sizeof(left));
	printf("  %-*s  %-12s  %s%-6s%s %7s\n", width, name,
	       offset_words(view->clock->offset_ns, offset, sizeof(offset)),
	       colour_code(colour, state_colour(view->window.state)), state_names[view->window.state],
	       colour_code(colour, COLOUR_PLAIN), left);
}

static void print_clocks(const struct run_view *view, bool colour)
{
	int width = strlen("step");

	for (size_t i = 0; i < view->record->n_clocks; i++)
		width = wider(width, view->clocks[i].clock->step, &view->clocks[i].window,
			      view->clocks[i].clock->window.times);
	printf("\n  %s%-*s  %-12s  %-6s %7s%s\n", colour_code(colour, COLOUR_DIM), width, "step", "clock",
	       "window", "left", colour_code(colour, COLOUR_PLAIN));
	for (size_t i = 0; i < view->record->n_clocks; i++)
		print_clock(&view->clocks[i], width, colour);
}

static void print_run(const struct scene *scene, const struct run_view *view, bool colour)
{
	if (!view->record) {
		printf("pid %d: its record %s is none that this version can read; `shearpin clear` ends it\n",
		       view->run->pid, view->run->path);
		return;
	}
	print_head(scene, view, colour);
	if (view->record->n_rules)
		print_rules(view, colour);
	if (view->record->n_clocks)
		print_clocks(view, colour);
}

/* On a kernel without tcx something is left, though it does nothing. */
static const char *leftover(const struct host_run *run)
{
	struct record *record = NULL;
	bool stub = !record_read(run->json, &record) && !strcmp(record->attach, "clsact");

	record_free(record);
	return stub ? "; `shearpin clear` removes the inert stub it left" : "";
}

static void print_removed(FILE *out, const struct scene *scene)
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

static void print_scene(const struct scene *scene)
{
	bool colour = colour_wanted(stdout);

	print_removed(stdout, scene);
	if (!scene->n)
		puts("no run is active");
	for (size_t i = 0; i < scene->n; i++) {
		if (i)
			putchar('\n');
		print_run(scene, &scene->runs[i], colour);
	}
}

static void add_window(struct json *j, const struct record_window *window, uint32_t times)
{
	json_u64(j, "instance", window->instance + 1);
	json_u64(j, "times", times);
	json_string(j, "state", state_names[window->state]);
	json_u64(j, "opens_ns", window->opens_ns);
	json_u64(j, "closes_ns", window->closes_ns);
	json_u64(j, "left_ns", window->left_ns);
	json_u64(j, "over", window->over);
}

static void add_clock(struct json *j, const struct clock_view *view)
{
	json_object(j, NULL);
	json_string(j, "step", view->clock->step);
	json_i64(j, "offset_ns", view->clock->offset_ns);
	add_window(j, &view->window, view->clock->window.times);
	json_end_object(j);
}

static void add_rule(struct json *j, const struct rule_view *view, bool counted)
{
	json_object(j, NULL);
	json_string(j, "step", view->rule->step);
	json_string(j, "target", view->rule->target);
	add_window(j, &view->window, view->rule->window.times);
	if (counted)
		counters_tell(j, &view->counters);
	json_end_object(j);
}

static void add_record(struct json *j, const struct scene *scene, const struct run_view *view)
{
	const struct record *record = view->record;

	json_string(j, "name", record->name);
	json_string(j, "run", record->directory);
	json_u64(j, "netns", record->netns);
	json_string(j, "netns_name", netns_name(scene, record->netns));
	json_bool(j, "other_netns", record->netns != scene->own_netns);
	json_array(j, "interfaces");
	for (size_t i = 0; i < record->n_interfaces; i++)
		json_string(j, NULL, record->interfaces[i]);
	json_end_array(j);
	json_string(j, "attach", record->attach);
	json_string(j, "phase", phase_names[view->phase]);
	json_u64(j, "left_ns", view->left_ns);
	json_object(j, "windows");
	json_u64(j, "open", view->open);
	json_u64(j, "over", view->over);
	json_u64(j, "total", view->windows);
	json_end_object(j);
	json_string(j, "counters_error", view->counters_error ? strerror(-view->counters_error) : NULL);
	json_array(j, "rules");
	for (size_t i = 0; i < record->n_rules; i++)
		add_rule(j, &view->rules[i], !view->counters_error);
	json_end_array(j);
	json_array(j, "clocks");
	for (size_t i = 0; i < record->n_clocks; i++)
		add_clock(j, &view->clocks[i]);
	json_end_array(j);
}

static int print_json(const struct scene *scene)
{
	struct buf text = {0};
	struct json j;

	json_begin(&j, &text);
	json_object(&j, NULL);
	json_u64(&j, "now_ns", clock_mono_ns());
	json_array(&j, "runs");
	for (size_t i = 0; i < scene->n; i++) {
		json_object(&j, NULL);
		json_u64(&j, "pid", scene->runs[i].run->pid);
		if (scene->runs[i].record)
			add_record(&j, scene, &scene->runs[i]);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_array(&j, "killed");
	for (size_t i = 0; i < scene->n_removed; i++)
		json_u64(&j, NULL, scene->removed[i]->pid);
	json_end_array(&j);
	json_end_object(&j);
	if (text.failed)
		return -ENOMEM;
	puts(text.data);
	buf_free(&text);
	return 0;
}

/* The namespace that --netns or --container names; 0: none was named. STATUS_OK, or the status to leave with: said why. */
static int find_netns(const struct place *place, uint64_t *ret_inode)
{
	char path[512];
	struct stat st;
	int status = place_path(&command, place, path, sizeof(path));

	*ret_inode = 0;
	if (status || !path[0])
		return status;
	if (stat(path, &st)) {
		fprintf(stderr, "shearpin status: the network namespace %s: %s: %s\n",
			place->netns ?: place->container, path, strerror(errno));
		return STATUS_USAGE;
	}
	*ret_inode = st.st_ino;
	return STATUS_OK;
}

static int show(const struct status_args *args, uint64_t netns)
{
	struct scene scene = {0};
	struct host_run *runs = NULL;
	size_t n = 0;
	int err = host_runs(&runs, &n);

	if (!err)
		err = survey(&scene, runs, n, netns);
	if (!err && args->json) {
		print_removed(stderr, &scene);
		err = print_json(&scene);
	} else if (!err) {
		print_scene(&scene);
	}
	scene_free(&scene);
	host_runs_free(runs, n);
	if (err)
		fprintf(stderr, "shearpin status: can't tell what is active: %s\n", strerror(-err));
	return err ? STATUS_HOST_FAILED : STATUS_OK;
}

int cmd_status(int argc, char **argv)
{
	struct status_args args = {0};
	struct words words;
	uint64_t netns;
	int status;

	if (!options_parse(&command, argc, argv, &args, &words, &status))
		return status;
	status = find_netns(&args.place, &netns);
	return status ?: show(&args, netns);
}
