/* SPDX-License-Identifier: BSD-2-Clause */
/* The way from a file or a text to a plan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/model.h"
#include "scenario/text.h"
#include "scenario/vars.h"

int compile_tree(struct arena *a, struct errors *errors, struct node *root, const char *source,
		 struct plan **ret_plan)
{
	struct reader r = {.arena = a, .errors = errors};
	struct model m = {0};
	int err = 0;

	read_scenario(&r, root, &m);
	if (!a->failed)
		check_model(&r, &m);
	if (a->failed || errors->failed)
		return -ENOMEM;
	if (!errors->count)
		settle_model(&r, &m);
	if (a->failed)
		return -ENOMEM;
	if (!errors->count)
		err = compile_model(&r, &m, source, ret_plan);
	return err ? err : errors->count ? -EINVAL : 0;
}

/* What the command line sets takes the place of what the file says. */
static void replace(struct arena *a, struct node *map, const char *key, struct node *value)
{
	struct node *old = node_get(map, key);

	if (!old || !value) {
		node_add(a, map, key, value);
		return;
	}
	value->key = old->key;
	value->next = old->next;
	*old = *value;
}

static void check_option(struct errors *errors, const char *origin, const char *text)
{
	struct text_fault fault;

	if (check_text(text, strlen(text), &fault))
		errors_add(errors, 0, 0, origin, "%s in the value, expected plain UTF-8 text", fault.what);
}

static void apply_options(const struct scenario_options *o, struct arena *a, struct errors *errors,
			  struct node *root)
{
	struct node *meta = node_get(root, "meta");

	for (size_t i = 0; i < o->n_vars; i++)
		check_option(errors, "--set", o->vars[i].value);
	if (o->interface)
		replace(a, root, "interface", node_split(a, "--interface", o->interface));
	if (o->evidence)
		replace(a, root, "evidence", node_scalar(a, "--evidence", o->evidence));
	if (o->capture)
		replace(a, root, "capture", node_scalar(a, "--capture", "true"));
	if (o->n_meta && (!meta || node_is_empty(meta)))
		replace(a, root, "meta", node_new(a, NODE_MAP, "--meta"));
	meta = node_get(root, "meta");
	for (size_t i = 0; i < o->n_meta && meta && meta->kind == NODE_MAP; i++) {
		check_option(errors, "--meta", o->meta[i].key);
		check_option(errors, "--meta", o->meta[i].value);
		replace(a, meta, o->meta[i].key, node_scalar(a, "--meta", o->meta[i].value));
	}
}

static int add_suffix(struct plan *plan, const char *suffix)
{
	char *name;

	if (asprintf(&name, "%s%s", plan->name, suffix) < 0)
		return -ENOMEM;
	free(plan->name);
	plan->name = name;
	return 0;
}

static int hide(struct plan *plan, const char *name)
{
	plan->hidden[plan->n_hidden] = strdup(name);
	return plan->hidden[plan->n_hidden++] ? 0 : -ENOMEM;
}

/* A setting of a variable that this scenario doesn't have is another's, which may use it in a header. */
static int keep_hidden(const struct node *vars, const struct scenario_options *o, struct plan *plan)
{
	int err = 0;

	plan->hidden = calloc((vars ? vars->count : 0) + o->n_vars + 1, sizeof(*plan->hidden));
	if (!plan->hidden)
		return -ENOMEM;
	for (const struct node *v = vars ? vars->first : NULL; !err && v; v = v->next)
		err = v->hidden ? hide(plan, v->key->text) : 0;
	for (size_t i = 0; !err && i < o->n_vars; i++)
		err = vars && node_get(vars, o->vars[i].key) ? 0 : hide(plan, o->vars[i].key);
	return err;
}

static int parse(const char *name, const char *text, size_t len, const struct scenario_options *options,
		 struct arena *a, struct errors *errors, struct plan **ret_plan)
{
	static const struct scenario_options none;
	struct expander x;
	struct node *root;
	int err;

	if (!options)
		options = &none;
	err = yaml_read(text, len, a, errors, &root);
	if (err)
		return err;
	if (!root || !vars_open(root, options, a, errors, &x))
		return -EINVAL;
	phases_expand(&x, root);
	apply_options(options, a, errors, root);
	err = compile_tree(a, errors, root, name, ret_plan);
	if (err)
		return err;
	err = keep_hidden(x.vars, options, *ret_plan);
	if (!err && options->suffix)
		err = add_suffix(*ret_plan, options->suffix);
	if (err) {
		plan_free(*ret_plan);
		*ret_plan = NULL;
	}
	return err;
}

int scenario_parse(const char *name, const char *text, size_t len, const struct scenario_options *options,
		   struct plan **ret_plan, struct scenario_errors *ret_errors)
{
	struct errors errors = {.file = name};
	struct arena a = {0};
	int err, err_text;

	*ret_plan = NULL;
	if (len > SCENARIO_MAX_BYTES) {
		err = -EFBIG;
		errors_add(&errors, 0, 0, NULL, "larger than %d bytes, expected a scenario",
			   SCENARIO_MAX_BYTES);
	} else {
		err = parse(name, text, len, options, &a, &errors, ret_plan);
	}
	err_text = errors_take(&errors, ret_errors);
	arena_free(&a);
	return err_text ? err_text : err;
}

int scenario_load(const char *path, const struct scenario_options *options, struct plan **ret_plan,
		  struct scenario_errors *ret_errors)
{
	struct errors errors = {.file = path};
	char *text = NULL;
	size_t len = 0;
	int err, err_text;

	*ret_plan = NULL;
	*ret_errors = (struct scenario_errors){0};
	err = text_read(path, SCENARIO_MAX_BYTES, &text, &len);
	if (!err) {
		err = scenario_parse(path, text, len, options, ret_plan, ret_errors);
		free(text);
		return err;
	}
	errors_add(&errors, 0, 0, NULL, "cannot be read: %s", strerror(-err));
	err_text = errors_take(&errors, ret_errors);
	return err_text ? err_text : err;
}
