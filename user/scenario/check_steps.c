/* SPDX-License-Identifier: BSD-2-Clause */
/* What kind a step is, and which of its keys go with which. */
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#include "scenario/model.h"

static const char *const kinds[] = {
	[STEP_FAULT] = "fault", [STEP_CLOCK] = "clock", [STEP_SIGNAL] = "signal", [STEP_EXEC] = "exec",
	[STEP_FILE] = "file",   [STEP_LINK] = "link",   [STEP_WAIT] = "wait",     [STEP_EXPECT] = "expect",
};

#define N_KINDS (STEP_EXPECT + 1)

/* Keys that not every kind of step has; `words` say whose they are. */
static const struct {
	const char *key;
	unsigned kinds;
	const char *words;
} belongs[] = {
	{"target", 1U << STEP_FAULT, "`fault`"},
	{"burst", 1U << STEP_FAULT, "`fault`"},
	{"undo", 1U << STEP_EXEC, "`exec`"},
	{"timeout", 1U << STEP_EXEC, "`exec`"},
	{"expect_status", 1U << STEP_EXEC, "`exec`"},
	{"for", ~(1U << STEP_WAIT | 1U << STEP_EXPECT), "what lasts"},
	{"repeat", ~(1U << STEP_WAIT), "what can be done again"},
};

/* The first key that names one. */
int step_kind(const struct node *step)
{
	for (const struct node *n = step->first; n; n = n->next)
		for (int kind = 0; n->key && kind < N_KINDS; kind++)
			if (!strcmp(n->key->text, kinds[kind]))
				return kind;
	return NO_STEP_KIND;
}

static const struct node *key_node(const struct model_step *s, const char *key)
{
	return node_get(s->node, key)->key;
}

/* `for` of a signal, and of a program, is a question of how it is taken back. */
static void check_length(struct reader *r, const struct model_step *s)
{
	bool given_for = given(s->node, "for"), signal = s->kind == STEP_SIGNAL && s->signal.number.node;

	if ((s->kind == STEP_FAULT || s->kind == STEP_CLOCK) && !given_for)
		mistake(r->errors, s->node, "a step needs `for`");
	else if (signal && s->signal.number.n == SIGSTOP && !given_for)
		mistake(r->errors, s->node, "SIGSTOP needs `for`: SIGCONT follows at the closing");
	else if (signal && s->signal.number.n != SIGSTOP && given_for)
		mistake(r->errors, key_node(s, "for"), "`for` beside %s, which cannot be taken back",
			s->signal.number.node->text);
	else if (s->kind == STEP_EXEC && given_for && !given(s->node, "undo"))
		mistake(r->errors, key_node(s, "for"),
			"`for` beside `exec` without `undo`: nothing would happen at the closing");
}

/* What stays until the run ends cannot be done again meanwhile. */
static void check_repeat(struct reader *r, const struct model_step *s)
{
	bool stays = s->kind == STEP_FILE || s->kind == STEP_LINK ||
		     (s->kind == STEP_EXEC && given(s->node, "undo"));
	const struct value *every = &s->repeat.every;

	if (given(s->node, "repeat") && stays && !given(s->node, "for"))
		mistake(r->errors, key_node(s, "repeat"), "`repeat` beside `%s` without `for`, which stays",
			kinds[s->kind]);
	if (s->kind == STEP_EXPECT && given(s->node, "repeat") &&
	    (s->expect.by.node || s->expect.about == MODEL_BACKOFF))
		mistake(r->errors, key_node(s, "repeat"), "`repeat` beside `%s`, which is one time",
			s->expect.by.node ? "by" : "backoff");
	if (every->node && s->length.node && every->n < s->length.n)
		mistake(r->errors, every->node,
			"`every: %s` is shorter than `for: %s`, expected at least as long", every->node->text,
			s->length.node->text);
}

static void check_kind(struct reader *r, const struct model_step *s)
{
	unsigned found = 0;

	for (int kind = 0; kind < N_KINDS; kind++) {
		found |= given(s->node, kinds[kind]) ? 1U << kind : 0;
		if (kind != s->kind && given(s->node, kinds[kind]))
			mistake(r->errors, key_node(s, kinds[kind]),
				"`%s` beside `%s`, expected a step for each", kinds[kind], kinds[s->kind]);
	}
	for (size_t i = 0; i < sizeof(belongs) / sizeof(*belongs); i++)
		if (given(s->node, belongs[i].key) && !(belongs[i].kinds & found))
			mistake(r->errors, key_node(s, belongs[i].key), "`%s` goes with %s, not with `%s`",
				belongs[i].key, belongs[i].words, kinds[s->kind]);
	if (s->kind == STEP_FAULT && !given(s->node, "target"))
		mistake(r->errors, s->node, "a step needs `target`");
}

void check_step_keys(struct reader *r, const struct model *m, const struct model_step *s)
{
	bool related = given(s->node, "after") || given(s->node, "with");

	if (s->node->kind != NODE_MAP || s->node->bad)
		return;
	if (!given(s->node, "at") && !related && s->expect.about != MODEL_BACKOFF)
		mistake(r->errors, s->node, "a step needs `at`");
	if (given(s->node, "after") && given(s->node, "with"))
		mistake(r->errors, key_node(s, "with"),
			"`with` beside `after`, expected the one or the other");
	if (given(s->node, "phases") && !given(m->node, "phases"))
		mistake(r->errors, key_node(s, "phases"), "`phases` in a scenario without `phases`");
	if (s->kind == NO_STEP_KIND) {
		mistake(r->errors, s->node,
			"a step needs what it does: `fault`, `signal`, `exec`, `file`, `clock`, `link`, "
			"`wait` or `expect`");
		return;
	}
	check_kind(r, s);
	check_length(r, s);
	check_repeat(r, s);
}

/* ---- what it refers to ---- */

static void find_fault_step(struct reader *r, const struct model *m, struct model_expect *e)
{
	const struct named steps = named_steps(m);
	char text[QUOTED_SIZE];

	e->step_index = SIZE_MAX;
	if (!e->step.s)
		return;
	e->step_index = find_name(r, &steps, &e->step);
	if (e->step_index == SIZE_MAX || m->steps[e->step_index].kind == STEP_FAULT)
		return;
	mistake(r->errors, e->step.node, "step %s has no counters, expected one with `fault`",
		quote_value(e->step.s, text));
}

void check_expect(struct reader *r, const struct model *m, struct model_expect *e)
{
	const struct named probes = named_probes(m);

	if (!e->node)
		return;
	if (e->about == MODEL_WATCH && e->watch.kind != NO_PROBE_KIND)
		check_probe(r, m, &e->watch);
	else if (e->about == MODEL_PROBE && e->probe.s)
		e->probe_index = find_name(r, &probes, &e->probe);
	else if (e->about == MODEL_COUNTER)
		find_fault_step(r, m, e);
}

/* ---- phases ---- */

void check_phases(struct reader *r, const struct model *m)
{
	char text[QUOTED_SIZE];

	for (size_t i = 0; i < m->n_phases; i++) {
		const struct text *name = &m->phases[i].name;

		for (size_t k = 0; name->s && k < i; k++)
			if (m->phases[k].name.s && !strcmp(m->phases[k].name.s, name->s)) {
				mistake(r->errors, name->node, "a second phase %s, the first is in line %u",
					quote_value(name->s, text), m->phases[k].node->line);
				break;
			}
	}
}
