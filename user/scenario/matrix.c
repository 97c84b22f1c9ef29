/* SPDX-License-Identifier: BSD-2-Clause */
/* One file, several scenarios: the combinations of what a matrix gives its variables. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/vars.h"

#define MOST_VARIANTS 256
#define MOST_KEYS 16

size_t matrix_count(const struct node *key)
{
	return key->kind == NODE_LIST ? key->count : 1;
}

const struct node *matrix_value(const struct node *key, size_t i)
{
	const struct node *value = key->kind == NODE_LIST ? key->first : key;

	while (i-- > 0)
		value = value->next;
	return value;
}

static bool check_values(struct expander *x, struct node *key)
{
	char text[QUOTED_SIZE];
	bool right = true;

	for (struct node *value = key->first; value; value = value->next) {
		if (!vars_check_value(x, value)) {
			right = false;
			continue;
		}
		for (struct node *other = key->first; other != value; other = other->next)
			if (!other->bad && !strcmp(other->text, value->text)) {
				mistake(x->errors, value, "%s stands here twice",
					quote_value(value->text, text));
				right = false;
				break;
			}
	}
	return right;
}

/* Without the spaces beside commas and at both ends. */
static void tighten(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == ' ' && (to == text || to[-1] == ','))
			continue;
		while (*from == ',' && to > text && to[-1] == ' ')
			to--;
		*to++ = *from;
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
}

/* A list that takes the place of the file's own values. */
static void set_values(struct expander *x, struct node *key, const char *list)
{
	size_t len = strlen(list);
	char *inside = arena_text(x->arena, list + 1, len - (len > 1 && list[len - 1] == ']') - 1);
	struct node *values = NULL;

	if (inside) {
		tighten(inside);
		values = node_split(x->arena, "--set", inside);
	}
	if (!values)
		return;
	key->origin = values->origin;
	key->kind = values->kind;
	key->text = values->text;
	key->first = values->first;
	key->last = values->last;
	key->count = values->count;
}

bool matrix_is_list(const struct setting *s)
{
	return *s->value == '[';
}

void matrix_set(struct expander *x, const struct node *root, const struct scenario_options *o)
{
	const struct node *m = node_get(root, "matrix");
	struct node *key;

	for (size_t i = 0; m && m->kind == NODE_MAP && i < o->n_vars; i++) {
		key = matrix_is_list(&o->vars[i]) ? node_get(m, o->vars[i].key) : NULL;
		if (key)
			set_values(x, key, o->vars[i].value);
	}
}

static bool check_key(struct expander *x, struct node *key)
{
	bool known = vars_know(x, key->key, key->key->text);

	if (key->bad)
		return false;
	if (key->kind == NODE_SCALAR && !node_is_empty(key))
		return vars_check_value(x, key) && known;
	if (key->kind == NODE_LIST && key->count)
		return check_values(x, key) && known;
	mistake(x->errors, key, "a key of `matrix` needs its values, expected such as [5%%, 20%%]");
	return false;
}

bool matrix_check(struct expander *x, const struct node *root, const struct node **ret_matrix)
{
	const struct node *m = node_get(root, "matrix");
	size_t variants = 1;
	bool right = true;

	*ret_matrix = m;
	if (!m)
		return true;
	if (m->bad)
		return false;
	if (m->kind != NODE_MAP || !m->count || m->count > MOST_KEYS) {
		mistake(x->errors, m,
			"`matrix` is a mapping of 1 to %d variables to their values, expected such as {loss: "
			"[5%%, 20%%]}",
			MOST_KEYS);
		return false;
	}
	for (struct node *key = m->first; key; key = key->next) {
		right &= check_key(x, key);
		if (variants <= MOST_VARIANTS)
			variants *= matrix_count(key);
	}
	if (variants > MOST_VARIANTS) {
		mistake(x->errors, m, "more than %d combinations", MOST_VARIANTS);
		right = false;
	}
	return right;
}

/* ---- variants ---- */

static bool is_set(const struct scenario_options *o, const char *key)
{
	for (size_t i = 0; i < o->n_vars; i++)
		if (!strcmp(o->vars[i].key, key) && !matrix_is_list(&o->vars[i]))
			return true;
	return false;
}

/* Those of a matrix whose values are open. */
struct open_keys {
	const struct node *keys[MOST_KEYS];
	size_t n, variants;
};

static void find_open(const struct node *matrix, const struct scenario_options *o, struct open_keys *ret)
{
	*ret = (struct open_keys){.variants = 1};
	for (const struct node *key = matrix ? matrix->first : NULL; key; key = key->next)
		if (!is_set(o, key->key->text)) {
			ret->keys[ret->n++] = key;
			ret->variants *= matrix_count(key);
		}
}

