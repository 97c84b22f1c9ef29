/* SPDX-License-Identifier: BSD-2-Clause */
/* The plan's rules, one for each target of a fault: their order, their windows and their seeds. */
#include <errno.h>
#include <stdlib.h>

#include "scenario/model.h"

/*
 * The seed of rule i is output i of SplitMix64 (counting from 0) started with the scenario's seed. Source: Steele, Lea,
 * Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; constants of Vigna's splitmix64.c.
 */
static uint64_t rule_seed(uint64_t seed, size_t i)
{
	uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* In another phase, the rule of the same step and target: the flows of a smaller share are among those of a larger one. */
static size_t seed_of(const struct model *m, const struct plan *p, size_t step, size_t target)
{
	const struct node *original = m->steps[step].node->original;

	for (size_t i = 0; original && i < p->n_rules; i++)
		if (m->steps[p->rules[i].step].node->original == original && p->rules[i].target == target)
			return i;
	return p->n_rules;
}

static void add_rules(const struct model *m, struct plan *p, size_t step)
{
	const struct plan_step *s = &p->steps[step];

	for (size_t k = 0; k < s->n_targets; k++) {
		size_t of = seed_of(m, p, step, s->targets[k]);

		p->rules[p->n_rules++] = (struct plan_rule){.step = step,
							    .target = s->targets[k],
							    .first_slot = p->n_slots,
							    .seed = rule_seed(p->seed, of),
							    .seed_of = of};
		p->n_slots += s->window.times;
	}
}

int compile_rules(const struct model *m, struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_steps; i++)
		n += p->steps[i].n_targets;
	p->rules = calloc(n + 1, sizeof(*p->rules));
	if (!p->rules)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_steps; i++) {
		const struct plan_window *w = &p->steps[i].window;
		uint64_t end = plan_closes(w, w->times - 1);

		add_rules(m, p, i);
		if (end > p->length_ns)
			p->length_ns = end;
	}
	for (size_t i = 0; i < p->n_phases; i++)
		if (p->phases[i].at_ns + p->phases[i].for_ns > p->length_ns)
			p->length_ns = p->phases[i].at_ns + p->phases[i].for_ns;
	return 0;
}
