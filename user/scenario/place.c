/* SPDX-License-Identifier: BSD-2-Clause */
/* When each step's windows are: what it comes after, the phase it is in, the waits between. */
#include <stdint.h>

#include "base/timeutil.h"
#include "scenario/model.h"

#define NOWHERE SIZE_MAX
#define LATEST_NS (366 * 24 * 3600 * NS_PER_S)

static uint64_t phase_begins(const struct model *m, int phase)
{
	uint64_t ns = 0;

	for (int i = 0; i < phase; i++)
		ns += m->phases[i].length.n;
	return ns;
}

static uint64_t last_closing(const struct model_step *s)
{
	return plan_closes(&s->window, s->window.times - 1);
}

static const char *exact(uint64_t ns, char text[40])
{
	format_duration_exact(ns, text, 40);
	return text;
}

/* ---- one step ---- */

static void place_step(struct reader *r, struct model *m, struct model_step *s);

/* What is planned for the time of a wait comes behind it: a wait for what another step does at once comes a little later. */
static uint64_t behind(const struct model_step *s, const struct model_step *other)
{
	bool at_once = other->kind != STEP_WAIT && (other->until_end || !other->window.for_ns);

	return s->kind == STEP_WAIT && at_once ? NS_PER_MS : 0;
}

static uint64_t related(struct reader *r, struct model *m, struct model_step *s, const struct text *name)
{
	const struct named steps = named_steps(m);
	size_t k = find_name(r, &steps, name);
	bool after = name == &s->after;
	struct model_step *other;
	char text[QUOTED_SIZE];

	if (k == NOWHERE)
		return 0;
	other = &m->steps[k];
	quote_value(name->s, text);
	if (other->placing == STEP_UNPLACED)
		place_step(r, m, other);
	if (other->placing == STEP_BEING_PLACED)
		mistake(r->errors, name->node, "`%s: %s` leads back to this step", name->node->key->text,
			text);
	else if (other->expect.about == MODEL_BACKOFF)
		mistake(r->errors, name->node, "step %s is an objective, which has no time of its own", text);
	else if (after && other->until_end)
		mistake(r->errors, name->node,
			"step %s stays until the run ends, expected `with`, or a `for` in that step", text);
	else
		return (after ? last_closing(other) : other->window.at_ns) + behind(s, other);
	return 0;
}

/* An expectation's time is until it is decided; a wait takes none. */
static uint64_t length_of(struct reader *r, const struct model *m, const struct model_step *s, uint64_t opens)
{
	const struct model_expect *e = &s->expect;
	uint64_t by = phase_begins(m, s->phase) + e->by.n;
	char text[40];

	if (s->kind != STEP_EXPECT)
		return s->kind == STEP_WAIT ? 0 : s->length.n;
	if (!e->by.node)
		return e->within.n + e->throughout.n + e->never.n;
	if (by > opens)
		return by - opens;
	mistake(r->errors, e->by.node, "`by: %s` is over when the step opens at %s", e->by.node->text,
		exact(opens - phase_begins(m, s->phase), text));
	return 0;
}

static bool stays(const struct model_step *s)
{
	return !given(s->node, "for") && (s->kind == STEP_FILE || s->kind == STEP_LINK ||
					  (s->kind == STEP_EXEC && given(s->node, "undo")));
}

/* Of other steps, `for` has been compared with it. */
static void check_every(struct reader *r, const struct model_step *s)
{
	const struct value *every = &s->repeat.every;
	char text[40];

	if (s->kind == STEP_EXPECT && every->node && every->n < s->window.for_ns)
		mistake(r->errors, every->node,
			"`every: %s` is shorter than the expectation's %s, expected at least as long",
			every->node->text, exact(s->window.for_ns, text));
}

