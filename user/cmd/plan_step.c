/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/plan_step.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/timeutil.h"
#include "cmd/plan_target.h"
#include "cmd/plan_watch.h"

/* When what a step has done is taken back. */
static const char *end_of(const struct plan_step *s)
{
	return s->until_end ? "at the run's end" : "at the closing";
}

static void print_fault(const struct plan *plan, const struct plan_step *s)
{
	const struct plan_window *w = &s->window;

	plan_print_fault(&s->fault);
	printf(" on ");
	for (size_t i = 0; i < s->n_targets; i++)
		printf("%s%s", i ? ", " : "", plan->targets[s->targets[i]].name);
	if (w->burst_on_ns) {
		plan_print_duration(", ", w->burst_on_ns);
		plan_print_duration(" on and ", w->burst_off_ns);
		printf(" off in turn");
	}
	if (s->share < PLAN_ALWAYS)
		printf(", %.4g%% of the flows", 100.0 * s->share / PLAN_ALWAYS);
	if (s->shadow)
		printf(", counted alone");
}

static void print_clock(const struct plan_step *s)
{
	int64_t ns = s->clock_offset_ns;

	printf("the clock of this host goes %s by ", ns < 0 ? "back" : "ahead");
	plan_print_duration("", ns < 0 ? -ns : ns);
	printf(", and returns at the closing");
}

static void print_process(const struct plan_process *p)
{
	if (p->pidfile)
		printf("the process of %s", p->pidfile);
	else if (p->pid)
		printf("the process %u", p->pid);
	else
		printf("the process named %s", p->name);
}

static void print_signal(const struct plan_signal *s)
{
	const char *name = sigabbrev_np(s->number);

	printf("SIG%s to ", name ?: "?");
	print_process(&s->process);
	if (s->number == SIGSTOP)
		printf(", SIGCONT at the closing");
}

static void print_command(const struct plan_command *c)
{
	for (size_t i = 0; i < c->n; i++) {
		bool word = *c->argv[i] && !strpbrk(c->argv[i], " \t\n\"'\\$`|&;<>()*?[]#~");

		printf(word ? "%s%s" : "%s'%s'", i ? " " : "", c->argv[i]);
	}
}

static void print_exec(const struct plan_step *s)
{
	const struct plan_exec *e = &s->exec;

	printf("runs ");
	print_command(&e->command);
	plan_print_duration(", at most ", e->timeout_ns);
	if (e->expect_status > 0)
		printf(", which must end with %d", e->expect_status);
	else if (e->expect_status < 0)
		printf(", whatever comes of it");
	if (!e->undo.n)
		return;
	printf("; %s ", end_of(s));
	print_command(&e->undo);
}

static void print_file(const struct plan_step *s)
{
	const struct plan_file *f = &s->file;

	if (f->change == FILE_REMOVE)
		printf("removes %s", f->path);
	else if (f->change == FILE_TRUNCATE)
		printf("cuts %s to %" PRIu64 " bytes", f->path, f->size);
	else if (f->change == FILE_REPLACE && f->from)
		printf("replaces %s by what %s holds", f->path, f->from);
	else if (f->change == FILE_REPLACE)
		printf("replaces %s by %zu bytes", f->path, strlen(f->text));
	else if (f->text)
		printf("adds %zu bytes to %s", strlen(f->text), f->path);
	else
		printf("adds %" PRIu64 " bytes of garbage to %s", f->size, f->path);
	printf(", and restores it %s%s", end_of(s), f->always ? ", whoever has written it meanwhile" : "");
}

/* ---- conditions ---- */

static void print_place(const struct plan *plan, const struct plan_probe *p)
{
	bool v6 = p->host && strchr(p->host, ':');

	if (p->target >= 0)
		printf("the target %s", plan->targets[p->target].name);
	else
		printf("%s%s%s:%u", v6 ? "[" : "", p->host, v6 ? "]" : "", p->port);
}

static void print_answer(const struct plan_probe *p)
{
	printf("%s answers with ", p->url);
	plan_print_answer(p);
}

static void print_content(const struct plan_probe *p)
{
	if (p->kind == PROBE_FILE)
		printf("%s is %sthere", p->path, p->absent ? "not " : "");
	else if (p->where)
		printf("%s of %s", p->where, p->path);
	else
		printf("%s is JSON", p->path);
	plan_print_compare(&p->compare);
	if (p->expect_output)
		printf(" with %s", p->expect_output);
	if (p->fresh_ns)
		plan_print_duration(", not older than ", p->fresh_ns);
}

