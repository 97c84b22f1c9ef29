/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/abort_slo.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timeutil.h"

#define NEVER UINT64_MAX
#define NO_VALUE UINT64_MAX
#define MOST_LATENCIES (1U << 20) /* kept, to tell a value; judging needs their number alone */
#define PPM 1e6

/* Of one probe. An unhealthy sample's latency is NO_VALUE: longer than all. */
struct latencies {
	uint64_t *items;
	size_t n, size;
	bool cut;
};

struct seen {
	struct latencies baseline, faults;
	uint64_t counted, within; /* samples in windows; of these, within the limit */
	uint64_t limit;           /* once there is a sample in a window; NO_VALUE: the baseline has none */
	bool has_limit;
};

/* What a probe has seen of a step's last window. */
struct back {
	const struct timed_window *window;
	bool down, up; /* an unhealthy sample behind its opening; a healthy one that ends its recovery */
};

struct share {
	uint32_t up, down;
	bool missed;
};

struct abort_slo {
	const struct plan *plan;
	const struct plan_slo *slo;
	const struct timetable *timetable;
	const struct condition_ops *ops;
	uint64_t since;       /* NEVER: it is met */
	struct seen *seen;    /* SLO_PROBE_P95, _P99: by probe */
	struct share *shares; /* SLO_AVAILABILITY: by window and probe */
	size_t n_missed;
	struct back *backs; /* SLO_RECOVERY_MAX: by step and probe */
};

static bool is_latency(const struct plan_slo *slo)
{
	return slo->key == SLO_PROBE_P95 || slo->key == SLO_PROBE_P99;
}

static unsigned percent(const struct plan_slo *slo)
{
	return slo->key == SLO_PROBE_P95 ? 95 : 99;
}

static bool wants_probe(const struct abort_slo *a, size_t probe)
{
	return a->slo->probe < 0 || (size_t)a->slo->probe == probe;
}

/* A shadow touches nothing: its windows are no samples. */
static bool wants_step(const struct abort_slo *a, size_t step)
{
	const struct plan_step *s = &a->plan->steps[step];

	return (a->slo->step < 0 || (size_t)a->slo->step == step) && timetable_acts(s) && !s->shadow;
}

/* Is a window open that it is about? */
static bool any_open(const struct abort_slo *a, uint64_t ns)
{
	for (size_t i = 0; i < a->plan->n_steps; i++)
		if (wants_step(a, i) && timetable_at(a->timetable, i, ns))
			return true;
	return false;
}

/* Whose recovery it is about: enum plan_by. */
static bool is_by_flow(const struct abort_slo *a)
{
	if (a->slo->by != BY_ANY)
		return a->slo->by == BY_FLOW;
	return a->slo->target >= 0 || (a->slo->probe < 0 && !a->plan->n_probes);
}

int abort_slo_open(const struct plan *plan, const struct plan_slo *slo, const struct timetable *timetable,
		   const struct condition_ops *ops, struct abort_slo **ret)
{
	struct abort_slo *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct abort_slo){.plan = plan, .slo = slo, .timetable = timetable, .ops = ops, .since = NEVER};
	if (is_latency(slo))
		a->seen = calloc(plan->n_probes + 1, sizeof(*a->seen));
	if (slo->key == SLO_AVAILABILITY)
		a->shares = calloc(timetable->n * plan->n_probes + 1, sizeof(*a->shares));
	if (slo->key == SLO_RECOVERY_MAX)
		a->backs = calloc(plan->n_steps * plan->n_probes + 1, sizeof(*a->backs));
	*ret = a;
	if (a->seen || a->shares || a->backs || slo->key == SLO_ATTEMPTS_PER_S)
		return 0;
	*ret = NULL;
	free(a);
	return -ENOMEM;
}

void abort_slo_close(struct abort_slo *slo)
{
	if (!slo)
		return;
	for (size_t i = 0; slo->seen && i < slo->plan->n_probes; i++) {
		free(slo->seen[i].baseline.items);
		free(slo->seen[i].faults.items);
	}
	free(slo->seen);
	free(slo->shares);
	free(slo->backs);
	free(slo);
}

