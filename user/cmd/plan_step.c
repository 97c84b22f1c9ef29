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

static void print_signal(const struct plan_signal *s)
{
	const char *name = sigabbrev_np(s->number);

	printf("SIG%s to ", name ?: "?");
	plan_print_process(&s->process);
	if (s->number == SIGSTOP)
		printf(", SIGCONT at the closing");
}

static void print_exec(const struct plan_step *s)
{
	const struct plan_exec *e = &s->exec;

	plan_print_command("runs ", &e->command);
	plan_print_duration(", at most ", e->timeout_ns);
	if (e->expect_status > 0)
		printf(", which must end with %d", e->expect_status);
	else if (e->expect_status < 0)
		printf(", whatever comes of it");
	if (!e->undo.n)
		return;
	printf("; %s", end_of(s));
	plan_print_command(" ", &e->undo);
}

static void print_file(const struct plan_step *s)
{
	const struct plan_file *f = &s->file;

	switch (f->change) {
	case FILE_REMOVE:
		plan_print_word("removes ", f->path);
		break;
	case FILE_TRUNCATE:
		plan_print_word("cuts ", f->path);
		printf(" to %" PRIu64 " bytes", f->size);
		break;
	case FILE_REPLACE:
		plan_print_word("replaces ", f->path);
		if (f->from) {
			plan_print_word(" by what ", f->from);
			printf(" holds");
		} else {
			printf(" by %zu bytes", strlen(f->text));
		}
		break;
	case FILE_APPEND:
		printf("adds %" PRIu64 " bytes%s", f->text ? strlen(f->text) : f->size,
		       f->text ? "" : " of garbage");
		plan_print_word(" to ", f->path);
		break;
	}
	printf(", and restores it %s%s", end_of(s), f->always ? ", whoever has written it meanwhile" : "");
}

/* ---- conditions ---- */

static void print_answer(const struct plan_probe *p)
{
	printf("%s answers with ", p->url);
	plan_print_answer(p);
}

static void print_content(const struct plan_probe *p)
{
	if (p->where)
		plan_print_text("", p->where);
	plan_print_word(p->where ? " of " : "", p->path);
	if (p->kind == PROBE_FILE)
		printf(" is %sthere", p->absent ? "not " : "");
	else if (!p->where)
		printf(" is JSON");
	plan_print_compare(&p->compare);
	if (p->expect_output)
		plan_print_word(" with ", p->expect_output);
	if (p->fresh_ns)
		plan_print_duration(", not older than ", p->fresh_ns);
}

static void print_output(const struct plan_probe *p)
{
	plan_print_command("", &p->command);
	printf(" ends with %d", p->expect_status);
	if (p->expect_output)
		plan_print_word(" and says ", p->expect_output);
}

static void print_watch(const struct plan *plan, const struct plan_probe *p, uint32_t count)
{
	switch (p->kind) {
	case PROBE_TCP:
		plan_print_place(plan, p->target, p->host, p->port);
		printf(" accepts a connection");
		break;
	case PROBE_LOG:
		plan_print_word("", p->path);
		if (count > 1)
			printf(" gets %u lines", count);
		else
			printf(" gets a line");
		plan_print_word(" with ", p->healthy);
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
		plan_print_process(&p->process);
		printf(" lives%s", p->restarts_fail ? ", and is the same" : "");
		break;
	case PROBE_STREAM:
		printf("the stream of ");
		plan_print_place(plan, p->target, p->host, p->port);
		printf(" is whole");
		break;
	case PROBE_PROMETHEUS:
		plan_print_word("", p->query);
		printf(" at %s is", p->url);
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
