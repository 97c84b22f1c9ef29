/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens to a tree before anyone asks what it means: its variables are replaced, and its steps are repeated for
 * each of its phases. Mistakes go to the errors; the nodes that they are in become bad. All of it lives in the arena.
 */
#ifndef SHEARPIN_SCENARIO_VARS_H
#define SHEARPIN_SCENARIO_VARS_H

#include "scenario/tree.h"

#define MOST_PHASES 16

struct expander {
	struct node *vars;        /* NULL: the scenario has none */
	const struct node *inner; /* more of them, which come first; NULL: none */
	struct arena *arena;
	struct errors *errors;
	size_t total;    /* bytes of all values with variables, replaced */
	bool in_headers; /* below a key `headers` */
};

/*
 * The scenario's `vars`, in which the options' settings, and then the first values of `matrix`, take the place of the file's
 * own. False: too many variables, the tree isn't worth reading.
 */
bool vars_open(struct node *root, const struct scenario_options *options, struct arena *a,
	       struct errors *errors, struct expander *ret);

/*
 * Replace $(name) in every scalar of n and below it, but for `vars` and `matrix`; `$$(` stands for `$(`. Unknown names are
 * mistakes.
 */
void vars_replace(struct expander *x, struct node *n);

/* Is there a variable of this name? If not, and `at` is not NULL, that is a mistake there. */
bool vars_know(struct expander *x, const struct node *at, const char *name);
/* A variable's value, as `vars`, `set` and `matrix` have it: a scalar that refers to no other. False: a mistake, and it is bad. */
bool vars_check_value(struct expander *x, struct node *value);

/*
 * The whole tree, its variables replaced. With `phases`, `steps` has a copy of each step for each phase that it is in, in the
 * order of the phases: its node's `phase` is the phase's, `original` the step's; "NAME (PHASE)" takes the place of its name and of
 * what it says of steps that are in the phase, and what the objectives and conditions say of one step, they say of each of its copies.
 */
void phases_expand(struct expander *x, struct node *root);

/* ---- matrix ---- */

/* Is this a list, `[a, b]`? A setting of a key of a matrix may be one. */
bool matrix_is_list(const struct setting *s);
/* Such lists in the options take the place of the file's; before matrix_check(). */
void matrix_set(struct expander *x, const struct node *root, const struct scenario_options *options);
/* Keys and values, checked; false after a mistake. *ret_matrix is NULL without one. */
bool matrix_check(struct expander *x, const struct node *root, const struct node **ret_matrix);
/* The values of a key: one of them, or a list. */
size_t matrix_count(const struct node *key);
const struct node *matrix_value(const struct node *key, size_t i);

#endif