static void print_output(const struct plan_probe *p)
{
	print_command(&p->command);
	printf(" ends with %d", p->expect_status);
	if (p->expect_output)
		printf(" and says %s", p->expect_output);
}

static void print_watch(const struct plan *plan, const struct plan_probe *p, uint32_t count)
{
	switch (p->kind) {
	case PROBE_TCP:
		print_place(plan, p);
		printf(" accepts a connection");
		break;
	case PROBE_LOG:
		if (count > 1)
			printf("%s gets %u lines with %s", p->path, count, p->healthy);
		else
			printf("%s gets a line with %s", p->path, p->healthy);
		break;
	case PROBE_HTTP:
		print_answer(p);
		break;
	case PROBE_JSON:
	case PROBE_FILE:
		print_content(p);
		break;
	case PROBE_EXEC:
		print_output(p);
		break;
	case PROBE_PROCESS:
		print_process(&p->process);
		printf(" lives%s", p->restarts_fail ? ", and is the same" : "");
		break;
	case PROBE_STREAM:
		printf("the stream of ");
		print_place(plan, p);
		printf(" is whole");
		break;
	case PROBE_PROMETHEUS:
		printf("%s at %s is", p->query, p->url);
		plan_print_compare(&p->compare);
		break;
	}
}

static void print_condition(const struct plan *plan, const struct plan_expect *e)
{
	if (e->what == EXPECT_PROBE) {
		printf("the probe %s is %s", plan->probes[e->index].name,
		       e->healthy ? "healthy" : "unhealthy");
	} else if (e->what == EXPECT_WATCH) {
		printf("%s", e->healthy ? "" : "it is not so that ");
		print_watch(plan, &plan->watches[e->index], e->count);
	} else {
		printf("%s of step %s is", e->counter, plan->steps[e->index].name);
		plan_print_compare(&e->compare);
	}
}

static void print_wait(const struct plan *plan, const struct plan_expect *e)
{
	plan_print_duration("waits at most ", e->timeout_ns);
	printf(" until ");
	print_condition(plan, e);
}

static void print_expect(const struct plan *plan, const struct plan_step *s)
{
	static const char *const hows[] = {[EXPECT_WITHIN] = "expects within ",
					   [EXPECT_THROUGHOUT] = "expects throughout ",
					   [EXPECT_NEVER] = "expects never in "};

	plan_print_duration(hows[s->expect.how], s->window.for_ns);
	printf(" that ");
	print_condition(plan, &s->expect);
	if (s->expect.again)
		printf(", after it was not");
}

void plan_print_step(const struct plan *plan, const struct plan_step *step)
{
	switch (step->kind) {
	case STEP_FAULT:
		print_fault(plan, step);
		break;
	case STEP_CLOCK:
		print_clock(step);
		break;
	case STEP_SIGNAL:
		print_signal(&step->signal);
		break;
	case STEP_EXEC:
		print_exec(step);
		break;
	case STEP_FILE:
		print_file(step);
		break;
	case STEP_LINK:
		printf("%s goes down, and up again %s", step->link, end_of(step));
		break;
	case STEP_WAIT:
		print_wait(plan, &step->expect);
		break;
	case STEP_EXPECT:
		print_expect(plan, step);
		break;
	}
}

/* ---- what is off, and what must be allowed ---- */

static bool starts_program(const struct plan *plan, const struct plan_step *s)
{
	bool asks = s->kind == STEP_EXPECT || s->kind == STEP_WAIT;

	return s->kind == STEP_EXEC ||
	       (asks && s->expect.what == EXPECT_WATCH && plan->watches[s->expect.index].kind == PROBE_EXEC);
}

void plan_print_needs(const struct plan *plan)
{
	const char *before = "\nNeeds --allow-exec: ";

	for (size_t i = 0; i < plan->n_probes; i++)
		if (plan->probes[i].kind == PROBE_EXEC) {
			printf("%sprobe %s", before, plan->probes[i].name);
			before = ", ";
		}
	for (size_t i = 0; i < plan->n_steps; i++)
		if (starts_program(plan, &plan->steps[i])) {
			printf("%sstep %s", before, plan->steps[i].name);
			before = ", ";
		}
	if (*before == ',')
		putchar('\n');
	before = "\nOff (`enabled: false`): ";
	for (size_t i = 0; i < plan->n_disabled; i++) {
		printf("%s%s", before, plan->disabled[i]);
		before = ", ";
	}
	if (plan->n_disabled)
		putchar('\n');
}
