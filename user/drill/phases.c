/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/phases.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct times {
	uint64_t opens, closes; /* CLOCK_MONOTONIC; UINT64_MAX: not known */
};

struct phases {
	const struct plan *plan;
	struct journal *journal;
	struct times *times; /* by phase */
	size_t current;      /* the number of phases: all are over */
	bool is_open;
};

int phases_open(const struct plan *plan, struct journal *journal, struct phases **ret)
{
	struct phases *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->plan = plan;
	p->journal = journal;
	p->times = calloc(plan->n_phases + 1, sizeof(*p->times));
	if (!p->times) {
		phases_close(p);
		return -ENOMEM;
	}
	for (size_t i = 0; i < plan->n_phases; i++)
		p->times[i] = (struct times){UINT64_MAX, UINT64_MAX};
	*ret = p;
	return 0;
}

void phases_close(struct phases *p)
{
	if (!p)
		return;
	free(p->times);
	free(p);
}

void phases_set_zero(struct phases *p, uint64_t zero_ns, struct plan_span span)
{
	for (size_t i = 0; i < p->plan->n_phases; i++) {
		uint64_t at = p->plan->phases[i].at_ns, end = at + p->plan->phases[i].for_ns;

		if (plan_spans(span, at))
			p->times[i].opens = zero_ns + at;
		if (plan_spans(span, end))
			p->times[i].closes = zero_ns + end;
	}
}

bool phases_all_done(const struct phases *p)
{
	return p->current == p->plan->n_phases;
}

static void tell(struct phases *p, uint64_t mono_ns, const char *type, const char *result)
{
	const struct plan_phase *phase = &p->plan->phases[p->current];
	struct json *data = journal_data(p->journal);

	json_string(data, "name", phase->name);
	json_u64(data, "index", p->current);
	json_double(data, "share", round(phase->share * 1e9 / PLAN_ALWAYS) / 1e9); /* 0.1, not 0.1000000001 */
	json_bool(data, "shadow", phase->shadow);
	if (phase->text)
		json_raw(data, "set", phase->text);
	if (result)
		json_string(data, "result", result);
	journal_write(p->journal, mono_ns, type, NULL);
}

static void end(struct phases *p, uint64_t mono_ns, const char *result)
{
	tell(p, mono_ns, "phase.end", result);
	p->is_open = false;
	p->current++;
}

uint64_t phases_run(struct phases *p, uint64_t now)
{
	while (!phases_all_done(p)) {
		const struct times *times = &p->times[p->current];
		bool last = p->current + 1 == p->plan->n_phases;

		if (now < times->opens)
			return times->opens;
		if (!p->is_open)
			tell(p, times->opens, "phase.start", NULL);
		p->is_open = true;
		if (now < times->closes)
			return times->closes;
		end(p, times->closes, last ? "done" : "promoted");
	}
	return UINT64_MAX;
}

void phases_cut(struct phases *p, uint64_t now, bool aborted)
{
	if (p->is_open)
		end(p, now, aborted ? "rolled back" : "cut");
}
