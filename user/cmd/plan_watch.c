/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/plan_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/output.h"

void plan_print_duration(const char *before, uint64_t ns)
{
	char text[40];

	format_duration_exact(ns, text, sizeof(text));
	printf("%s%s", before, text);
}

void plan_print_word(const char *before, const char *word)
{
	fputs(before, stdout);
	output_word(stdout, word);
}

void plan_print_command(const char *before, const struct plan_command *c)
{
	for (size_t i = 0; i < c->n; i++)
		plan_print_word(i ? " " : before, c->argv[i]);
}

void plan_print_text(const char *before, const char *text)
{
	fputs(before, stdout);
	output_text(stdout, text, strlen(text));
}

void plan_print_place(const struct plan *plan, int target, const char *host, uint16_t port)
{
	bool v6 = host && strchr(host, ':');

	if (target >= 0)
		printf("the target %s", plan->targets[target].name);
	else
		printf("%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

void plan_print_process(const struct plan_process *p)
{
	if (p->pidfile)
		plan_print_word("the process of ", p->pidfile);
	else if (p->pid)
		printf("the process %u", p->pid);
	else
		plan_print_word("the process named ", p->name);
}

void plan_print_compare(const struct plan_compare *c)
{
	static const char *const words[] = {
		[COMPARE_EQUALS] = "equals",     [COMPARE_DIFFERS] = "differs from",
		[COMPARE_ABOVE] = "above",       [COMPARE_BELOW] = "below",
		[COMPARE_AT_LEAST] = "at least", [COMPARE_AT_MOST] = "at most",
		[COMPARE_MATCHES] = "matches",   [COMPARE_CONTAINS] = "contains",
	};

	if (c->op == COMPARE_NONE)
		return;
	printf(" %s ", words[c->op]);
	if (c->json)
		plan_print_text("", c->json);
	else if (c->text)
		plan_print_word("", c->text);
	else
		printf("%.10g", c->number);
}

static void print_tcp(const struct plan *plan, const struct plan_probe *p)
{
	printf("connects to ");
	plan_print_place(plan, p->target, p->host, p->port);
}

static void print_log(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	plan_print_word("reads ", p->path);
}

void plan_print_answer(const struct plan_probe *p)
{
	if (p->expect_status)
		printf("status %d", p->expect_status);
	else
		printf("a status from 200 to 399");
	if (p->expect_body)
		plan_print_word(" and ", p->expect_body);
}

static void print_http(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	printf("asks %s for ", p->url);
	plan_print_answer(p);
	if (p->insecure)
		printf(", whatever its certificate");
}

static void print_json(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	plan_print_word("reads ", p->path);
	if (p->where)
		plan_print_text(", where ", p->where);
	plan_print_compare(&p->compare);
	if (p->fresh_ns)
		plan_print_duration(", not older than ", p->fresh_ns);
}

static void print_exec(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	plan_print_command("runs ", &p->command);
	printf(" for exit status %d", p->expect_status);
	if (p->expect_output)
		plan_print_word(" and ", p->expect_output);
}

static void print_file(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	plan_print_word("looks at ", p->path);
	printf(", which must %sbe there", p->absent ? "not " : "");
	if (p->fresh_ns)
		plan_print_duration(", not older than ", p->fresh_ns);
	if (p->expect_output)
		plan_print_word(", with ", p->expect_output);
}

static void print_process(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	printf("looks whether ");
	plan_print_process(&p->process);
	printf(" lives%s", p->restarts_fail ? ", and is the same" : "");
}

static void print_stream(const struct plan *plan, const struct plan_probe *p)
{
	printf(p->listen ? "listens on " : "follows ");
	plan_print_place(plan, p->target, p->host, p->port);
	printf("/%s", p->udp ? "udp" : "tcp");
	plan_print_duration(", silent for at most ", p->silence_ns);
	if (p->complete_least > 0)
		printf(", %.10g%% complete", 100 * p->complete_least);
}

static void print_prometheus(const struct plan *plan, const struct plan_probe *p)
{
	(void)plan;
	printf("asks %s for ", p->url);
	plan_print_word("", p->query);
	plan_print_compare(&p->compare);
}

static void print_kind(const struct plan *plan, const struct plan_probe *p)
{
	static void (*const print[])(const struct plan *plan, const struct plan_probe *p) = {
		[PROBE_TCP] = print_tcp,
		[PROBE_LOG] = print_log,
		[PROBE_HTTP] = print_http,
		[PROBE_JSON] = print_json,
		[PROBE_EXEC] = print_exec,
		[PROBE_FILE] = print_file,
		[PROBE_PROCESS] = print_process,
		[PROBE_STREAM] = print_stream,
		[PROBE_PROMETHEUS] = print_prometheus,
	};

	print[p->kind](plan, p);
}

static void print_probe(const struct plan *plan, const struct plan_probe *p)
{
	print_kind(plan, p);
	plan_print_duration(", every ", p->every_ns);
	if (p->timeout_ns)
		plan_print_duration(", waits ", p->timeout_ns);
	if (p->rising > 1 || p->falling > 1)
		printf(", healthy after %u, unhealthy after %u", p->rising, p->falling);
	if (p->kind != PROBE_LOG)
		return;
	plan_print_word("; unhealthy: ", p->unhealthy);
	plan_print_word("; healthy: ", p->healthy);
}

void plan_print_probes(const struct plan *plan, int width)
{
	if (plan->n_probes)
		printf("\nProbes\n");
	for (size_t i = 0; i < plan->n_probes; i++) {
		printf("  %-*.*s  ", width, width, plan->probes[i].name);
		print_probe(plan, &plan->probes[i]);
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
		plan_print_duration(", intervals of at most ", s->cap_ns);
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
		plan_print_duration("at most ", s->limit);
}

static void print_slo(const struct plan *plan, const struct plan_slo *s)
{
	static const char *const by[] = {[BY_PROBE] = ", by probe", [BY_FLOW] = ", by flow"};

	print_limit(s);
	if (s->step >= 0)
		printf(", step %s", plan->steps[s->step].name);
	if (s->probe >= 0)
		printf(", probe %s", plan->probes[s->probe].name);
	if (s->target >= 0)
		printf(", target %s", plan->targets[s->target].name);
	printf("%s", s->by == BY_ANY ? "" : by[s->by]);
}

void plan_print_objectives(const struct plan *plan)
{
	if (plan->n_slos)
		printf("\nObjectives\n");
	for (size_t i = 0; i < plan->n_slos; i++) {
		printf("  %-25s  ", names[plan->slos[i].key]);
		print_slo(plan, &plan->slos[i]);
		putchar('\n');
	}
}

/* The condition that aborts is that the watch's comparison does not hold. */
static void print_query(const struct plan_probe *watch)
{
	static const char *const words[] = {
		[COMPARE_AT_MOST] = "above", [COMPARE_AT_LEAST] = "below",   [COMPARE_BELOW] = "at least",
		[COMPARE_ABOVE] = "at most", [COMPARE_DIFFERS] = "equal to",
	};

	printf("%s says of ", watch->url);
	plan_print_word("", watch->query);
	printf(": %s %.10g", words[watch->compare.op], watch->compare.number);
}

static void print_abort(const struct plan *plan, const struct plan_abort *a)
{
	switch (a->kind) {
	case ABORT_PROBE:
		printf("the probe %s is unhealthy", plan->probes[a->index].name);
		break;
	case ABORT_FILE:
		plan_print_word("the file ", a->path);
		printf(" is there");
		break;
	case ABORT_PROMETHEUS:
		print_query(&plan->watches[a->index]);
		break;
	case ABORT_SLO:
		printf("missed: %s ", names[a->slo.key]);
		print_slo(plan, &a->slo);
		break;
	}
	if (a->for_ns)
		plan_print_duration(", for ", a->for_ns);
}

void plan_print_aborts(const struct plan *plan)
{
	if (plan->n_aborts)
		printf("\nAborted when\n");
	for (size_t i = 0; i < plan->n_aborts; i++) {
		printf("  ");
		print_abort(plan, &plan->aborts[i]);
		putchar('\n');
	}
}

static void print_check(const struct plan *plan, const struct plan_check *c)
{
	switch (c->kind) {
	case CHECK_REACHABLE:
		plan_print_place(plan, c->target, c->host, c->port);
		plan_print_duration(" accepts connections within ", c->timeout_ns);
		break;
	case CHECK_ENV:
		printf("the environment variable %s is set", c->name);
		break;
	case CHECK_CLOCK:
		printf("the clock is synchronised");
		break;
	case CHECK_DISK:
		printf("%" PRIu64 " bytes are free in ", c->bytes);
		if (c->path)
			plan_print_word("", c->path);
		else
			printf("the run directory");
		break;
	case CHECK_FILE:
		plan_print_word("", c->path);
		printf(" is there");
		break;
	case CHECK_COMMAND:
		plan_print_word("there is a program ", c->name);
		break;
	case CHECK_PROBE:
		printf("the probe %s is healthy", plan->probes[c->index].name);
		break;
	}
}

void plan_print_checks(const struct plan *plan)
{
	if (plan->n_checks)
		printf("\nBefore it begins\n");
	for (size_t i = 0; i < plan->n_checks; i++) {
		printf("  ");
		print_check(plan, &plan->checks[i]);
		printf("%s\n", plan->checks[i].warn ? " (otherwise a warning)" : "");
	}
}
