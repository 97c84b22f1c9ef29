/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "slo/fidelity.h"

#define MAX_NAMED 20 /* missing windows that are named one by one */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

uint64_t percentile(uint64_t *values, size_t n, unsigned percent)
{
	if (!n)
		return NO_NS;
	qsort(values, n, sizeof(*values), compare_u64);
	return values[((uint64_t)n * percent + 99) / 100 - (percent ? 1 : 0)];
}

static void measure(struct result_window *w, struct result_probe *p)
{
	p->detection_ns = p->unhealthy_at == NO_NS ? NO_NS : p->unhealthy_at - w->opened_ns;
	p->censored = p->healthy_at == NO_NS;
	p->recovery_ns = p->censored ? NO_NS : p->healthy_at - w->closed_ns;
	p->recovery_after_inject_ns = p->censored ? NO_NS : p->healthy_at - w->opened_ns;
}

static int by_opening(const void *a, const void *b)
{
	const struct result_window *const *x = a, *const *y = b;

	if ((*x)->opened_ns != (*y)->opened_ns)
		return (*x)->opened_ns < (*y)->opened_ns ? -1 : 1;
	return strcmp((*x)->step, (*y)->step);
}

static void measure_windows(struct results *r)
{
	struct result_window *w;
	bool recovered;
	size_t i, p;

	if (r->n_windows)
		qsort(r->windows, r->n_windows, sizeof(struct result_window *), by_opening);
	for (i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		recovered = true;
		for (p = 0; p < r->n_probes; p++) {
			measure(w, &w->probes[p]);
			recovered &= !w->probes[p].censored;
		}
		r->unrecovered += !recovered;
	}
}

struct filter {
	const char *step, *probe; /* NULL: all */
	bool detection;           /* else recovery */
};

static bool wanted(const char *filter, const char *name)
{
	return !filter || strcmp(filter, name) == 0;
}

/* The values of the samples that the filter lets through; `values` has room for all. */
static size_t pick(const struct results *r, const struct filter *f, uint64_t *values)
{
	size_t i, p, n = 0;

	for (i = 0; i < r->n_windows; i++) {
		if (!wanted(f->step, r->windows[i]->step))
			continue;
		for (p = 0; p < r->n_probes; p++) {
			const struct result_probe *seen = &r->windows[i]->probes[p];

			if (wanted(f->probe, r->probes[p].name))
				values[n++] = f->detection ? seen->detection_ns : seen->recovery_ns;
		}
	}
	return n;
}

static struct result_samples summarize(const struct results *r, const struct filter *f, uint64_t *values)
{
	struct result_samples s = {.samples = pick(r, f, values)};

	for (size_t i = 0; i < s.samples; i++)
		s.missing += values[i] == NO_NS;
	s.p50_ns = percentile(values, s.samples, 50);
	s.p95_ns = percentile(values, s.samples, 95);
	s.p99_ns = percentile(values, s.samples, 99);
	s.max_ns = percentile(values, s.samples, 100);
	return s;
}

/* Windows that not every wanted probe saw recover. */
static uint64_t count_unrecovered(const struct results *r, const struct result_slo *slo)
{
	uint64_t count = 0;
	size_t i, p;

	for (i = 0; i < r->n_windows; i++) {
		for (p = 0; p < r->n_probes; p++) {
			if (wanted(slo->step, r->windows[i]->step) && wanted(slo->probe, r->probes[p].name) &&
			    r->windows[i]->probes[p].censored)
				break;
		}
		count += p < r->n_probes;
	}
	return count;
}

static uint64_t slo_value(const struct results *r, const struct result_slo *slo,
			  const struct result_samples *s)
{
	const struct {
		const char *key;
		uint64_t value;
	} values[] = {
		{"recovery_p50", s->p50_ns}, {"recovery_p95", s->p95_ns},  {"recovery_p99", s->p99_ns},
		{"recovery_max", s->max_ns}, {"detection_max", s->max_ns},
	};
	size_t i;

	if (slo->unit == UNIT_COUNT)
		return count_unrecovered(r, slo);
	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		if (strcmp(slo->key, values[i].key) == 0)
			return values[i].value;
	}
	return NO_NS;
}

