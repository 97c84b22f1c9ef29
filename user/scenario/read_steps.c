/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree -> model: what happens, and when. */
#include <string.h>

#include "scenario/values.h"

static void read_loss_gemodel(struct reader *r, const struct node *n, void *into)
{
	(void)into;
	mistake(r->errors, n->key, "`gemodel` is not available in this version");
}

static const struct field loss_fields[] = {
	{"every", read_count, 0, false},
	{"gemodel", read_loss_gemodel, 0, false},
};

/* `5%`, or {every: 10}: the one or the other part of the fault. */
static void read_loss(struct reader *r, const struct node *n, void *into)
{
	struct model_fault *fault = into;

	if (n->kind != NODE_MAP) {
		read_share(r, n, &fault->loss);
		return;
	}
	if (!n->count)
		mistake(r->errors, n, "`loss` is an empty mapping, expected a percentage or {every: 10}");
	read_map(r, n, "a loss", FIELDS(loss_fields), &fault->loss_every);
}

static void read_reset(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"both", "local", "remote"};
	static const uint8_t ends[] = {PLAN_END_LOCAL | PLAN_END_REMOTE, PLAN_END_LOCAL, PLAN_END_REMOTE};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){ends[i], n};
}

static void read_refuse(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"tcp-reset", "icmp-port", "icmp-host", "icmp-admin"};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){PLAN_REFUSE_TCP_RESET + i, n};
}

static void read_loss_as(struct reader *r, const struct node *n, void *into)
{
	static const char *const words[] = {"wire", "local"};
	int i = read_word(r, n, WORDS(words));

	if (i >= 0)
		*(struct value *)into = (struct value){i ? MODEL_LOSS_LOCAL : MODEL_LOSS_WIRE, n};
}

static void read_drop(struct reader *r, const struct node *n, void *into)
{
	struct value value = {0};

	read_bool(r, n, &value);
	if (value.node && !value.n)
		wrong_value(r, n, "fault", "`drop: true`, or no `drop` at all");
	else
		*(struct value *)into = value;
}

static const struct field fault_fields[] = {
	{"drop", read_drop, offsetof(struct model_fault, drop), false},
	{"loss", read_loss, 0, false},
	{"reset", read_reset, offsetof(struct model_fault, reset), false},
	{"refuse", read_refuse, offsetof(struct model_fault, refuse), false},
	{"percent", read_share, offsetof(struct model_fault, percent), false},
	{"loss_as", read_loss_as, offsetof(struct model_fault, loss_as), false},
	{"delay", NULL, 0, false},
	{"jitter", NULL, 0, false},
	{"distribution", NULL, 0, false},
	{"rate", NULL, 0, false},
	{"burst", NULL, 0, false},
	{"duplicate", NULL, 0, false},
	{"corrupt", NULL, 0, false},
	{"checksum", NULL, 0, false},
	{"reorder", NULL, 0, false},
	{"stall", NULL, 0, false},
	{"mtu", NULL, 0, false},
	{"icmp", NULL, 0, false},
	{"limit", NULL, 0, false},
	{"then", NULL, 0, false},
	{"dns", NULL, 0, false},
	{"names", NULL, 0, false},
	{"http", NULL, 0, false},
	{"retry_after", NULL, 0, false},
	{"ntp", NULL, 0, false},
};

static void read_fault(struct reader *r, const struct node *n, void *into)
{
	struct model_fault *fault = into;

	if (n->kind == NODE_MAP && !n->count)
		mistake(r->errors, n,
			n->origin ? "no fault is given, expected such as reset=both"
				  : "`fault` is an empty mapping, expected such as {reset: both}");
	if (read_map(r, n, "a fault", FIELDS(fault_fields), fault))
		fault->node = n;
}

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
	{"fault", read_fault, offsetof(struct model_step, fault), true},
	{"target", read_names, offsetof(struct model_step, targets), true},
	{"for", read_positive_duration, offsetof(struct model_step, length), true},
	{"repeat", read_repeat, offsetof(struct model_step, repeat), false},
	{"burst", read_burst, offsetof(struct model_step, burst), false},
	{"signal", NULL, 0, false},
	{"exec", NULL, 0, false},
	{"file", NULL, 0, false},
	{"clock", NULL, 0, false},
	{"link", NULL, 0, false},
	{"expect", NULL, 0, false},
	{"undo", NULL, 0, false},
};

void read_steps(struct reader *r, const struct node *n, void *into)
{
	static const char expected[] = "a list of steps";
	struct model *m = into;
	const struct node *child = n->first;

	m->steps = read_items(r, n, NODE_LIST, MOST_STEPS, sizeof(*m->steps), expected, &m->n_steps);
	for (size_t i = 0; m->steps && i < m->n_steps; i++, child = child->next) {
		m->steps[i].node = child;
		read_map(r, child, "a step", FIELDS(step_fields), &m->steps[i]);
	}
}
