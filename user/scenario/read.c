/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: the scenario's own keys. */
#include <string.h>

#include "scenario/values.h"

void read_version(struct reader *r, const struct node *n, void *into)
{
	if (!is_scalar(r, n, "1"))
		return;
	if (strcmp(n->text, "1") != 0)
		wrong_value(r, n, "known version", "1");
	else
		*(struct value *)into = (struct value){1, n};
}

/* It becomes part of a directory's name. */
static void read_scenario_name(struct reader *r, const struct node *n, void *into)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!is_scalar(r, n, "a name"))
		return;
	if (n->text[strspn(n->text, allowed)] || strlen(n->text) > NAME_SIZE || strchr(".-", n->text[0]))
		wrong_value(r, n, "name of a scenario",
			    "1 to 64 letters, digits, `.`, `_` and `-`, a letter, digit or `_` first");
	else
		*(struct text *)into = (struct text){n->text, n};
}

static void add_meta(struct reader *r, struct model *m, const struct node *n, const char *key)
{
	size_t i = 0;

	if (!is_scalar(r, n, "a single value"))
		return;
	while (i < m->n_meta && strcmp(m->meta[i].key, key) != 0)
		i++;
	if (i == m->n_meta)
		m->n_meta++;
	m->meta[i] = (struct model_meta){key, n->text};
}

static void read_meta(struct reader *r, const struct node *n, void *into)
{
	struct model *m = into;
	const struct node *child = n->first;
	size_t count;

	m->meta = read_items(r, n, NODE_MAP, MOST_META, sizeof(*m->meta), "a mapping of names to values",
			     &count);
	for (size_t i = 0; m->meta && i < count; i++, child = child->next)
		add_meta(r, m, child, child->key->text);
}

#define LIMITS(key) offsetof(struct model, limits.key)

static const struct field limit_fields[] = {
	{"packets", read_big_count, LIMITS(packets), false},
	{"flows", read_big_count, LIMITS(flows), false},
	{"duration", read_positive_duration, LIMITS(duration), false},
};

static void read_limits(struct reader *r, const struct node *n, void *into)
{
	read_map(r, n, "a set of limits", FIELDS(limit_fields), into);
}

static void read_evidence(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"flows", "packets"};
	static const uint8_t values[] = {MODEL_FLOWS, MODEL_PACKETS};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){values[i], n};
}

/* vars_open() has read them. */
static void read_vars(struct reader *r, const struct node *n, void *into)
{
	(void)r, (void)n, (void)into;
}

static const struct field scenario_fields[] = {
	{"version", read_version, offsetof(struct model, version), true},
	{"name", read_scenario_name, offsetof(struct model, name), true},
	{"description", read_plain_text, offsetof(struct model, description), false},
	{"seed", read_seed, offsetof(struct model, seed), false},
	{"interface", read_interfaces, offsetof(struct model, interfaces), false},
	{"netns", read_netns, offsetof(struct model, netns), false},
	{"container", read_container, offsetof(struct model, container), false},
	{"meta", read_meta, 0, false},
	{"vars", read_vars, 0, false},
	{"matrix", read_vars, 0, false},
	{"targets", read_targets, 0, false},
	{"limits", read_limits, 0, false},
	{"probes", read_probes, 0, false},
	{"baseline", read_duration, offsetof(struct model, baseline), false},
	{"recovery", read_duration, offsetof(struct model, recovery), false},
	{"phases", read_phases, 0, false},
	{"steps", read_steps, 0, true},
	{"slo", read_slos, 0, false},
	{"anything", read_bool, offsetof(struct model, anything), false},
	{"evidence", read_evidence, offsetof(struct model, evidence), false},
	{"capture", read_bool, offsetof(struct model, capture), false},
	{"abort", read_aborts, 0, false},
	{"preflight", read_checks, 0, false},
};

void read_scenario(struct reader *r, struct node *root, struct model *ret)
{
	ret->node = root;
	read_map(r, root, "a scenario", FIELDS(scenario_fields), ret);
}
