/* SPDX-License-Identifier: BSD-2-Clause */
/* The conditions of plan.json: what ends a run early, and what must be so before it begins. */
#include "scenario/plan_parts.h"

static void add_abort(struct json *j, const struct plan *plan, const struct plan_abort *a)
{
	static const char *const kinds[] = {
		[ABORT_PROBE] = "probe",
		[ABORT_FILE] = "file",
		[ABORT_PROMETHEUS] = "prometheus",
		[ABORT_SLO] = "slo",
	};

	json_object(j, NULL);
	json_string(j, "kind", kinds[a->kind]);
	json_u64(j, "line", a->line);
	json_raw(j, "condition", a->text);
	json_u64(j, "for_ns", a->for_ns);
	if (a->kind == ABORT_PROBE)
		json_string(j, "probe", plan->probes[a->index].name);
	else if (a->kind == ABORT_FILE)
		json_string(j, "path", a->path);
	else if (a->kind == ABORT_PROMETHEUS)
		json_u64(j, "watch", a->index);
	else
		plan_slo_to_json(j, "slo", plan, &a->slo);
	json_end_object(j);
}

static void add_reachable(struct json *j, const struct plan *plan, const struct plan_check *c)
{
	json_string(j, "host", c->host);
	if (c->target < 0)
		json_u64(j, "port", c->port);
	else
		json_null(j, "port");
	json_string(j, "target", c->target < 0 ? NULL : plan->targets[c->target].name);
	json_u64(j, "timeout_ns", c->timeout_ns);
}

static void add_check(struct json *j, const struct plan *plan, const struct plan_check *c)
{
	static const char *const kinds[] = {
		[CHECK_REACHABLE] = "reachable", [CHECK_ENV] = "env",   [CHECK_CLOCK] = "clock",
		[CHECK_DISK] = "disk",           [CHECK_FILE] = "file", [CHECK_COMMAND] = "command",
		[CHECK_PROBE] = "probe",
	};

	json_object(j, NULL);
	json_string(j, "kind", kinds[c->kind]);
	json_u64(j, "line", c->line);
	if (c->kind == CHECK_REACHABLE)
		add_reachable(j, plan, c);
	else if (c->kind == CHECK_PROBE)
		json_string(j, "probe", plan->probes[c->index].name);
	if (c->kind == CHECK_ENV || c->kind == CHECK_COMMAND)
		json_string(j, "name", c->name);
	if (c->kind == CHECK_FILE || c->kind == CHECK_DISK)
		json_string(j, "path", c->path);
	if (c->kind == CHECK_DISK)
		json_u64(j, "bytes", c->bytes);
	json_string(j, "hint", c->hint);
	json_string(j, "level", c->warn ? "warn" : "fail");
	json_end_object(j);
}

void plan_conditions_to_json(struct json *j, const struct plan *plan)
{
	json_array(j, "aborts");
	for (size_t i = 0; i < plan->n_aborts; i++)
		add_abort(j, plan, &plan->aborts[i]);
	json_end_array(j);
	json_array(j, "preflight");
	for (size_t i = 0; i < plan->n_checks; i++)
		add_check(j, plan, &plan->checks[i]);
	json_end_array(j);
}
