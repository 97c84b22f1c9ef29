/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/timetable.h"

#include <errno.h>
#include <stdlib.h>

int timetable_open(const struct plan *plan, struct timetable *ret)
{
	size_t n = 0;

	*ret = (struct timetable){.plan = plan};
	for (size_t i = 0; i < plan->n_steps; i++)
		n += plan->steps[i].window.times;
	ret->items = calloc(n + 1, sizeof(*ret->items));
	ret->first = calloc(plan->n_steps + 1, sizeof(*ret->first));
	if (!ret->items || !ret->first) {
		timetable_close(ret);
		return -ENOMEM;
	}
	for (size_t i = 0; i < plan->n_steps; i++) {
		ret->first[i] = ret->n;
		for (uint32_t k = 0; k < plan->steps[i].window.times; k++)
			ret->items[ret->n++] =
				(struct timed_window){&plan->steps[i], k, UINT64_MAX, UINT64_MAX};
	}
	ret->first[plan->n_steps] = ret->n;
	return 0;
}

void timetable_close(struct timetable *timetable)
{
	free(timetable->items);
	free(timetable->first);
	*timetable = (struct timetable){0};
}

void timetable_set_zero(struct timetable *timetable, uint64_t zero_ns, struct plan_span span)
{
	for (size_t i = 0; i < timetable->n; i++) {
		struct timed_window *s = &timetable->items[i];
		const struct plan_window *w = &s->step->window;

		if (!plan_spans(span, w->at_ns))
			continue;
		s->opens = zero_ns + plan_opens(w, s->instance);
		s->closes = s->step->until_end ? UINT64_MAX : zero_ns + plan_closes(w, s->instance);
	}
}

bool timetable_acts(const struct plan_step *step)
{
	return step->kind != STEP_EXPECT && step->kind != STEP_WAIT;
}

bool timetable_stands(const struct plan_step *step)
{
	return step->until_end || !step->window.for_ns;
}

const struct timed_window *timetable_last(const struct timetable *timetable, size_t step, uint64_t ns)
{
	size_t low = timetable->first[step], high = timetable->first[step + 1];

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (timetable->items[middle].opens <= ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low > timetable->first[step] ? &timetable->items[low - 1] : NULL;
}

const struct timed_window *timetable_at(const struct timetable *timetable, size_t step, uint64_t ns)
{
	const struct timed_window *s = timetable_last(timetable, step, ns);

	return s && ns < s->closes ? s : NULL;
}

uint64_t timetable_first(const struct timetable *timetable)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < timetable->n; i++)
		if (timetable_acts(timetable->items[i].step) && timetable->items[i].opens < first)
			first = timetable->items[i].opens;
	return first;
}
