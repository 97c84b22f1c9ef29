/* SPDX-License-Identifier: BSD-2-Clause */
/* What is turned off leaves the model, and what only it was about. */
#include <stdint.h>

#include "scenario/model.h"

static bool is_enabled(const struct model_step *s)
{
	return !s->enabled.node || s->enabled.n;
}

bool step_is_on(const struct model_step *s)
{
	return is_enabled(s) && !s->rests;
}

/* An expectation on what a step does goes with the step. */
static bool is_on(const struct model *m, const struct model_step *s)
{
	return step_is_on(s) &&
	       (s->expect.about != MODEL_COUNTER || step_is_on(&m->steps[s->expect.step_index]));
}

/* The copy of an objective for a shadow, in which there is nothing to recover from. */
static bool is_of_shadow(const struct model *m, const struct model_slo *s, const struct node *entry)
{
	return entry->phase && m->phases[m->steps[s->step_index].phase].shadow.n;
}

static bool is_void(const struct model *m, const struct model_slo *s, const struct node *entry,
		    const size_t *places)
{
	return s->step_index >= 0 && (places[s->step_index] == SIZE_MAX || is_of_shadow(m, s, entry));
}

static void move_reference(struct model_slo *s, const size_t *places)
{
	if (s->step_index >= 0)
		s->step_index = places[s->step_index];
}

/* The objectives of the file, and those that stand among its steps. */
static void settle_slos(struct reader *r, struct model *m, const size_t *places)
{
	struct model_slo *all = arena_array(r->arena, m->n_slos + m->n_steps, sizeof(*all));
	size_t n = 0;

	if (!all)
		return;
	for (size_t i = 0; i < m->n_slos; i++)
		all[n++] = m->slos[i];
	for (size_t i = 0; i < m->n_steps; i++)
		if (m->steps[i].expect.about == MODEL_BACKOFF && step_is_on(&m->steps[i]))
			all[n++] = m->steps[i].expect.slo;
	m->slos = all;
	m->n_slos = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_void(m, &all[i], all[i].node, places))
			continue;
		move_reference(&all[i], places);
		all[m->n_slos++] = all[i];
	}
}

static void settle_aborts(struct model *m, const size_t *places)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_aborts; i++) {
		struct model_abort *a = &m->aborts[i];

		if (a->kind == ABORT_SLO && is_void(m, &a->slo, a->node, places))
			continue;
		if (a->kind == ABORT_SLO)
			move_reference(&a->slo, places);
		m->aborts[n++] = *a;
	}
	m->n_aborts = n;
}

void settle_model(struct reader *r, struct model *m)
{
	size_t *places = arena_array(r->arena, m->n_steps, sizeof(*places)), n = 0;

	m->disabled.items = arena_array(r->arena, m->n_steps, sizeof(*m->disabled.items));
	if (!places || !m->disabled.items)
		return;
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct model_step *s = &m->steps[i];
		bool on = is_on(m, s);

		places[i] = on && s->expect.about != MODEL_BACKOFF ? n++ : SIZE_MAX;
		if (!on && !s->rests)
			m->disabled.items[m->disabled.count++] = s->name;
	}
	if (!n)
		mistake(r->errors, node_get(m->node, "steps")->key,
			"no step is left, expected one that is on");
	settle_slos(r, m, places);
	settle_aborts(m, places);
	for (size_t i = 0; i < m->n_steps; i++) {
		struct model_step s = m->steps[i];

		if (places[i] == SIZE_MAX)
			continue;
		if (s.expect.about == MODEL_COUNTER)
			s.expect.step_index = places[s.expect.step_index];
		m->steps[places[i]] = s;
	}
	m->n_steps = n;
}
