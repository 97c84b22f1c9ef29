/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/plan_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"

static void print_duration(const char *before, uint64_t ns)
{
	char text[40];

	format_duration_exact(ns, text, sizeof(text));
	printf("%s%s", before, text);
}

static void print_tcp(const struct plan_probe *p)
{
	bool v6 = strchr(p->host, ':');

	printf("connects to %s%s%s:%u", v6 ? "[" : "", p->host, v6 ? "]" : "", p->port);
	print_duration(" every ", p->every_ns);
	print_duration(", waits ", p->timeout_ns);
}

static void print_log(const struct plan_probe *p)
{
	printf("reads %s", p->path);
	print_duration(" every ", p->every_ns);
	printf("; unhealthy: %s; healthy: %s", p->unhealthy, p->healthy);
}

void plan_print_probes(const struct plan *plan, int width)
{
	static void (*const print[])(const struct plan_probe *) = {
		[PROBE_TCP] = print_tcp, [PROBE_LOG] = print_log};

	if (plan->n_probes)
		printf("\nProbes\n");
	for (size_t i = 0; i < plan->n_probes; i++) {
		const struct plan_probe *p = &plan->probes[i];

		printf("  %-*.*s  ", width, width, p->name);
		print[p->kind](p);
		putchar('\n');
	}
}

static const char *const names[SLO_KEYS] = {
	[SLO_RECOVERY_P50] = "recovery, median",          [SLO_RECOVERY_P95] = "recovery, 95th percentile",
	[SLO_RECOVERY_P99] = "recovery, 99th percentile", [SLO_RECOVERY_MAX] = "recovery, worst",
	[SLO_DETECTION_MAX] = "detection, worst",         [SLO_UNRECOVERED] = "windows without recovery",
	[SLO_ATTEMPTS_PER_S] = "connection attempts",     [SLO_BACKOFF] = "back-off",
	[SLO_AVAILABILITY] = "availability, worst",       [SLO_PROBE_P95] = "probes, 95th percentile",
	[SLO_PROBE_P99] = "probes, 99th percentile",
};

static void print_backoff(const struct plan_slo *s)
{
	static const char *const kinds[] = {
		[PLAN_BACKOFF_NONE] = "none",
		[PLAN_BACKOFF_CONSTANT] = "constant",
		[PLAN_BACKOFF_LINEAR] = "linear",
		[PLAN_BACKOFF_EXPONENTIAL] = "exponential",
	};

	printf("%s", kinds[s->backoff]);
	if (s->factor_low > 0)
		printf(", factor %.4g to %.4g", s->factor_low, s->factor_high);
	if (s->cap_ns)
		print_duration(", intervals of at most ", s->cap_ns);
}

static void print_limit(const struct plan_slo *s)
{
	if (s->relative)
		printf("at most %.4g%% above the baseline's", 100 * s->over);
	else if (s->key == SLO_BACKOFF)
		print_backoff(s);
	else if (s->key == SLO_AVAILABILITY)
		printf("at least %.9g%%", 100.0 * s->limit / PLAN_ALWAYS);
	else if (s->key == SLO_UNRECOVERED)
		printf("at most %" PRIu64, s->limit);
	else if (s->key == SLO_ATTEMPTS_PER_S)
		printf("at most %" PRIu64 " a second", s->limit);
	else
		print_duration("at most ", s->limit);
}

void plan_print_objectives(const struct plan *plan)
{
	static const char *const by[] = {[BY_PROBE] = ", by probe", [BY_FLOW] = ", by flow"};

	if (plan->n_slos)
		printf("\nObjectives\n");
	for (size_t i = 0; i < plan->n_slos; i++) {
		const struct plan_slo *s = &plan->slos[i];

		printf("  %-25s  ", names[s->key]);
		print_limit(s);
		if (s->step >= 0)
			printf(", step %s", plan->steps[s->step].name);
		if (s->probe >= 0)
			printf(", probe %s", plan->probes[s->probe].name);
		if (s->target >= 0)
			printf(", target %s", plan->targets[s->target].name);
		printf("%s\n", s->by == BY_ANY ? "" : by[s->by]);
	}
}