static bool add_setting(struct scenario_variant *v, const char *key, const char *value)
{
	struct setting *s = &v->vars[v->n_vars++];

	s->key = strdup(key);
	s->value = strdup(value);
	return s->key && s->value;
}

/* What a combination gives a variable; NULL: nothing. */
static const char *chosen(const struct open_keys *open, const struct node *const values[], const char *key)
{
	for (size_t i = 0; i < open->n; i++)
		if (!strcmp(open->keys[i]->key->text, key))
			return values[i]->text;
	return NULL;
}

/* The options' own, in their order, and then what a combination gives beside them. */
static bool add_settings(const struct open_keys *open, const struct node *const values[],
			 const struct scenario_options *o, struct scenario_variant *v)
{
	bool done = true;

	v->vars = calloc(o->n_vars + open->n + 1, sizeof(*v->vars));
	if (!v->vars)
		return false;
	for (size_t k = 0; done && k < o->n_vars; k++) {
		const char *value = chosen(open, values, o->vars[k].key);

		done = add_setting(v, o->vars[k].key, value ? value : o->vars[k].value);
	}
	for (size_t k = 0; done && k < open->n; k++)
		done = add_setting(v, open->keys[k]->key->text, values[k]->text);
	return done;
}

/* Combination i: its digits, the last key's the lowest. */
static bool add_variant(const struct open_keys *open, const struct scenario_options *o, size_t i,
			struct scenario_variant *v)
{
	const struct node *values[MOST_KEYS];
	struct buf suffix = {0};

	for (size_t k = open->n; k-- > 0;) {
		values[k] = matrix_value(open->keys[k], i % matrix_count(open->keys[k]));
		i /= matrix_count(open->keys[k]);
	}
	for (size_t k = 0; k < open->n; k++)
		buf_printf(&suffix, "%s%s=%s", k ? "," : "[", open->keys[k]->key->text, values[k]->text);
	buf_puts(&suffix, open->n ? "]" : "");
	v->suffix = buf_take(&suffix);
	return v->suffix && add_settings(open, values, o, v);
}

static int expand(const struct open_keys *open, const struct scenario_options *o,
		  struct scenario_variant **ret, size_t *ret_n)
{
	struct scenario_variant *variants = calloc(open->variants, sizeof(*variants));

	if (!variants)
		return -ENOMEM;
	for (size_t i = 0; i < open->variants; i++)
		if (!add_variant(open, o, i, &variants[i])) {
			scenario_variants_free(variants, i + 1);
			return -ENOMEM;
		}
	*ret = variants;
	*ret_n = open->variants;
	return 0;
}

/* What is no scenario at all has no matrix. */
static int read_matrix(const char *text, size_t len, const struct scenario_options *options, struct arena *a,
		       struct errors *errors, const struct node **ret_matrix)
{
	struct expander x = {.arena = a, .errors = errors};
	struct node *root;
	int err;

	*ret_matrix = NULL;
	if (len > SCENARIO_MAX_BYTES)
		return 0;
	err = yaml_read(text, len, a, errors, &root);
	if (err || !root || !node_get(root, "matrix"))
		return err;
	x.vars = node_get(root, "vars");
	if (x.vars && x.vars->kind != NODE_MAP)
		x.vars = NULL;
	matrix_set(&x, root, options);
	return matrix_check(&x, root, ret_matrix) ? 0 : -EINVAL;
}

int scenario_variants(const char *name, const char *text, size_t len, const struct scenario_options *options,
		      struct scenario_variant **ret, size_t *ret_n, struct scenario_errors *ret_errors)
{
	static const struct scenario_options none;
	struct errors errors = {.file = name};
	const struct node *matrix;
	struct open_keys open;
	struct arena a = {0};
	int err, err_text = 0;

	*ret = NULL;
	*ret_n = 0;
	*ret_errors = (struct scenario_errors){0};
	if (!options)
		options = &none;
	err = read_matrix(text, len, options, &a, &errors, &matrix);
	if (a.failed)
		err = -ENOMEM;
	if (!err) {
		find_open(matrix, options, &open);
		err = expand(&open, options, ret, ret_n);
	}
	if (err == -EINVAL)
		err_text = errors_take(&errors, ret_errors);
	else
		errors_free(&errors);
	arena_free(&a);
	return err_text ? err_text : err;
}

void scenario_variants_free(struct scenario_variant *variants, size_t n)
{
	for (size_t i = 0; variants && i < n; i++) {
		for (size_t k = 0; k < variants[i].n_vars; k++) {
			free((char *)variants[i].vars[k].key);
			free((char *)variants[i].vars[k].value);
		}
		free(variants[i].vars);
		free(variants[i].suffix);
	}
	free(variants);
}