static void set_missed(struct abort_slo *a, bool missed, uint64_t ns)
{
	if (!missed)
		a->since = NEVER;
	else if (a->since == NEVER)
		a->since = ns;
}

/* ---- latency ---- */

static void add(struct latencies *l, uint64_t ns)
{
	size_t size = l->size ? 2 * l->size : 256;
	uint64_t *items;

	if (l->n == l->size) {
		items = l->n < MOST_LATENCIES ? realloc(l->items, size * sizeof(*items)) : NULL;
		l->cut |= !items;
		if (!items)
			return;
		l->items = items;
		l->size = size;
	}
	l->items[l->n++] = ns;
}

/* How many of n values a percentile needs within a limit. */
static uint64_t rank(uint64_t n, unsigned percent)
{
	return (n * percent + 99) / 100;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t percentile(struct latencies *l, unsigned percent)
{
	if (!l->n || l->cut)
		return NO_VALUE;
	qsort(l->items, l->n, sizeof(*l->items), compare);
	return l->items[rank(l->n, percent) - 1];
}

static void set_limit(const struct abort_slo *a, struct seen *s)
{
	uint64_t ns;
	double limit;

	s->has_limit = true;
	s->limit = a->slo->limit;
	if (!a->slo->relative)
		return;
	ns = percentile(&s->baseline, percent(a->slo));
	limit = (double)ns * (1 + a->slo->over);
	s->limit = ns == NO_VALUE || !(limit < 1e18) ? NO_VALUE : (uint64_t)limit;
}

static bool is_slow(const struct abort_slo *a, const struct seen *s)
{
	return s->counted && (s->limit == NO_VALUE || s->within < rank(s->counted, percent(a->slo)));
}

static bool any_slow(const struct abort_slo *a)
{
	for (size_t i = 0; i < a->plan->n_probes; i++)
		if (is_slow(a, &a->seen[i]))
			return true;
	return false;
}

static void take_latency(struct abort_slo *a, const struct probe_sample *sample)
{
	uint64_t ns = sample->healthy ? sample->latency_ns : NO_VALUE;
	struct seen *s = &a->seen[sample->index];

	if (sample->latency_ns == PROBE_NO_LATENCY)
		return;
	if (sample->mono_ns < timetable_first(a->timetable)) {
		add(&s->baseline, ns);
		return;
	}
	if (!any_open(a, sample->mono_ns))
		return;
	if (!s->has_limit)
		set_limit(a, s);
	add(&s->faults, ns);
	s->counted++;
	s->within += ns <= s->limit;
	set_missed(a, any_slow(a), sample->mono_ns);
}

/* ---- availability ---- */

/* In parts of a million, as docs/definitions.md has it. */
static uint64_t share_of(const struct share *s)
{
	return (uint64_t)((double)s->up / ((double)s->up + s->down) * PPM + 1e-6);
}

static uint64_t least_share(const struct abort_slo *a)
{
	return (uint64_t)(round(a->slo->limit * 1e9 / PLAN_ALWAYS) / 1e9 * PPM + 0.5);
}

static void take_share(struct abort_slo *a, const struct probe_sample *sample)
{
	const struct timed_window *window;
	struct share *s;
	bool missed;

	for (size_t i = 0; i < a->plan->n_steps; i++) {
		window = wants_step(a, i) ? timetable_at(a->timetable, i, sample->mono_ns) : NULL;
		if (!window)
			continue;
		s = &a->shares[(window - a->timetable->items) * a->plan->n_probes + sample->index];
		s->up += sample->healthy;
		s->down += !sample->healthy;
		missed = share_of(s) < least_share(a);
		a->n_missed += missed - s->missed;
		s->missed = missed;
	}
	set_missed(a, a->n_missed > 0, sample->mono_ns);
}

/* ---- recovery ---- */

static uint64_t window_end(const struct timed_window *window)
{
	return timetable_stands(window->step) ? window->opens : window->closes;
}

static void take_back(struct abort_slo *a, const struct probe_sample *sample)
{
	for (size_t i = 0; i < a->plan->n_steps; i++) {
		const struct timed_window *window =
			wants_step(a, i) ? timetable_last(a->timetable, i, sample->mono_ns) : NULL;
		struct back *b = &a->backs[i * a->plan->n_probes + sample->index];

		if (!window)
			continue;
		if (b->window != window)
			*b = (struct back){.window = window};
		if (!sample->healthy)
			b->down = true;
		else if (timetable_stands(window->step) ? b->down : sample->mono_ns >= window->closes)
			b->up = true;
	}
}

/* From when on the window's recovery by a probe takes too long; NEVER: it doesn't. */
static uint64_t late_since(const struct abort_slo *a, const struct timed_window *window, size_t probe)
{
	const struct plan_probe *p = &a->plan->probes[probe];
	const struct back *b = &a->backs[(window->step - a->plan->steps) * a->plan->n_probes + probe];
	bool ours = b->window == window;

	if (ours ? b->up : false)
		return NEVER;
	if (timetable_stands(window->step) && !(ours && b->down))
		return NEVER;
	return window_end(window) + a->slo->limit + (p->kind == PROBE_LOG ? p->every_ns : 0);
}

/* The same by the flows of the target. */
static uint64_t paths_late_since(const struct abort_slo *a, const struct timed_window *window, uint64_t now)
{
	uint64_t since = window_end(window) + a->slo->limit;

	return since < now && !a->ops->recovered(a->ops->arg, window, a->slo->target, now) ? since : NEVER;
}

/* *ret_probe: n_probes where it is by flow. */
static uint64_t slowest(const struct abort_slo *a, uint64_t now, const struct timed_window **ret_window,
			size_t *ret_probe)
{
	uint64_t earliest = NEVER, since;

	for (size_t i = 0; i < a->plan->n_steps; i++) {
		const struct timed_window *window =
			wants_step(a, i) ? timetable_last(a->timetable, i, now) : NULL;
		bool by_flow = is_by_flow(a);

		if (!window || window_end(window) > now)
			continue;
		for (size_t p = 0; p < (by_flow ? 1 : a->plan->n_probes); p++) {
			if (by_flow)
				since = paths_late_since(a, window, now);
			else
				since = wants_probe(a, p) ? late_since(a, window, p) : NEVER;
			if (since >= now || since >= earliest)
				continue;
			earliest = since;
			*ret_window = window;
			*ret_probe = by_flow ? a->plan->n_probes : p;
		}
	}
	return earliest;
}

/* ---- attempts ---- */

/* In the windows, and until the paths that they hit are back. */
static bool counts_attempts(const struct abort_slo *a, uint64_t now)
{
	const struct timed_window *window;

	if (any_open(a, now))
		return true;
	for (size_t i = 0; i < a->plan->n_steps; i++) {
		window = wants_step(a, i) ? timetable_last(a->timetable, i, now) : NULL;
		if (window && !a->ops->recovered(a->ops->arg, window, -1, now))
			return true;
	}
	return false;
}

static uint64_t most_attempts(const struct abort_slo *a, uint64_t now, size_t *ret_target)
{
	uint64_t most = 0, n;

	*ret_target = 0;
	for (size_t i = 0; i < a->plan->n_targets; i++) {
		n = a->slo->target < 0 || (size_t)a->slo->target == i ? a->ops->attempts(a->ops->arg, i, now)
								      : 0;
		if (n <= most)
			continue;
		most = n;
		*ret_target = i;
	}
	return most;
}

/* ---- all of them ---- */

void abort_slo_sample(struct abort_slo *a, const struct probe_sample *sample)
{
	if (!wants_probe(a, sample->index))
		return;
	if (a->seen)
		take_latency(a, sample);
	if (a->shares)
		take_share(a, sample);
	if (a->backs)
		take_back(a, sample);
}

bool abort_slo_missed(struct abort_slo *a, uint64_t now, uint64_t *ret_since)
{
	const struct timed_window *window;
	size_t which;

	if (a->slo->key == SLO_RECOVERY_MAX)
		a->since = slowest(a, now, &window, &which);
	if (a->slo->key == SLO_ATTEMPTS_PER_S)
		set_missed(a, most_attempts(a, now, &which) > a->slo->limit && counts_attempts(a, now), now);
	*ret_since = a->since;
	return a->since != NEVER;
}

static bool latency_words(struct abort_slo *a, char *words, size_t size, double *ret_value)
{
	char value[32], limit[32] = "";
	size_t i = 0;
	uint64_t ns;

	while (i < a->plan->n_probes && !is_slow(a, &a->seen[i]))
		i++;
	if (i == a->plan->n_probes)
		return false;
	ns = percentile(&a->seen[i].faults, percent(a->slo));
	if (ns != NO_VALUE)
		format_duration(ns, value, sizeof(value));
	else
		snprintf(value, sizeof(value), a->seen[i].faults.cut ? "above it" : "an unhealthy sample");
	if (a->seen[i].limit != NO_VALUE)
		format_duration(a->seen[i].limit, limit, sizeof(limit));
	snprintf(words, size, "probe_p%u of %s so far is %s, %s%s", percent(a->slo), a->plan->probes[i].name,
		 value, a->seen[i].limit != NO_VALUE ? "the limit " : "and that of its baseline has no value",
		 a->seen[i].limit != NO_VALUE ? limit : "");
	*ret_value = (double)ns;
	return ns != NO_VALUE;
}

static bool share_words(struct abort_slo *a, char *words, size_t size, double *ret_value)
{
	size_t i = 0, n = a->timetable->n * a->plan->n_probes;

	while (i < n && !a->shares[i].missed)
		i++;
	if (i == n)
		return false;
	*ret_value = share_of(&a->shares[i]) / PPM;
	snprintf(words, size, "availability by %s so far is %g %%, the least allowed %g %%",
		 a->plan->probes[i % a->plan->n_probes].name, *ret_value * 100, least_share(a) / PPM * 100);
	return true;
}

static bool recovery_words(struct abort_slo *a, uint64_t now, char *words, size_t size, double *ret_value)
{
	const struct timed_window *window = NULL;
	char value[32], limit[32];
	size_t probe;

	if (slowest(a, now, &window, &probe) == NEVER)
		return false;
	*ret_value = (double)(now - window_end(window));
	format_duration(now - window_end(window), value, sizeof(value));
	format_duration(a->slo->limit, limit, sizeof(limit));
	snprintf(words, size, "no recovery from %s #%u%s%s after %s, the limit %s", window->step->name,
		 window->instance + 1, probe < a->plan->n_probes ? " by " : "",
		 probe < a->plan->n_probes ? a->plan->probes[probe].name : "", value, limit);
	return true;
}

static bool attempts_words(struct abort_slo *a, uint64_t now, char *words, size_t size, double *ret_value)
{
	size_t target;
	uint64_t n = most_attempts(a, now, &target);

	*ret_value = (double)n;
	snprintf(words, size, "%" PRIu64 " attempts to %s in a second, the limit %" PRIu64, n,
		 a->plan->targets[target].name, a->slo->limit);
	return true;
}

bool abort_slo_words(struct abort_slo *a, uint64_t now, char *ret_words, size_t size, double *ret_value)
{
	switch (a->slo->key) {
	case SLO_PROBE_P95:
	case SLO_PROBE_P99:
		return latency_words(a, ret_words, size, ret_value);
	case SLO_AVAILABILITY:
		return share_words(a, ret_words, size, ret_value);
	case SLO_RECOVERY_MAX:
		return recovery_words(a, now, ret_words, size, ret_value);
	default:
		return attempts_words(a, now, ret_words, size, ret_value);
	}
}
