/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: steps, and the phases they are in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/timeutil.h"
#include "scenario/model.h"

#define DEFAULT_EXEC_NS (10 * NS_PER_S)
#define ANY_STATUS (-1)

/* In place of a fault's text, so that the log and the report say what the step does. */
static char *step_text(const struct node *step)
{
	static const char *const keys[] = {"clock",         "signal", "exec", "undo", "timeout",
					   "expect_status", "file",   "link", "wait", "expect"};
	struct buf out = {0};
	struct json j;

	json_begin(&j, &out);
	json_object(&j, NULL);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const struct node *n = node_get(step, keys[i]);

		if (n && n->kind == NODE_MAP)
			add_entry(&j, keys[i], n);
		else if (n)
			add_node(&j, keys[i], n);
	}
	json_end_object(&j);
	return buf_take(&out);
}

static bool compile_signal(const struct model_signal *m, struct plan_signal *s)
{
	s->number = m->number.n;
	return compile_process(&m->process, &s->process);
}

static bool compile_exec(const struct model_exec *m, struct plan_exec *e)
{
	e->timeout_ns = m->timeout.node ? m->timeout.n : DEFAULT_EXEC_NS;
	e->expect_status = m->status.n == MODEL_ANY_STATUS ? ANY_STATUS : (int)m->status.n;
	return compile_command(&m->command, &e->command) &&
	       (!m->undo.count || compile_command(&m->undo, &e->undo));
}

static bool compile_file(const struct model_file *m, struct plan_file *f)
{
	f->change = m->remove.node                      ? FILE_REMOVE
		    : m->truncate.node                  ? FILE_TRUNCATE
		    : m->append.node || m->garbage.node ? FILE_APPEND
							: FILE_REPLACE;
	f->size = m->truncate.n + m->garbage.n; /* one of the two */
	f->always = m->restore.n;
	return copy_text(m->path.s, &f->path) && copy_text(m->from.s, &f->from) &&
	       copy_text(m->replace.node ? m->replace.s : m->append.s, &f->text);
}

/* Of a host that is silent, the time in which that is to be seen would otherwise have no sample. */
static int add_timed_watch(struct reader *r, const struct model_probe *m, uint64_t length_ns,
			   struct plan *plan, size_t *ret_index)
{
	int err = add_watch(r, m, plan, ret_index);
	struct plan_probe *p = err ? NULL : &plan->watches[*ret_index];

	if (p && !m->timeout.node && p->timeout_ns > length_ns / 2)
		p->timeout_ns = length_ns > 1 ? length_ns / 2 : 1;
	return err;
}

static int compile_expect(struct reader *r, const struct model_expect *m, uint64_t length_ns,
			  struct plan *plan, struct plan_expect *e)
{
	e->how = m->throughout.node ? EXPECT_THROUGHOUT : m->never.node ? EXPECT_NEVER : EXPECT_WITHIN;
	e->healthy = m->healthy.node ? m->healthy.n : true;
	e->again = m->again.n;
	e->count = m->count.node ? m->count.n : 1;
	e->timeout_ns = m->timeout.n;
	switch (m->about) {
	case MODEL_WATCH:
		e->what = EXPECT_WATCH;
		return add_timed_watch(r, &m->watch, length_ns, plan, &e->index);
	case MODEL_COUNTER:
		e->what = EXPECT_COUNTER;
		e->index = m->step_index;
		return copy_text(m->counter.s, &e->counter) && compile_compare(&m->compare, &e->compare)
			       ? 0
			       : -ENOMEM;
	default:
		e->what = EXPECT_PROBE;
		e->index = m->probe_index;
		return 0;
	}
}

static bool copy_targets(const struct model_step *m, struct plan_step *s)
{
	s->targets = calloc(m->targets.count + 1, sizeof(*s->targets));
	if (!s->targets)
		return false;
	s->n_targets = m->targets.count;
	memcpy(s->targets, m->target_index, m->targets.count * sizeof(*s->targets));
	return true;
}

static bool compile_kind(const struct model_step *m, struct plan_step *s)
{
	switch (m->kind) {
	case STEP_FAULT:
		return compile_fault(&m->fault, &s->fault) && copy_targets(m, s);
	case STEP_CLOCK:
		s->clock_offset_ns = m->clock.ns;
		return true;
	case STEP_SIGNAL:
		return compile_signal(&m->signal, &s->signal);
	case STEP_EXEC:
		return compile_exec(&m->exec, &s->exec);
	case STEP_FILE:
		return compile_file(&m->file, &s->file);
	case STEP_LINK:
		return copy_text(m->link.s, &s->link);
	default:
		return true;
	}
}

int compile_step(struct reader *r, const struct model *m, const struct model_step *from, struct plan *plan)
{
	struct plan_step *s = &plan->steps[plan->n_steps++];

	s->line = from->node->line;
	s->kind = from->kind;
	s->window = from->window;
	s->until_end = from->until_end;
	s->phase = SIZE_MAX;
	s->share = PLAN_ALWAYS;
	if (from->phase >= 0) {
		const struct model_phase *phase = &m->phases[from->phase];

		s->phase = from->phase;
		s->share = phase->share.node ? phase->share.n : PLAN_ALWAYS;
		s->shadow = phase->shadow.n;
	}
	if (!copy_text(from->name.s, &s->name) || !compile_kind(from, s))
		return -ENOMEM;
	if (s->kind != STEP_FAULT) {
		s->fault.retry_after_s = -1;
		s->fault.text = step_text(from->node);
	}
	if (!s->fault.text)
		return -ENOMEM;
	if (!from->expect.node)
		return 0;
	return compile_expect(r, &from->expect,
			      s->kind == STEP_WAIT ? from->expect.timeout.n : s->window.for_ns, plan,
			      &s->expect);
}

/* ---- phases ---- */

static char *phase_text(const struct node *phase)
{
	const struct node *set = node_get(phase, "set");

	return set ? node_json(set) : strdup("{}");
}

int compile_phases(const struct model *m, struct plan *plan)
{
	uint64_t at = 0;

	plan->phases = calloc(m->n_phases + 1, sizeof(*plan->phases));
	if (!plan->phases)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_phases; i++) {
		const struct model_phase *from = &m->phases[i];
		struct plan_phase *phase = &plan->phases[plan->n_phases++];

		phase->line = from->node->line;
		phase->at_ns = at;
		phase->for_ns = from->length.n;
		phase->share = from->share.node ? from->share.n : PLAN_ALWAYS;
		phase->shadow = from->shadow.n;
		phase->text = phase_text(from->node);
		if (!phase->text || !copy_text(from->name.s, &phase->name))
			return -ENOMEM;
		at += from->length.n;
	}
	return 0;
}
