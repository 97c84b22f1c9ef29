/* SPDX-License-Identifier: BSD-2-Clause */
/* Model -> plan: what ends a run early, and what must be so before it begins. */
#include <errno.h>
#include <stdlib.h>

#include "base/timeutil.h"
#include "scenario/model.h"

#define REACH_NS (1500 * NS_PER_MS)
#define QUERY_EVERY_NS (1 * NS_PER_S)

/* The condition is what aborts: healthy is that it does not hold. */
static enum plan_compare_op negated(enum plan_compare_op op)
{
	static const enum plan_compare_op others[] = {
		[COMPARE_EQUALS] = COMPARE_DIFFERS, [COMPARE_DIFFERS] = COMPARE_EQUALS,
		[COMPARE_ABOVE] = COMPARE_AT_MOST,  [COMPARE_BELOW] = COMPARE_AT_LEAST,
		[COMPARE_AT_LEAST] = COMPARE_BELOW, [COMPARE_AT_MOST] = COMPARE_ABOVE,
	};

	return others[op];
}

static int compile_query(struct reader *r, const struct model_abort *m, struct plan *plan,
			 struct plan_abort *a)
{
	struct plan_probe *watch;
	int err = add_watch(r, &m->watch, plan, &a->index);

	if (err)
		return err;
	watch = &plan->watches[a->index];
	watch->compare.op = negated(watch->compare.op);
	if (!m->watch.every.node)
		watch->every_ns = QUERY_EVERY_NS;
	return 0;
}

static int compile_abort(struct reader *r, const struct model_abort *m, struct plan *plan,
			 struct plan_abort *a)
{
	int err = 0;

	a->kind = m->kind;
	a->line = m->node->line;
	a->for_ns = m->length.n;
	a->text = entry_json(m->node);
	if (!a->text || !copy_text(m->file.s, &a->path))
		return -ENOMEM;
	if (a->kind == ABORT_PROBE) {
		a->index = m->slo.probe_index;
		a->for_ns = m->unhealthy_for.n;
	} else if (a->kind == ABORT_PROMETHEUS) {
		err = compile_query(r, m, plan, a);
	} else if (a->kind == ABORT_SLO) {
		compile_slo(&m->slo, &a->slo);
	}
	return err;
}

/* Each count grows with its array, so that plan_free() sees what is there. */
int compile_aborts(struct reader *r, const struct model *m, struct plan *plan)
{
	int err = 0;

	plan->aborts = calloc(m->n_aborts + 1, sizeof(*plan->aborts));
	if (!plan->aborts)
		return -ENOMEM;
	for (size_t i = 0; !err && i < m->n_aborts; i++)
		err = compile_abort(r, &m->aborts[i], plan, &plan->aborts[plan->n_aborts++]);
	return err;
}

/* `name`: of an environment variable or a command; NULL: it is about something else. */
static int compile_check(struct reader *r, const struct model_check *m, const char *name,
			 struct plan_check *c)
{
	c->kind = m->kind;
	c->line = m->node->line;
	c->target = -1;
	c->bytes = m->bytes.n;
	c->index = m->probe_index;
	c->warn = m->level.n;
	if (!copy_text(name, &c->name) || !copy_text(m->hint.s, &c->hint) ||
	    !copy_text(m->kind == CHECK_FILE ? m->file.s : m->path.s, &c->path))
		return -ENOMEM;
	if (c->kind != CHECK_REACHABLE)
		return 0;
	c->timeout_ns = m->timeout.node ? m->timeout.n : REACH_NS;
	return compile_address(r, &m->reachable, &c->host, &c->port, &c->target);
}

static size_t names_of(const struct model_check *m)
{
	return m->names.count ? m->names.count : 1;
}

int compile_checks(struct reader *r, const struct model *m, struct plan *plan)
{
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; i < m->n_checks; i++)
		count += names_of(&m->checks[i]);
	plan->checks = calloc(count + 1, sizeof(*plan->checks));
	if (!plan->checks)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_checks; i++) {
		const struct model_check *c = &m->checks[i];

		for (size_t k = 0; !err && k < names_of(c); k++)
			err = compile_check(r, c, c->names.count ? c->names.items[k].s : NULL,
					    &plan->checks[plan->n_checks++]);
	}
	return err;
}
