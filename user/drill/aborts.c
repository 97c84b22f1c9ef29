/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/aborts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/timeutil.h"
#include "drill/abort_slo.h"

#define LOOK_NS (100 * NS_PER_MS) /* at a file, and at what passes with time */
#define NEVER UINT64_MAX

struct condition {
	const struct plan_abort *plan;
	uint64_t since;     /* it holds since; NEVER: it doesn't */
	uint64_t confirmed; /* ABORT_PROMETHEUS: the last answer that said so */
	bool unanswered;
	bool has_value;
	double value;
	struct abort_slo *slo; /* ABORT_SLO */
};

struct aborts {
	const struct plan *plan;
	const struct condition_ops *ops;
	struct journal *journal;
	struct condition *items;
	size_t n;
	bool started;
	uint64_t next_look;
	const struct condition *holds; /* NULL: none does */
};

int aborts_open(const struct plan *plan, const struct timetable *timetable, const struct condition_ops *ops,
		struct journal *journal, struct aborts **ret)
{
	struct aborts *a = calloc(1, sizeof(*a));
	int err = 0;

	if (!a)
		return -ENOMEM;
	a->plan = plan;
	a->ops = ops;
	a->journal = journal;
	a->items = calloc(plan->n_aborts + 1, sizeof(*a->items));
	if (!a->items)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < plan->n_aborts; i++) {
		struct condition *c = &a->items[a->n++];

		*c = (struct condition){.plan = &plan->aborts[i], .since = NEVER};
		if (c->plan->kind == ABORT_SLO)
			err = abort_slo_open(plan, &c->plan->slo, timetable, ops, &c->slo);
	}
	if (err)
		aborts_close(a);
	else
		*ret = a;
	return err;
}

void aborts_close(struct aborts *aborts)
{
	if (!aborts)
		return;
	for (size_t i = 0; i < aborts->n; i++)
		abort_slo_close(aborts->items[i].slo);
	free(aborts->items);
	free(aborts);
}

static void keep(struct condition *c, const struct probe_sample *sample, bool holds)
{
	c->has_value = sample->has_value;
	c->value = sample->value;
	if (!holds)
		c->since = NEVER;
	else if (c->since == NEVER)
		c->since = sample->mono_ns;
}

void aborts_sample(struct aborts *a, const struct probe_sample *sample)
{
	for (size_t i = 0; !a->holds && i < a->n; i++) {
		struct condition *c = &a->items[i];

		if (c->plan->kind == ABORT_PROBE && c->plan->index == sample->index)
			keep(c, sample, !sample->healthy);
		if (c->plan->kind == ABORT_SLO)
			abort_slo_sample(c->slo, sample);
	}
}

static void tell_answered(struct aborts *a, struct condition *c, const struct probe_sample *sample)
{
	bool answered = sample->good || sample->has_value;
	struct json *data;

	if (answered != c->unanswered)
		return;
	c->unanswered = !answered;
	data = journal_data(a->journal);
	json_raw(data, "condition", c->plan->text ?: "null");
	json_bool(data, "answered", answered);
	json_string(data, "error", answered ? NULL : sample->error);
	journal_write(a->journal, sample->mono_ns, "abort.watch", NULL);
}

/* A value that is not as it should be is the condition; without an answer it is as it was, and nothing is aborted. */
void aborts_watch(struct aborts *a, const struct probe_sample *sample)
{
	for (size_t i = 0; !a->holds && i < a->n; i++) {
		struct condition *c = &a->items[i];

		if (c->plan->kind != ABORT_PROMETHEUS || c->plan->index != sample->index)
			continue;
		tell_answered(a, c, sample);
		if (!sample->good && !sample->has_value)
			continue;
		keep(c, sample, !sample->good);
		c->confirmed = sample->mono_ns;
	}
}

/* So long a sample that says otherwise may be on its way: a log's line is read after it is written. */
static uint64_t lag(const struct aborts *a, const struct condition *c)
{
	const struct plan_probe *probe =
		c->plan->kind == ABORT_PROBE ? &a->plan->probes[c->plan->index] : NULL;

	return probe && probe->kind == PROBE_LOG ? probe->every_ns : 0;
}

static bool is_due(struct aborts *a, struct condition *c, uint64_t now, uint64_t *next)
{
	uint64_t since = c->since, due;

	switch (c->plan->kind) {
	case ABORT_PROMETHEUS:
		return since != NEVER && c->confirmed - since >= c->plan->for_ns;
	case ABORT_FILE:
		if (faccessat(AT_FDCWD, c->plan->path, F_OK, AT_SYMLINK_NOFOLLOW))
			return false;
		c->since = now;
		return true;
	case ABORT_SLO:
		if (!abort_slo_missed(c->slo, now, &since))
			since = NEVER;
		c->since = since;
		break;
	case ABORT_PROBE:
		break;
	}
	if (since == NEVER)
		return false;
	due = since + c->plan->for_ns + lag(a, c);
	if (due < *next)
		*next = due;
	return now >= due;
}

static void say(struct aborts *a, struct condition *c, uint64_t now, char *reason, size_t size)
{
	const struct plan_abort *plan = c->plan;
	char since[32];

	/* An answer may have come since the turn began. */
	format_duration(now > c->since ? now - c->since : 0, since, sizeof(since));
	switch (plan->kind) {
	case ABORT_PROBE:
		snprintf(reason, size, "the probe %s has been unhealthy for %s",
			 a->plan->probes[plan->index].name, since);
		break;
	case ABORT_FILE:
		snprintf(reason, size, "the file %s is there", plan->path);
		break;
	case ABORT_PROMETHEUS:
		snprintf(reason, size, "a query has been %g for %s or longer: %s", c->value, since,
			 a->plan->watches[plan->index].query);
		break;
	case ABORT_SLO:
		c->has_value = abort_slo_words(c->slo, now, reason, size, &c->value);
	}
}

static void start(struct aborts *a, uint64_t now)
{
	a->started = true;
	for (size_t i = 0; i < a->n; i++)
		if (a->items[i].plan->kind == ABORT_PROMETHEUS)
			a->ops->start(a->ops->arg, a->items[i].plan->index, now);
}

bool aborts_run(struct aborts *a, uint64_t now, uint64_t *ret_next, char *ret_reason, size_t size)
{
	*ret_next = UINT64_MAX;
	if (!a->n || a->holds)
		return false;
	if (!a->started)
		start(a, now);
	if (now < a->next_look) {
		*ret_next = a->next_look;
		return false;
	}
	*ret_next = a->next_look = now + LOOK_NS;
	for (size_t i = 0; i < a->n; i++) {
		struct condition *c = &a->items[i];

		if (!is_due(a, c, now, &a->next_look))
			continue;
		say(a, c, now, ret_reason, size);
		a->holds = c;
		return true;
	}
	*ret_next = a->next_look;
	return false;
}

void aborts_tell(const struct aborts *a, struct json *data)
{
	static const char *const kinds[] = {[ABORT_PROBE] = "probe",
					    [ABORT_FILE] = "file",
					    [ABORT_PROMETHEUS] = "prometheus",
					    [ABORT_SLO] = "slo"};
	const struct condition *c = a ? a->holds : NULL;

	if (!c)
		return;
	json_string(data, "kind", kinds[c->plan->kind]);
	json_raw(data, "condition", c->plan->text ?: "null");
	if (c->has_value)
		json_double(data, "value", c->value);
	else
		json_null(data, "value");
	json_u64(data, "since_ns", c->since);
}
