/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "scenario/vars.h"

#define LONGEST_VALUE 4096
#define MOST_VARS 256
#define MOST_TEXT SCENARIO_MAX_BYTES /* that all replacements of a file may add up to */

static bool is_name(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	return *s && !s[strspn(s, allowed)];
}

static void tell_unknown(struct expander *x, const struct node *at, const char *name)
{
	struct suggest s = {.word = name};
	char text[QUOTED_SIZE];

	for (const struct node *v = x->vars ? x->vars->first : NULL; v && !errors_full(x->errors);
	     v = v->next)
		suggest_try(&s, v->key->text);
	quote_value(name, text);
	if (s.best)
		mistake(x->errors, at, "unknown variable %s, did you mean `%s`?", text, s.best);
	else
		mistake(x->errors, at, "unknown variable %s, expected one that stands in `vars`", text);
}

static struct node *find_var(const struct expander *x, const char *name)
{
	struct node *value = x->inner ? node_get(x->inner, name) : NULL;

	return value || !x->vars ? value : node_get(x->vars, name);
}

bool vars_know(struct expander *x, const struct node *at, const char *name)
{
	bool known = x->vars && node_get(x->vars, name);

	if (!known && at)
		tell_unknown(x, at, name);
	return known;
}

/* Adds what "$(name)" at `from` stands for; returns what follows it, NULL after a mistake. */
static const char *add_variable(struct expander *x, const struct node *at, const char *from, struct buf *out)
{
	const char *end = strchr(from, ')');
	const struct node *value;
	struct node *outer;
	char *name;

	if (!end) {
		mistake(x->errors, at, "$( without its closing parenthesis");
		return NULL;
	}
	name = arena_text(x->arena, from + 2, end - from - 2);
	if (!name)
		return NULL;
	value = find_var(x, name);
	if (!value) {
		tell_unknown(x, at, name);
		return NULL;
	}
	outer = x->in_headers && x->vars ? node_get(x->vars, name) : NULL;
	if (outer)
		outer->hidden = true;
	if (value->bad)
		return NULL;
	buf_puts(out, value->text);
	return end + 1;
}

static bool expand_text(struct expander *x, const struct node *n, struct buf *out)
{
	const char *s = n->text, *dollar;

	while ((dollar = strstr(s, "$("))) {
		bool escaped = dollar > s && dollar[-1] == '$';

		buf_add(out, s, dollar - s);
		if (escaped) {
			buf_puts(out, "(");
			s = dollar + 2;
			continue;
		}
		s = add_variable(x, n, dollar, out);
		if (!s)
			return false;
		if (out->len > LONGEST_VALUE) {
			mistake(x->errors, n, "longer than %d bytes once its variables are replaced",
				LONGEST_VALUE);
			return false;
		}
	}
	buf_puts(out, s);
	return true;
}

static void expand_node(struct expander *x, struct node *n)
{
	struct buf out = {0};

	if (x->total > MOST_TEXT)
		n->bad = true;
	if (n->bad || !strstr(n->text, "$("))
		return;
	n->bad = !expand_text(x, n, &out);
	x->total += out.len;
	if (!n->bad && x->total > MOST_TEXT) {
		mistake(x->errors, n, "variables make the scenario longer than %d bytes", MOST_TEXT);
		n->bad = true;
	}
	if (!n->bad && !out.failed)
		n->text = arena_text(x->arena, out.data ? out.data : "", out.len);
	x->arena->failed |= out.failed;
	buf_free(&out);
}

/* The tree is at most TREE_DEPTH deep. */
void vars_replace(struct expander *x, struct node *n)
{
	if (x->arena->failed)
		return;
	if (n->kind == NODE_SCALAR)
		expand_node(x, n);
	for (struct node *child = n->first; child; child = child->next) {
		bool before = x->in_headers;

		x->in_headers |= child->key && !strcmp(child->key->text, "headers");
		vars_replace(x, child);
		x->in_headers = before;
	}
}

bool vars_check_value(struct expander *x, struct node *value)
{
	if (value->bad)
		return false;
	if (value->kind != NODE_SCALAR)
		mistake(x->errors, value, "a variable stands for a single value, not for a %s",
			value->kind == NODE_LIST ? "list" : "mapping");
	else if (strstr(value->text, "$("))
		mistake(x->errors, value, "a variable cannot refer to another one");
	else
		return true;
	value->bad = true;
	return false;
}

static void check_vars(struct expander *x)
{
	char text[QUOTED_SIZE];

	for (struct node *v = x->vars->first; v; v = v->next) {
		if (!is_name(v->key->text))
			mistake(x->errors, v->key,
				"%s is no name of a variable, expected letters, digits, _, -, .",
				quote_value(v->key->text, text));
		vars_check_value(x, v);
	}
}

static void set_var(struct node *v, const char *text)
{
	v->text = text;
	v->kind = NODE_SCALAR;
	v->bad = false;
}

/* False: the file has no such variable. What is a list is in the matrix already, if that has the variable. */
static bool apply_setting(struct expander *x, const struct node *matrix, const struct setting *setting,
			  bool lenient)
{
	struct node *v = x->vars ? node_get(x->vars, setting->key) : NULL;
	struct suggest s = {.word = setting->key};
	char text[QUOTED_SIZE];

	if (v && !(matrix && matrix_is_list(setting) && node_get(matrix, setting->key)))
		set_var(v, setting->value);
	if (v || lenient)
		return v;
	for (const struct node *n = x->vars ? x->vars->first : NULL; n; n = n->next)
		suggest_try(&s, n->key->text);
	quote_value(setting->key, text);
	if (s.best)
		errors_add(x->errors, 0, 0, "--set", "unknown variable %s, did you mean `%s`?", text, s.best);
	else
		errors_add(x->errors, 0, 0, "--set",
			   "unknown variable %s, expected one that stands in `vars`", text);
	return false;
}

bool vars_open(struct node *root, const struct scenario_options *options, struct arena *a,
	       struct errors *errors, struct expander *ret)
{
	struct expander *x = ret;
	const struct node *matrix;
	bool wrong;

	*x = (struct expander){.vars = node_get(root, "vars"), .arena = a, .errors = errors};
	wrong = x->vars && x->vars->kind != NODE_MAP;
	if (wrong && !node_is_empty(x->vars) && !x->vars->bad)
		mistake(errors, x->vars, "`vars` is no mapping, expected `vars: {name: value}`");
	if (wrong)
		x->vars = NULL;
	if (x->vars && x->vars->count > MOST_VARS) {
		mistake(errors, x->vars, "%zu variables, expected %d at most", x->vars->count, MOST_VARS);
		return false;
	}
	if (x->vars)
		check_vars(x);
	matrix_set(x, root, options);
	if (matrix_check(x, root, &matrix) && matrix)
		for (const struct node *key = matrix->first; key; key = key->next)
			set_var(node_get(x->vars, key->key->text), matrix_value(key, 0)->text);
	for (size_t i = 0; i < options->n_vars; i++)
		if (apply_setting(x, matrix, &options->vars[i], options->lenient) && options->ret_known)
			options->ret_known[i] = true;
	return true;
}
