/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>

#include "scenario/plan_parts.h"

static const char *const direction_names[] = {[PLAN_IN] = "in", [PLAN_OUT] = "out", [PLAN_BOTH] = "both"};

static const char *const slo_names[] = {
	[SLO_RECOVERY_P50] = "recovery_p50",     [SLO_RECOVERY_P95] = "recovery_p95",
	[SLO_RECOVERY_P99] = "recovery_p99",     [SLO_RECOVERY_MAX] = "recovery_max",
	[SLO_DETECTION_MAX] = "detection_max",   [SLO_UNRECOVERED] = "unrecovered",
	[SLO_ATTEMPTS_PER_S] = "attempts_per_s", [SLO_BACKOFF] = "backoff",
	[SLO_AVAILABILITY] = "availability",     [SLO_PROBE_P95] = "probe_p95",
	[SLO_PROBE_P99] = "probe_p99",
};

static const char *const backoff_names[] = {
	[PLAN_BACKOFF_NONE] = "none",
	[PLAN_BACKOFF_CONSTANT] = "constant",
	[PLAN_BACKOFF_LINEAR] = "linear",
	[PLAN_BACKOFF_EXPONENTIAL] = "exponential",
};

static const char *const by_names[] = {[BY_ANY] = "any", [BY_PROBE] = "probe", [BY_FLOW] = "flow"};

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	default:
		return "any";
	}
}

static void add_ports(struct json *j, const char *key, const struct port_range *ranges, size_t n)
{
	char text[16];

	json_array(j, key);
	for (size_t i = 0; i < n; i++) {
		if (ranges[i].first == ranges[i].last)
			snprintf(text, sizeof(text), "%u", ranges[i].first);
		else
			snprintf(text, sizeof(text), "%u-%u", ranges[i].first, ranges[i].last);
		json_string(j, NULL, text);
	}
	json_end_array(j);
}

static void add_any_of(struct json *j, const struct plan *plan, const struct plan_target *t)
{
	json_array(j, "any_of");
	for (size_t i = 0; i < t->n_any_of; i++)
		json_string(j, NULL, plan->targets[t->any_of[i]].name);
	json_end_array(j);
	plan_time_to_json(j, "reach_timeout_ns", t->reach_timeout_ns);
}

static void add_target(struct json *j, const struct plan *plan, const struct plan_target *t)
{
	char text[64];

	json_object(j, NULL);
	json_string(j, "name", t->name);
	json_string(j, "proto", proto_name(t->proto));
	json_array(j, "remote");
	for (size_t i = 0; i < t->n_remotes; i++) {
		format_prefix(&t->remotes[i], text, sizeof(text));
		json_string(j, NULL, text);
	}
	json_end_array(j);
	add_ports(j, "remote_port", t->remote_ports, t->n_remote_ports);
	add_ports(j, "local_port", t->local_ports, t->n_local_ports);
	plan_texts_to_json(j, "interface", t->interfaces, t->n_interfaces);
	json_string(j, "direction", direction_names[t->direction]);
	json_double(j, "share", (double)t->share / PLAN_ALWAYS);
	plan_texts_to_json(j, "host", t->hosts, t->n_hosts);
	json_string(j, "cgroup", t->cgroup);
	json_string(j, "unit", t->unit);
	if (t->pid)
		json_u64(j, "pid", t->pid);
	else
		json_null(j, "pid");
	add_any_of(j, plan, t);
	json_end_object(j);
}

static void add_hook(struct json *j, const char *hook, const char *why)
{
	json_object(j, NULL);
	json_string(j, "hook", hook);
	json_string(j, "why", why);
	json_end_object(j);
}

static void add_rule(struct json *j, const struct plan *plan, size_t i)
{
	const struct plan_rule *r = &plan->rules[i];

	json_object(j, NULL);
	json_u64(j, "id", i);
	json_string(j, "step", plan->steps[r->step].name);
	json_string(j, "target", plan->targets[r->target].name);
	if (r->seed_of != i)
		json_u64(j, "seed_of", r->seed_of);
	json_array(j, "hooks");
	if (r->hooks & PLAN_HOOK_XDP)
		add_hook(j, "xdp", r->why_in);
	if (r->hooks & PLAN_HOOK_TC_IN)
		add_hook(j, "tc-ingress", r->why_in);
	if (r->hooks & PLAN_HOOK_TC_OUT)
		add_hook(j, "tc-egress", r->why_out);
	if (r->hooks & PLAN_HOOK_CONNECT)
		add_hook(j, "connect", r->why_out);
	json_end_array(j);
	json_end_object(j);
}

