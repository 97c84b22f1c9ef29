/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what happens, and when. */
#include <string.h>

#include "scenario/values.h"

static void read_times(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_count(r, n, &value);
	if (value.node && value.n > PLAN_MAX_SLOTS)
		mistake(r->errors, n, "%s is too often, expected %d times at most", n->text, PLAN_MAX_SLOTS);
	else
		*(struct value *)into = value;
}

static const struct field repeat_fields[] = {
	{"times", read_times, offsetof(struct model_repeat, times), true},
	{"every", read_positive_duration, offsetof(struct model_repeat, every), true},
};

static void read_repeat(struct reader *r, const struct node *n, void *into)
{
	struct model_repeat *repeat = into;

	if (read_map(r, n, "a repeat", FIELDS(repeat_fields), repeat))
		repeat->node = n;
}

static const struct field burst_fields[] = {
	{"on", read_positive_duration, offsetof(struct model_burst, on), true},
	{"off", read_positive_duration, offsetof(struct model_burst, off), true},
};

static void read_burst(struct reader *r, const struct node *n, void *into)
{
	struct model_burst *burst = into;

	if (read_map(r, n, "a burst", FIELDS(burst_fields), burst))
		burst->node = n;
}

static const struct field step_fields[] = {
	{"name", read_name, offsetof(struct model_step, name), true},
	{"at", read_duration, offsetof(struct model_step, at), true},
	{"fault", read_fault, offsetof(struct model_step, fault), false},
	{"target", read_names, offsetof(struct model_step, targets), false},
	{"for", read_positive_duration, offsetof(struct model_step, length), true},
	{"repeat", read_repeat, offsetof(struct model_step, repeat), false},
	{"burst", read_burst, offsetof(struct model_step, burst), false},
	{"signal", NULL, 0, false},
	{"exec", NULL, 0, false},
	{"file", NULL, 0, false},
	{"clock", read_clock, offsetof(struct model_step, clock), false},
	{"link", NULL, 0, false},
	{"expect", NULL, 0, false},
	{"undo", NULL, 0, false},
};

static bool is_later(const struct node *n)
{
	static const char *const keys[] = {"signal", "exec", "file", "link", "expect", "undo"};
	bool later = false;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		later = later || given(n, keys[i]);
	return later;
}

void read_steps(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of steps";
	struct model *m = into;
	const struct node *child = n->first;

	m->steps = read_items(r, n, NODE_LIST, MOST_STEPS, sizeof(*m->steps), expected, &m->n_steps);
	for (size_t i = 0; m->steps && i < m->n_steps; i++, child = child->next) {
		m->steps[i].node = child;
		m->steps[i].is_later = is_later(child);
		read_map(r, child, "a step", FIELDS(step_fields), &m->steps[i]);
	}
}
