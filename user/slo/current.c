/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/current.h"

#include <stdlib.h>
#include <string.h>

void current_init(struct current *current, struct results *results)
{
	*current = (struct current){.results = results, .first_ns = NO_NS};
	current_changed(current);
}

void current_free(struct current *current)
{
	free(current->steps);
	free(current->step_of);
}

void current_changed(struct current *current)
{
	current->from_ns = NO_NS;
	current->to_ns = 0;
}

static size_t find_step(struct current *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n_steps; i++) {
		if (strcmp(c->steps[i].name, name) == 0)
			return i;
	}
	if (results_grow(c->results, c->steps, c->n_steps))
		c->steps[c->n_steps++] = (struct current_step){.name = name};
	return i;
}

/* Windows are added at the end. */
static void know_windows(struct current *c)
{
	const struct results *r = c->results;
	size_t step;

	while (c->n_known < r->n_windows) {
		step = find_step(c, results_origin(r, r->windows[c->n_known]->step));
		if (step == c->n_steps || !results_grow(c->results, c->step_of, c->n_known))
			return;
		c->step_of[c->n_known++] = step;
	}
}

static void set_targets(const struct results *r, struct current_step *step)
{
	const struct result_window *w = step->window;
	size_t p, t;

	if (step->told == w && step->n_told == w->n_parts)
		return;
	memset(step->targets, 0, sizeof(step->targets));
	for (p = 0; p < w->n_parts; p++) {
		for (t = 0; t < r->n_targets && t < RESULT_MOST_TARGETS; t++) {
			if (strcmp(r->targets[t].name, w->parts[p].target) == 0)
				step->targets[t / 64] |= 1ULL << t % 64;
		}
	}
	step->told = w;
	step->n_told = w->n_parts;
}

static bool is_later(const struct result_window *w, const struct result_window *than)
{
	if (!than || w->opened_ns != than->opened_ns)
		return !than || w->opened_ns > than->opened_ns;
	return w->instance > than->instance;
}

void current_set(struct current *c, uint64_t ns)
{
	struct results *r = c->results;
	struct current_step *step;
	size_t i;

	if (ns >= c->from_ns && ns < c->to_ns)
		return;
	know_windows(c);
	c->from_ns = 0;
	c->to_ns = NO_NS;
	for (i = 0; i < c->n_steps; i++)
		c->steps[i].window = NULL;
	for (i = 0; i < c->n_known; i++) {
		struct result_window *w = r->windows[i];

		if (w->opened_ns < c->first_ns)
			c->first_ns = w->opened_ns;
		if (w->opened_ns > ns) {
			c->to_ns = w->opened_ns < c->to_ns ? w->opened_ns : c->to_ns;
			continue;
		}
		c->from_ns = w->opened_ns > c->from_ns ? w->opened_ns : c->from_ns;
		step = &c->steps[c->step_of[i]];
		if (is_later(w, step->window))
			step->window = w;
	}
	for (i = 0; i < c->n_steps; i++) {
		if (c->steps[i].window)
			set_targets(r, &c->steps[i]);
	}
}