/* 99.5 % is 0.995, not the threshold's 0.9950000001: that many samples of a thousand are enough. */
#define SHARE_DIGITS 1e9

static void add_limit(struct json *j, const struct plan_slo *s)
{
	if (s->limit == UINT64_MAX)
		json_null(j, "limit");
	else if (s->key == SLO_AVAILABILITY)
		json_double(j, "limit", round(s->limit * SHARE_DIGITS / PLAN_ALWAYS) / SHARE_DIGITS);
	else
		json_u64(j, "limit", s->limit);
}

static void add_backoff(struct json *j, const struct plan_slo *s)
{
	json_string(j, "kind", backoff_names[s->backoff]);
	if (s->factor_low > 0) {
		json_array(j, "factor");
		json_double(j, NULL, s->factor_low);
		json_double(j, NULL, s->factor_high);
		json_end_array(j);
	} else {
		json_null(j, "factor");
	}
	if (s->cap_ns)
		json_u64(j, "cap_ns", s->cap_ns);
	else
		json_null(j, "cap_ns");
}

void plan_slo_to_json(struct json *j, const char *key, const struct plan *plan, const struct plan_slo *s)
{
	json_object(j, key);
	json_string(j, "key", slo_names[s->key]);
	add_limit(j, s);
	if (s->relative)
		json_double(j, "over_baseline", s->over);
	if (s->key == SLO_BACKOFF)
		add_backoff(j, s);
	json_string(j, "step", s->step < 0 ? NULL : plan->steps[s->step].name);
	json_string(j, "probe", s->probe < 0 ? NULL : plan->probes[s->probe].name);
	json_string(j, "target", s->target < 0 ? NULL : plan->targets[s->target].name);
	json_string(j, "by", by_names[s->by]);
	json_end_object(j);
}

static void add_head(struct json *j, const struct plan *plan)
{
	json_u64(j, "version", 1);
	json_string(j, "name", plan->name);
	json_string(j, "description", plan->description);
	json_string(j, "source", plan->source);
	json_u64(j, "seed", plan->seed);
	plan_texts_to_json(j, "interfaces", plan->interfaces, plan->n_interfaces);
	json_string(j, "netns", plan->netns);
	json_string(j, "container", plan->container);
	json_object(j, "meta");
	for (size_t i = 0; i < plan->n_meta; i++)
		json_string(j, plan->meta[i].key, plan->meta[i].value);
	json_end_object(j);
	json_u64(j, "baseline_ns", plan->baseline_ns);
	json_u64(j, "recovery_ns", plan->recovery_ns);
	json_u64(j, "length_ns", plan->length_ns);
	json_object(j, "limits");
	json_u64(j, "packets", plan->max_packets);
	json_u64(j, "flows", plan->max_flows);
	json_u64(j, "duration_ns", plan->max_duration_ns);
	json_end_object(j);
}

static void add_parts(struct json *j, const struct plan *plan)
{
	json_array(j, "targets");
	for (size_t i = 0; i < plan->n_targets; i++)
		add_target(j, plan, &plan->targets[i]);
	json_end_array(j);
	plan_probes_to_json(j, plan);
	plan_steps_to_json(j, plan);
	json_array(j, "rules");
	for (size_t i = 0; i < plan->n_rules; i++)
		add_rule(j, plan, i);
	json_end_array(j);
	json_string(j, "evidence", plan->packet_evidence ? "packets" : "flows");
	json_bool(j, "capture", plan->capture);
	json_array(j, "slo");
	for (size_t i = 0; i < plan->n_slos; i++)
		plan_slo_to_json(j, NULL, plan, &plan->slos[i]);
	json_end_array(j);
	plan_conditions_to_json(j, plan);
}

int plan_to_json(const struct plan *plan, char **ret_text)
{
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	json_object(&j, NULL);
	add_head(&j, plan);
	add_parts(&j, plan);
	json_end_object(&j);
	*ret_text = buf_take(&out);
	return *ret_text ? 0 : -ENOMEM;
}
