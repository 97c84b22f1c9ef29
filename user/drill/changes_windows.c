/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/changes_windows.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drill/change.h"
#include "drill/changes.h"

const struct change_kind *change_kind_of(const struct plan_step *step)
{
	if (step->shadow)
		return NULL;
	switch (step->kind) {
	case STEP_SIGNAL:
		return &change_signal;
	case STEP_EXEC:
		return &change_exec;
	case STEP_FILE:
		return &change_file;
	case STEP_LINK:
		return &change_link;
	default:
		return NULL;
	}
}

bool change_is_undone(const struct plan_step *step)
{
	switch (step->kind) {
	case STEP_SIGNAL:
		return step->signal.number == SIGSTOP && (step->until_end || step->window.for_ns);
	case STEP_EXEC:
		return step->exec.undo.n > 0;
	case STEP_FILE:
	case STEP_LINK:
		return true;
	default:
		return false;
	}
}

bool changes_wanted(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (change_kind_of(&plan->steps[i]))
			return true;
	return false;
}

bool changes_undone(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (change_kind_of(&plan->steps[i]) && change_is_undone(&plan->steps[i]))
			return true;
	return false;
}

static int by_opening(const void *a, const void *b)
{
	const struct change_times *x = a, *y = b;

	if (x->opens != y->opens)
		return x->opens < y->opens ? -1 : 1;
	/* Of those that open together the longest comes first, so that the others lie in it; then the order of the file counts. */
	if (x->closes != y->closes)
		return x->closes > y->closes ? -1 : 1;
	return x->step < y->step ? -1 : x->step > y->step;
}

static struct change_times times_of(const struct plan_step *step, uint32_t instance)
{
	const struct change_kind *kind = change_kind_of(step);

	return (struct change_times){
		.step = step,
		.instance = instance,
		.opens = plan_opens(&step->window, instance),
		.closes = step->until_end ? UINT64_MAX : plan_closes(&step->window, instance),
		.key = kind->key && change_is_undone(step) ? kind->key(step) : NULL,
	};
}

int change_times(const struct plan *plan, struct change_times **ret, size_t *ret_n)
{
	struct change_times *items;
	size_t n = 0, k = 0;

	for (size_t i = 0; i < plan->n_steps; i++)
		if (change_kind_of(&plan->steps[i]))
			n += plan->steps[i].window.times;
	items = calloc(n + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_steps; i++)
		for (uint32_t t = 0; change_kind_of(&plan->steps[i]) && t < plan->steps[i].window.times; t++)
			items[k++] = times_of(&plan->steps[i], t);
	qsort(items, n, sizeof(*items), by_opening);
	*ret = items;
	*ret_n = n;
	return 0;
}

void change_times_free(struct change_times *times, size_t n)
{
	for (size_t i = 0; times && i < n; i++)
		free(times[i].key);
	free(times);
}

bool change_times_cross(const struct change_times *times, size_t n, const struct change_times **ret_a,
			const struct change_times **ret_b)
{
	for (size_t b = 0; b < n; b++)
		for (size_t a = 0; times[b].key && a < b; a++) {
			if (!times[a].key || strcmp(times[a].key, times[b].key) != 0 ||
			    times[b].opens >= times[a].closes || times[b].closes <= times[a].closes)
				continue;
			*ret_a = &times[a];
			*ret_b = &times[b];
			return true;
		}
	return false;
}

int changes_check(const struct plan *plan, char *ret_why, size_t size)
{
	const struct change_times *a, *b;
	struct change_times *times;
	char why[320];
	size_t n;
	int err = 0;

	for (size_t i = 0; !err && i < plan->n_steps; i++) {
		const struct plan_step *step = &plan->steps[i];
		const struct change_kind *kind = change_kind_of(step);

		if (!kind)
			continue;
		err = kind->check(step, why, sizeof(why));
		if (err)
			snprintf(ret_why, size, "the step %s can't be done: %s", step->name, why);
	}
	if (err)
		return err;
	err = change_times(plan, &times, &n);
	if (err) {
		snprintf(ret_why, size, "%s", strerror(-err));
		return err;
	}
	if (change_times_cross(times, n, &a, &b)) {
		snprintf(ret_why, size,
			 "the steps %s and %s change the same (%s), and the second begins in the first and "
			 "ends "
			 "behind it, so that there is no order to take them back in",
			 a->step->name, b->step->name, a->key);
		err = -EINVAL;
	}
	change_times_free(times, n);
	return err;
}
