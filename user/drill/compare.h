/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a value as a plan_compare says? Numbers are compared as doubles (1 is 1.0), objects whatever the order of their keys.
 * Above, below, at least and at most hold of numbers alone, `matches` of strings alone; `contains` of an array with the value in
 * it, and of a string with the string in it. Nothing holds of NaN.
 */
#ifndef SHEARPIN_COMPARE_H
#define SHEARPIN_COMPARE_H

#include <jansson.h>
#include <stdbool.h>

#include "drill/expression.h"
#include "scenario/plan.h"

struct compare {
	const struct plan_compare *plan;
	json_t *json; /* NULL: none */
	struct expression expression;
};

/* The plan must outlive it. 0, -EINVAL or -ENOMEM; then there is nothing to close. */
int compare_open(struct compare *c, const struct plan_compare *plan);
void compare_close(struct compare *c); /* may be called again, and of zeroes */
/* COMPARE_NONE holds of any. */
bool compare_value(const struct compare *c, const json_t *value);

/* COMPARE_EQUALS to COMPARE_AT_MOST, by `number`. */
bool compare_number(const struct plan_compare *plan, double value);

#endif
