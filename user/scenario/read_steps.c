/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what happens, and when. */
#include <string.h>

#include "scenario/values.h"

static void read_times(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_count(r, n, &value);
	if (value.node && value.n > PLAN_MAX_SLOTS)
		mistake(r->errors, n, "%s is too often, expected %d times at most", n->text, PLAN_MAX_SLOTS);
	else
		*(struct value *)into = value;
}

static const struct field repeat_fields[] = {
	{"times", read_times, offsetof(struct model_repeat, times), true},
	{"every", read_positive_duration, offsetof(struct model_repeat, every), true},
};

static void read_repeat(struct reader *r, const struct node *n, void *into)
{
	struct model_repeat *repeat = into;

	if (read_map(r, n, "a repeat", FIELDS(repeat_fields), repeat))
		repeat->node = n;
}

static const struct field burst_fields[] = {
	{"on", read_positive_duration, offsetof(struct model_burst, on), true},
	{"off", read_positive_duration, offsetof(struct model_burst, off), true},
};

static void read_burst(struct reader *r, const struct node *n, void *into)
{
	struct model_burst *burst = into;

	if (read_map(r, n, "a burst", FIELDS(burst_fields), burst))
		burst->node = n;
}

/* A copy's name is longer than what a file may say: "NAME (PHASE)". */
static void read_step_name(struct reader *r, const struct node *n, void *into)
{
	read_name_within(r, n, n->phase ? 2 * NAME_SIZE + 3 : NAME_SIZE, into);
}

void read_reference(struct reader *r, const struct node *n, void *into)
{
	if (is_scalar(r, n, "the name of a step"))
		*(struct text *)into = (struct text){n->text, n};
}

/* phases_expand() has compared them with the phases. */
static void read_phase_names(struct reader *r, const struct node *n, void *into)
{
	read_texts(r, n, into, MOST_PHASES, "the name of a phase", "", NULL);
}

static const struct field step_fields[] = {
	{"name", read_step_name, offsetof(struct model_step, name), true},
	{"at", read_duration, offsetof(struct model_step, at), false},
	{"after", read_reference, offsetof(struct model_step, after), false},
	{"with", read_reference, offsetof(struct model_step, with), false},
	{"for", read_positive_duration, offsetof(struct model_step, length), false},
	{"repeat", read_repeat, offsetof(struct model_step, repeat), false},
	{"enabled", read_bool, offsetof(struct model_step, enabled), false},
	{"phases", read_phase_names, offsetof(struct model_step, phases), false},
	{"fault", read_fault, offsetof(struct model_step, fault), false},
	{"target", read_names, offsetof(struct model_step, targets), false},
	{"burst", read_burst, offsetof(struct model_step, burst), false},
	{"clock", read_clock, offsetof(struct model_step, clock), false},
	{"signal", read_signal, offsetof(struct model_step, signal), false},
	{"exec", read_command, offsetof(struct model_step, exec.command), false},
	{"undo", read_command, offsetof(struct model_step, exec.undo), false},
	{"timeout", read_positive_duration, offsetof(struct model_step, exec.timeout), false},
	{"expect_status", read_status_or_any, offsetof(struct model_step, exec.status), false},
	{"file", read_file_change, offsetof(struct model_step, file), false},
	{"link", read_interface, offsetof(struct model_step, link), false},
	{"wait", read_wait, offsetof(struct model_step, expect), false},
	{"expect", read_expect, offsetof(struct model_step, expect), false},
};

static int find_phase(const struct model *m, const struct node *phase)
{
	const struct node *list = node_get(m->node, "phases");
	int i = 0;

	if (!phase)
		return -1;
	for (const struct node *n = list->first; n != phase; n = n->next)
		i++;
	return i;
}

/*
 * Shadows touch nothing, so that nothing answers to them: of a phase that is one, only faults are left, and what is expected by
 * name of just this phase.
 */
static bool rests(const struct model_step *s)
{
	const struct node *shadow = s->node->phase ? node_get(s->node->phase, "shadow") : NULL;

	if (!shadow || strcmp(shadow->text, "true") != 0)
		return false;
	return s->kind == STEP_WAIT || s->kind == STEP_EXPECT ? !given(s->node, "phases")
							      : s->kind != STEP_FAULT;
}

void read_steps(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of steps";
	struct model *m = into;
	const struct node *child = n->first;

	m->steps = read_items(r, n, NODE_LIST, MOST_STEPS, sizeof(*m->steps), expected, &m->n_steps);
	for (size_t i = 0; m->steps && i < m->n_steps; i++, child = child->next) {
		struct model_step *s = &m->steps[i];

		s->node = child;
		s->kind = step_kind(child);
		s->phase = find_phase(m, child->phase);
		s->rests = rests(s);
		read_map(r, child, "a step", FIELDS(step_fields), s);
	}
}

/* ---- phases ---- */

static const struct field phase_fields[] = {
	{"name", read_name, offsetof(struct model_phase, name), true},
	{"for", read_positive_duration, offsetof(struct model_phase, length), true},
	{"share", read_share, offsetof(struct model_phase, share), false},
	{"shadow", read_bool, offsetof(struct model_phase, shadow), false},
	{"set", pass_key, 0, false}, /* phases_expand() has read them */
};

void read_phases(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of phases, such as [{name: canary, for: 2h, share: 10%}]";
	struct model *m = into;
	const struct node *child = n->first;

	m->phases = read_items(r, n, NODE_LIST, MOST_PHASES, sizeof(*m->phases), expected, &m->n_phases);
	for (size_t i = 0; m->phases && i < m->n_phases; i++, child = child->next) {
		m->phases[i].node = child;
		read_map(r, child, "a phase", FIELDS(phase_fields), &m->phases[i]);
	}
}
