/* SPDX-License-Identifier: BSD-2-Clause */
/* shearpin status: what is active on this host now. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "cmd/cmd.h"
#include "cmd/colour.h"
#include "cmd/options.h"
#include "cmd/place.h"
#include "cmd/status_scene.h"
#include "kernel/counters.h"

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

static void add_window(struct json *j, const struct record_window *window, uint32_t times)
{
	json_u64(j, "instance", window->instance + 1);
	json_u64(j, "times", times);
	json_string(j, "state", scene_state_names[window->state]);
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
	json_string(j, "netns_name", scene_netns_name(scene, record->netns));
	json_bool(j, "other_netns", record->netns != scene->own_netns);
	json_array(j, "interfaces");
	for (size_t i = 0; i < record->n_interfaces; i++)
		json_string(j, NULL, record->interfaces[i]);
	json_end_array(j);
	json_string(j, "attach", record->attach);
	json_string(j, "phase", scene_phase_names[view->phase]);
	json_u64(j, "left_ns", view->left_ns);
	json_string(j, "wait", view->phase == RECORD_WAIT ? record->wait : NULL);
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

static int show(const struct status_args *args, uint64_t netns)
{
	struct scene scene;
	int err = scene_take(netns, &scene);

	if (!err && args->json) {
		scene_print_removed(stderr, &scene);
		err = print_json(&scene);
	} else if (!err) {
		scene_print_removed(stdout, &scene);
		scene_print(stdout, &scene, colour_wanted(stdout));
	}
	scene_free(&scene);
	if (err)
		fprintf(stderr, "shearpin status: can't tell what is active: %s\n", strerror(-err));
	return err ? STATUS_HOST_FAILED : STATUS_OK;
}

int cmd_status(int argc, char **argv)
{
	struct status_args args = {0};
	uint64_t netns;
	int status;

	return place_parse(&command, argc, argv, &args, &args.place, &netns, &status) ? show(&args, netns)
										      : status;
}
