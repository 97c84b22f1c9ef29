/* SPDX-License-Identifier: BSD-2-Clause */
/* A scenario in phases: its steps again and again, each time with the variables of the phase. */
#include <string.h>

#include "base/suggest.h"
#include "scenario/model.h"

/* A step as it stands in a phase, before it has the phase in its name. */
struct copy {
	struct node *node;
	const char *name; /* NULL: it has none */
	const struct node *phase;
	struct copy *next;
};

struct phases {
	struct expander *x;
	const struct node *list; /* of mappings, not all of which need be right */
	struct node *steps;      /* as the file has them */
	size_t n_nodes;
	struct copy *copies, **last;
	bool full;
};

static const char *text_of(const struct node *map, const char *key)
{
	const struct node *n = node_get(map, key);

	return n && n->kind == NODE_SCALAR && !n->bad && !node_is_empty(n) ? n->text : NULL;
}

/* ---- the variables of a phase ---- */

static void check_builtins(struct phases *p)
{
	static const char *const builtins[] = {"phase", "phase_for"};
	const struct node *vars = p->x->vars;

	for (size_t i = 0; vars && i < 2; i++)
		if (node_get(vars, builtins[i]))
			mistake(p->x->errors, node_get(vars, builtins[i])->key,
				"a variable `%s` beside `phases`, which gives it", builtins[i]);
}

static void add_set(struct phases *p, const struct node *set, struct node *vars)
{
	if (set->bad)
		return;
	if (set->kind != NODE_MAP) {
		mistake(p->x->errors, set, "`set` is no mapping, expected `set: {variable: value}`");
		return;
	}
	for (struct node *value = set->first; value; value = value->next) {
		if (!vars_know(p->x, value->key, value->key->text))
			continue;
		if (!value->bad && value->kind != NODE_SCALAR) {
			mistake(p->x->errors, value, "a variable stands for a single value, not for a %s",
				value->kind == NODE_LIST ? "list" : "mapping");
			value->bad = true;
		}
		node_add(p->x->arena, vars, NULL, node_copy(p->x->arena, value));
	}
}

/* What is wrong with a phase is told when it is read; what it lacks is a variable that is bad. */
static void add_builtin(struct arena *a, struct node *vars, const char *name, const char *text)
{
	struct node *n = node_scalar(a, NULL, text ? text : "");

	if (n)
		n->bad = !text;
	node_add(a, vars, name, n);
}

static struct node *vars_of(struct phases *p, const struct node *phase)
{
	struct arena *a = p->x->arena;
	struct node *vars = node_new(a, NODE_MAP, NULL);
	const struct node *set = node_get(phase, "set");

	if (!vars)
		return NULL;
	add_builtin(a, vars, "phase", text_of(phase, "name"));
	add_builtin(a, vars, "phase_for", text_of(phase, "for"));
	if (set)
		add_set(p, set, vars);
	return vars;
}

/* ---- which steps are in it ---- */

static bool is_phase(const struct phases *p, const char *name)
{
	for (const struct node *phase = p->list->first; phase; phase = phase->next) {
		const char *other = text_of(phase, "name");

		if (other && !strcmp(other, name))
			return true;
	}
	return false;
}

static void tell_unknown_phase(struct phases *p, const struct node *at)
{
	struct suggest s = {.word = at->text};
	char text[QUOTED_SIZE];

	for (const struct node *phase = p->list->first; phase; phase = phase->next)
		if (text_of(phase, "name"))
			suggest_try(&s, text_of(phase, "name"));
	quote_value(at->text, text);
	if (s.best)
		mistake(p->x->errors, at, "unknown phase %s, did you mean `%s`?", text, s.best);
	else
		mistake(p->x->errors, at, "unknown phase %s", text);
}

/* Without the key, or with one that can't be read, in all of them. */
static bool is_in(struct phases *p, const struct node *step, const char *phase)
{
	const struct node *names = node_get(step, "phases");
	const struct node *name = names && names->kind == NODE_LIST ? names->first : names;
	bool found = !name || names->kind == NODE_MAP;

	for (; name; name = names->kind == NODE_LIST ? name->next : NULL) {
		bool readable = name->kind == NODE_SCALAR && !name->bad && !node_is_empty(name);
		bool known = readable && is_phase(p, name->text);

		if (readable && !known)
			tell_unknown_phase(p, name);
		found = found || !known || !phase || !strcmp(name->text, phase);
	}
	return found;
}

/* ---- copies ---- */

static size_t count_nodes(const struct node *n)
{
	size_t count = 1;

	for (const struct node *child = n->first; child; child = child->next)
		count += count_nodes(child);
	return count;
}

static void add_copy(struct phases *p, const struct node *phase, const struct node *step)
{
	struct copy *c = arena_alloc(p->x->arena, sizeof(*c));
	struct node *node;

	p->n_nodes += count_nodes(step);
	if (p->n_nodes > TREE_NODES) {
		if (!p->full)
			mistake(p->x->errors, p->list,
				"phases make the scenario larger than %d values, expected fewer phases or "
				"steps",
				TREE_NODES);
		p->full = true;
		return;
	}
	node = node_copy(p->x->arena, step);
	if (!c || !node)
		return;
	node->phase = phase;
	node->original = step;
	vars_replace(p->x, node);
	if (!is_in(p, node, text_of(phase, "name")))
		return;
	*c = (struct copy){.node = node, .name = text_of(node, "name"), .phase = phase};
	*p->last = c;
	p->last = &c->next;
}

