/* SPDX-License-Identifier: BSD-2-Clause */
/* What conditions, checks and alternatives refer to. */
#include <stdint.h>
#include <string.h>

#include "scenario/model.h"

#define NOWHERE SIZE_MAX

static size_t find_probe(struct reader *r, const struct model *m, const struct text *name)
{
	const struct named probes = named_probes(m);

	return name->s ? find_name(r, &probes, name) : NOWHERE;
}

void check_abort(struct reader *r, const struct model *m, struct model_abort *a)
{
	size_t probe;

	switch (a->kind) {
	case ABORT_PROBE:
		probe = find_probe(r, m, &a->slo.probe);
		a->slo.probe_index = probe == NOWHERE ? -1 : (int)probe;
		break;
	case ABORT_PROMETHEUS:
		check_probe(r, m, &a->watch);
		break;
	case ABORT_SLO:
		check_slo(r, m, &a->slo);
		break;
	default:
		break;
	}
}

void check_check(struct reader *r, const struct model *m, struct model_check *c)
{
	c->probe_index = find_probe(r, m, &c->probe);
	check_address(r, m, &c->reachable);
}

/* ---- alternatives ---- */

static const struct node *key_node(const struct model_target *t, const char *key)
{
	return node_get(t->node, key)->key;
}

/* All else is that of the target that is picked. */
static void check_alone(struct reader *r, const struct model_target *t)
{
	for (const struct node *child = t->node->first; child; child = child->next)
		if (strcmp(child->key->text, "any_of") != 0 && strcmp(child->key->text, "timeout") != 0)
			mistake(r->errors, child->key,
				"`%s` beside `any_of`, expected it in the targets that are named there",
				child->key->text);
}

static void check_member(struct reader *r, const struct model *m, const struct model_target *t, size_t i)
{
	const struct text *name = &t->any_of.items[i];
	const struct model_target *member = &m->targets[t->any_of_index[i]];
	char text[QUOTED_SIZE];

	if (given(member->node, "any_of"))
		mistake(r->errors, name->node, "target %s has `any_of` itself, expected one with addresses",
			quote_value(name->s, text));
	else
		check_reach(r, name, member);
}

void check_any_of(struct reader *r, const struct model *m, struct model_target *t)
{
	const struct named targets = named_targets(m);

	if (given(t->node, "timeout") && !given(t->node, "any_of"))
		mistake(r->errors, key_node(t, "timeout"), "`timeout` without `any_of`");
	if (!given(t->node, "any_of"))
		return;
	check_alone(r, t);
	t->any_of_index = arena_array(r->arena, t->any_of.count, sizeof(*t->any_of_index));
	for (size_t i = 0; t->any_of_index && i < t->any_of.count; i++) {
		t->any_of_index[i] = find_name(r, &targets, &t->any_of.items[i]);
		if (t->any_of_index[i] != NOWHERE)
			check_member(r, m, t, i);
	}
}
