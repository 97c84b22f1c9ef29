/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/status_scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "kernel/counters.h"

const char *const scene_phase_names[] = {
	[RECORD_BASELINE] = "baseline",
	[RECORD_FAULTS] = "faults",
	[RECORD_RECOVERY] = "recovery",
	[RECORD_WAIT] = "wait",
};

const char *const scene_state_names[] = {
	[WINDOW_WAITS] = "waits",
	[WINDOW_OPEN] = "open",
	[WINDOW_PAUSED] = "paused",
	[WINDOW_OVER] = "over",
};

const char *scene_netns_name(const struct scene *scene, uint64_t inode)
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

static int survey(struct scene *scene, uint64_t netns)
{
	const struct host_run *runs = scene->records;
	size_t n = scene->n_records;
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

int scene_take(uint64_t netns, struct scene *ret)
{
	int err;

	*ret = (struct scene){0};
	err = host_runs(&ret->records, &ret->n_records);
	return err ?: survey(ret, netns);
}

void scene_free(struct scene *scene)
{
	for (size_t i = 0; i < scene->n; i++)
		run_view_free(&scene->runs[i]);
	free(scene->runs);
	free(scene->removed);
	free(scene->errors);
	free(scene->netns);
	host_runs_free(scene->records, scene->n_records);
}