static void add_phase(struct phases *p, const struct node *phase)
{
	p->x->inner = vars_of(p, phase);
	for (const struct node *step = p->steps->first; step && !p->full; step = step->next)
		add_copy(p, phase, step);
	p->x->inner = NULL;
}

/* ---- names ---- */

static const struct copy *find_copy(const struct phases *p, const char *name, const struct node *phase)
{
	for (const struct copy *c = p->copies; c; c = c->next)
		if (c->name && !strcmp(c->name, name) && (!phase || c->phase == phase))
			return c;
	return NULL;
}

static const char *name_in(struct phases *p, const char *name, const struct node *phase)
{
	struct buf text = {0};
	const char *made;

	buf_printf(&text, "%s (%s)", name, text_of(phase, "name"));
	made = text.failed ? NULL : arena_text(p->x->arena, text.data, text.len);
	p->x->arena->failed |= text.failed;
	buf_free(&text);
	return made ? made : name;
}

/* What a step says of another means that of its phase. */
static void rename_reference(struct phases *p, const struct node *map, const char *key,
			     const struct node *phase)
{
	struct node *n = map ? node_get(map, key) : NULL;
	char step[QUOTED_SIZE], name[QUOTED_SIZE];

	if (!n || !text_of(map, key))
		return;
	if (find_copy(p, n->text, phase)) {
		n->text = name_in(p, n->text, phase);
	} else if (find_copy(p, n->text, NULL)) {
		mistake(p->x->errors, n, "step %s is not in phase %s", quote_value(n->text, step),
			quote_value(text_of(phase, "name"), name));
		n->bad = true;
	}
}

static void rename_copies(struct phases *p)
{
	static const char *const references[] = {"after", "with"};

	for (struct copy *c = p->copies; c; c = c->next) {
		if (!text_of(c->phase, "name"))
			continue;
		for (size_t i = 0; i < 2; i++)
			rename_reference(p, c->node, references[i], c->phase);
		rename_reference(p, node_get(c->node, "expect"), "step", c->phase);
	}
	for (struct copy *c = p->copies; c; c = c->next)
		if (c->name && strlen(c->name) <= NAME_SIZE && text_of(c->phase, "name")) {
			struct node *name = node_get(c->node, "name");

			name->text = name_in(p, c->name, c->phase);
			name->phase = c->phase;
			name->original = node_get(c->node->original, "name");
		}
}

/* ---- objectives and conditions ---- */

static void clear_list(struct node *list)
{
	list->first = list->last = NULL;
	list->count = 0;
}

static void repeat_entry(struct phases *p, struct node *list, struct node *entry)
{
	const char *name = text_of(entry, "step");
	size_t copies = 0;

	for (const struct copy *c = name ? p->copies : NULL; c && p->n_nodes <= TREE_NODES; c = c->next) {
		struct node *copy;

		if (!c->name || strcmp(c->name, name) != 0 || !text_of(c->phase, "name"))
			continue;
		p->n_nodes += count_nodes(entry);
		copy = node_copy(p->x->arena, entry);
		if (copy) {
			node_get(copy, "step")->text = name_in(p, name, c->phase);
			copy->phase = c->phase;
		}
		node_add(p->x->arena, list, NULL, copy);
		copies++;
	}
	if (!copies)
		node_add(p->x->arena, list, NULL, entry);
}

static void repeat_entries(struct phases *p, struct node *list)
{
	struct node *entry = list && list->kind == NODE_LIST ? list->first : NULL, *next;

	if (entry)
		clear_list(list);
	for (; entry; entry = next) {
		next = entry->next;
		entry->next = NULL;
		repeat_entry(p, list, entry);
	}
}

/* ---- all of it ---- */

static bool is_list(const struct node *n)
{
	return n && n->kind == NODE_LIST && n->count && !n->bad;
}

static void replace_others(struct expander *x, struct node *root, const struct node *phases)
{
	static const char *const apart[] = {"vars", "matrix", "phases", "steps"};

	for (struct node *n = root->first; n; n = n->next) {
		bool skip = false;

		for (size_t i = 0; i < (phases ? 4 : 2); i++)
			skip = skip || !strcmp(n->key->text, apart[i]);
		if (!skip)
			vars_replace(x, n);
	}
}

void phases_expand(struct expander *x, struct node *root)
{
	struct node *list = node_get(root, "phases"), *steps = node_get(root, "steps");
	struct phases p = {.x = x, .list = list, .steps = steps};

	if (!is_list(list) || list->count > MOST_PHASES || !is_list(steps)) {
		replace_others(x, root, NULL);
		return;
	}
	p.last = &p.copies;
	check_builtins(&p);
	vars_replace(x, list);
	replace_others(x, root, list);
	for (const struct node *phase = list->first; phase; phase = phase->next)
		if (phase->kind == NODE_MAP)
			add_phase(&p, phase);
	rename_copies(&p);
	clear_list(steps);
	for (struct copy *c = p.copies; c; c = c->next)
		node_add(x->arena, steps, NULL, c->node);
	repeat_entries(&p, node_get(root, "slo"));
	repeat_entries(&p, node_get(root, "abort"));
}