/* A time is met if every sample has a value and the percentile is within the limit; without a sample nothing is met. */
static void judge_slo(struct results *r, struct result_slo *slo, uint64_t *values)
{
	struct filter filter = {slo->step, slo->probe, strcmp(slo->key, "detection_max") == 0};
	struct result_samples s = summarize(r, &filter, values);

	slo->samples = s.samples;
	slo->missing = s.missing;
	slo->value = s.samples ? slo_value(r, slo, &s) : NO_NS;
	slo->pass = slo->value != NO_NS && slo->limit != NO_NS && slo->value <= slo->limit &&
		    (slo->unit == UNIT_COUNT || !slo->missing);
}

static void judge_parts(struct results *r, const struct result_window *w)
{
	const struct result_part *p;

	for (size_t i = 0; i < w->n_parts; i++) {
		p = &w->parts[i];
		if (!p->closed)
			results_lack(r, "%s #%u, target %s: the log has no fault.close", w->step, w->instance,
				     p->target);
		else if (!p->counted)
			results_lack(r, "%s #%u, target %s: counters are missing", w->step, w->instance,
				     p->target);
		else if (!p->balanced)
			results_lack(r, "%s #%u, target %s: the counters don't add up", w->step, w->instance,
				     p->target);
		if (p->damaged_receipt)
			results_lack(r, "%s #%u, target %s: the receipt is not as documented", w->step,
				     w->instance, p->target);
		r->balanced &= p->balanced;
	}
}

static bool has_part(const struct results *r, const char *step, unsigned instance, const char *target)
{
	const struct result_window *w;
	size_t i, p;

	for (i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		if (w->instance != instance || strcmp(w->step, step) != 0)
			continue;
		for (p = 0; p < w->n_parts; p++) {
			if (strcmp(w->parts[p].target, target) == 0)
				return true;
		}
	}
	return false;
}

/* A run that went to its end has every window that was planned; any other is said to be short of some. */
static void judge_plan(struct results *r)
{
	bool whole = r->outcome == OUTCOME_PASS || r->outcome == OUTCOME_SLO_MISSED;
	const struct result_step *step;
	uint64_t missing = 0;
	unsigned instance;
	size_t t;

	for (size_t i = 0; i < r->n_steps; i++) {
		step = &r->steps[i];
		for (instance = 1; instance <= step->times; instance++) {
			for (t = 0; t < step->n_targets; t++) {
				if (has_part(r, step->name, instance, step->targets[t]) ||
				    missing++ >= MAX_NAMED)
					continue;
				if (whole)
					results_lack(r, "%s #%u, target %s: planned, but not in the log",
						     step->name, instance, step->targets[t]);
			}
		}
	}
	if (missing && !whole)
		results_note(r, "%" PRIu64 " of the planned windows did not open", missing);
}

static void judge_outcome(struct results *r)
{
	static const int statuses[] = {
		[OUTCOME_PASS] = 0,          [OUTCOME_SLO_MISSED] = 1,  [OUTCOME_ABORTED] = 4,
		[OUTCOME_INTERRUPTED] = 130, [OUTCOME_HOST_FAILED] = 5,
	};
	size_t i;

	if (r->outcome == OUTCOME_PASS || r->outcome == OUTCOME_SLO_MISSED) {
		r->outcome = OUTCOME_PASS;
		for (i = 0; i < r->n_slos; i++) {
			if (!r->slos[i].pass)
				r->outcome = OUTCOME_SLO_MISSED;
		}
	}
	r->exit = statuses[r->outcome];
}

static void judge_samples(struct results *r, uint64_t *values)
{
	struct filter recovery = {0}, detection = {.detection = true};
	struct result_probe_summary *p;
	size_t i;

	r->recovery = summarize(r, &recovery, values);
	r->detection = summarize(r, &detection, values);
	for (i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		recovery.probe = detection.probe = p->name;
		p->recovery = summarize(r, &recovery, values);
		p->detection = summarize(r, &detection, values);
		if (r->n_windows && !p->up && !p->down)
			results_lack(r, "probe %s: the log has no sample", p->name);
	}
	for (i = 0; i < r->n_slos; i++)
		judge_slo(r, &r->slos[i], values);
}

int judge(struct results *r)
{
	uint64_t *values = calloc(r->n_windows * r->n_probes + 1, sizeof(*values));
	size_t i;

	if (!values)
		return -ENOMEM;
	measure_windows(r);
	judge_samples(r, values);
	free(values);
	r->balanced = true;
	for (i = 0; i < r->n_windows; i++)
		judge_parts(r, r->windows[i]);
	judge_fidelity(r);
	judge_plan(r);
	judge_outcome(r);
	return r->failed ? -ENOMEM : 0;
}
