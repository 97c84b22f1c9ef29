/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps and phases, in plan.json. */
#include "scenario/model.h"
#include "scenario/plan_parts.h"

static const char *const kind_names[] = {
	[STEP_FAULT] = "fault", [STEP_CLOCK] = "clock", [STEP_SIGNAL] = "signal", [STEP_EXEC] = "exec",
	[STEP_FILE] = "file",   [STEP_LINK] = "link",   [STEP_WAIT] = "wait",     [STEP_EXPECT] = "expect",
};

static void add_share(struct json *j, uint64_t share)
{
	if (share == PLAN_ALWAYS)
		json_null(j, "share");
	else
		json_double(j, "share", (double)share / PLAN_ALWAYS);
}

static void add_signal(struct json *j, const struct plan_signal *s)
{
	json_object(j, "signal");
	json_string(j, "name", signal_name(s->number));
	json_u64(j, "number", s->number);
	plan_process_to_json(j, "process", &s->process);
	json_end_object(j);
}

static void add_exec(struct json *j, const struct plan_exec *e)
{
	json_object(j, "exec");
	plan_texts_to_json(j, "argv", e->command.argv, e->command.n);
	plan_texts_to_json(j, "undo", e->undo.argv, e->undo.n);
	json_u64(j, "timeout_ns", e->timeout_ns);
	if (e->expect_status < 0)
		json_null(j, "expect_status");
	else
		json_u64(j, "expect_status", e->expect_status);
	json_end_object(j);
}

static void add_file(struct json *j, const struct plan_file *f)
{
	static const char *const changes[] = {[FILE_REPLACE] = "replace",
					      [FILE_TRUNCATE] = "truncate",
					      [FILE_APPEND] = "append",
					      [FILE_REMOVE] = "remove"};

	json_object(j, "file");
	json_string(j, "path", f->path);
	json_string(j, "change", changes[f->change]);
	json_string(j, "text", f->text);
	json_string(j, "from", f->from);
	json_u64(j, "size", f->size);
	json_bool(j, "always", f->always);
	json_end_object(j);
}

static void add_expect(struct json *j, const struct plan *plan, const struct plan_step *s)
{
	static const char *const hows[] = {
		[EXPECT_WITHIN] = "within", [EXPECT_THROUGHOUT] = "throughout", [EXPECT_NEVER] = "never"};
	const struct plan_expect *e = &s->expect;

	json_object(j, kind_names[s->kind]);
	json_string(j, "probe", e->what == EXPECT_PROBE ? plan->probes[e->index].name : NULL);
	if (e->what == EXPECT_WATCH)
		json_u64(j, "watch", e->index);
	else
		json_null(j, "watch");
	json_string(j, "counter", e->counter);
	json_string(j, "step", e->what == EXPECT_COUNTER ? plan->steps[e->index].name : NULL);
	plan_compare_to_json(j, "compare", &e->compare);
	json_bool(j, "healthy", e->healthy);
	if (s->kind == STEP_WAIT) {
		json_u64(j, "timeout_ns", e->timeout_ns);
	} else {
		json_string(j, "how", hows[e->how]);
		json_bool(j, "again", e->again);
		json_u64(j, "count", e->count);
	}
	json_end_object(j);
}

static void add_kind(struct json *j, const struct plan *plan, const struct plan_step *s)
{
	switch (s->kind) {
	case STEP_CLOCK:
		json_i64(j, "clock_offset_ns", s->clock_offset_ns);
		break;
	case STEP_SIGNAL:
		add_signal(j, &s->signal);
		break;
	case STEP_EXEC:
		add_exec(j, &s->exec);
		break;
	case STEP_FILE:
		add_file(j, &s->file);
		break;
	case STEP_LINK:
		json_string(j, "link", s->link);
		break;
	case STEP_WAIT:
	case STEP_EXPECT:
		add_expect(j, plan, s);
		break;
	default:
		break;
	}
}

static void add_step(struct json *j, const struct plan *plan, const struct plan_step *s)
{
	json_object(j, NULL);
	json_string(j, "name", s->name);
	json_u64(j, "line", s->line);
	json_string(j, "kind", kind_names[s->kind]);
	if (s->kind == STEP_FAULT)
		json_raw(j, "fault", s->fault.text);
	else
		json_null(j, "fault");
	add_kind(j, plan, s);
	json_array(j, "targets");
	for (size_t i = 0; i < s->n_targets; i++)
		json_string(j, NULL, plan->targets[s->targets[i]].name);
	json_end_array(j);
	json_u64(j, "at_ns", s->window.at_ns);
	json_u64(j, "for_ns", s->window.for_ns);
	json_u64(j, "times", s->window.times);
	json_u64(j, "every_ns", s->window.every_ns);
	json_u64(j, "burst_on_ns", s->window.burst_on_ns);
	json_u64(j, "burst_off_ns", s->window.burst_off_ns);
	json_bool(j, "until_end", s->until_end);
	json_string(j, "phase", s->phase == SIZE_MAX ? NULL : plan->phases[s->phase].name);
	add_share(j, s->share);
	json_bool(j, "shadow", s->shadow);
	json_end_object(j);
}

static void add_phase(struct json *j, const struct plan_phase *p)
{
	json_object(j, NULL);
	json_string(j, "name", p->name);
	json_u64(j, "line", p->line);
	json_u64(j, "at_ns", p->at_ns);
	json_u64(j, "for_ns", p->for_ns);
	add_share(j, p->share);
	json_bool(j, "shadow", p->shadow);
	json_raw(j, "set", p->text);
	json_end_object(j);
}

void plan_steps_to_json(struct json *j, const struct plan *plan)
{
	json_array(j, "steps");
	for (size_t i = 0; i < plan->n_steps; i++)
		add_step(j, plan, &plan->steps[i]);
	json_end_array(j);
	plan_texts_to_json(j, "disabled", plan->disabled, plan->n_disabled);
	json_array(j, "phases");
	for (size_t i = 0; i < plan->n_phases; i++)
		add_phase(j, &plan->phases[i]);
	json_end_array(j);
}