static void place_step(struct reader *r, struct model *m, struct model_step *s)
{
	struct plan_window *w = &s->window;
	uint64_t begins = phase_begins(m, s->phase), opens = begins + s->at.n;
	uint64_t ends = s->phase < 0 ? 0 : begins + m->phases[s->phase].length.n;

	s->placing = STEP_BEING_PLACED;
	if (s->after.s)
		opens = related(r, m, s, &s->after) + s->at.n;
	else if (s->with.s)
		opens = related(r, m, s, &s->with) + s->at.n;
	if (opens > LATEST_NS) {
		mistake(r->errors, s->node, "it opens more than a year after the baseline");
		opens = 0;
	}
	*w = (struct plan_window){.at_ns = opens, .for_ns = length_of(r, m, s, opens), .times = 1};
	s->until_end = stays(s) && s->phase < 0;
	if (stays(s) && ends > opens)
		w->for_ns = ends - opens;
	w->every_ns = w->for_ns;
	if (s->repeat.times.node && s->repeat.times.n > 1) {
		w->times = s->repeat.times.n;
		w->every_ns = s->repeat.every.n;
	}
	w->burst_on_ns = s->burst.on.n;
	w->burst_off_ns = s->burst.off.n;
	check_every(r, s);
	s->placing = STEP_PLACED;
}

/* ---- its phase ---- */

static void check_phase(struct reader *r, const struct model *m, const struct model_step *s)
{
	const struct model_phase *phase = &m->phases[s->phase];
	uint64_t begins = phase_begins(m, s->phase), closes = last_closing(s);
	char text[40], name[QUOTED_SIZE];

	if (!phase->length.node || !phase->name.s)
		return;
	quote_value(phase->name.s, name);
	if (s->window.at_ns < begins)
		mistake(r->errors, s->node, "it opens before its phase %s begins", name);
	else if (closes > begins + phase->length.n)
		mistake(r->errors, s->node, "it closes at %s of phase %s, which ends after %s",
			exact(closes - begins, text), name, phase->length.node->text);
	else if (s->window.at_ns == begins + phase->length.n)
		mistake(r->errors, s->node, "it opens when its phase %s ends", name);
}

/* ---- waits ---- */

/* What is planned for the time of the wait comes behind it. False after a mistake. */
static bool fits_around(struct reader *r, const struct model_step *s, const struct model_step *wait)
{
	const struct plan_window *w = &s->window;
	uint64_t at = wait->window.at_ns;
	uint32_t before = 0;

	if (w->at_ns >= at)
		return true;
	before = w->every_ns ? (at - 1 - w->at_ns) / w->every_ns + 1 : w->times;
	if (before > w->times)
		before = w->times;
	if (!s->until_end && plan_closes(w, before - 1) > at)
		mistake(r->errors, s->node,
			"it is open across the wait in line %u, expected windows before or behind it",
			wait->node->line);
	else if (before < w->times)
		mistake(r->errors, s->node,
			"its windows are in part before the wait in line %u and in part behind it, expected "
			"a "
			"step for each",
			wait->node->line);
	else
		return true;
	return false;
}

static bool counts(const struct model_step *s)
{
	return step_is_on(s) && s->kind != NO_STEP_KIND && s->expect.about != MODEL_BACKOFF &&
	       (given(s->node, "at") || s->after.s || s->with.s);
}

static void check_waits(struct reader *r, const struct model *m, const struct model_step *s)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct model_step *wait = &m->steps[i];

		if (wait->kind == STEP_WAIT && wait != s && counts(wait) && !fits_around(r, s, wait))
			return;
	}
}

void place_steps(struct reader *r, struct model *m)
{
	size_t before = r->errors->count;

	for (size_t i = 0; i < m->n_steps; i++)
		if (m->steps[i].placing == STEP_UNPLACED)
			place_step(r, m, &m->steps[i]);
	/* Times that are wrong would only be wrong again. */
	if (r->errors->count != before)
		return;
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct model_step *s = &m->steps[i];

		if (!counts(s))
			continue;
		if (s->phase >= 0)
			check_phase(r, m, s);
		check_waits(r, m, s);
	}
}
