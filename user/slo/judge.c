/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "slo/course.h"
#include "slo/fidelity.h"
#include "slo/judge_slo.h"
#include "slo/pick.h"

#define MAX_NAMED 20 /* missing windows that are named one by one */

static uint64_t since(uint64_t at, uint64_t from)
{
	return at == NO_NS ? NO_NS : at > from ? at - from : 0;
}

static void measure(const struct result_window *w, struct result_probe *p)
{
	p->detection_ns = since(p->unhealthy_at, w->opened_ns);
	p->censored = p->healthy_at == NO_NS;
	p->recovery_ns = since(p->healthy_at, window_end(w));
	p->recovery_after_inject_ns = since(p->healthy_at, w->opened_ns);
}

static void measure_flow(const struct results *r, const struct result_window *w, struct result_flow *f)
{
	f->storm = !w->shadow && f->peak_per_s > slo_most_attempts(r, w->step, &r->paths[f->path]);
	f->censored = f->is_hit && f->recovered_at == NO_NS;
	f->detection_ns = since(f->noticed_at, w->opened_ns);
	f->recovery_ns = since(f->recovered_at, w->closed_ns);
	f->recovery_after_inject_ns = since(f->recovered_at, w->opened_ns);
}

static int by_opening(const void *a, const void *b)
{
	const struct result_window *const *x = a, *const *y = b;

	if ((*x)->opened_ns != (*y)->opened_ns)
		return (*x)->opened_ns < (*y)->opened_ns ? -1 : 1;
	return strcmp((*x)->step, (*y)->step);
}

static void measure_window(struct results *r, struct result_window *w)
{
	bool recovered = true, flows_recovered = true;
	size_t i;

	for (i = 0; i < r->n_probes; i++) {
		measure(w, &w->probes[i]);
		recovered &= !w->probes[i].censored;
	}
	for (i = 0; i < w->n_flows; i++) {
		measure_flow(r, w, &w->flows[i]);
		flows_recovered &= !w->flows[i].censored;
	}
	for (i = 0; w->rates && !w->shadow && i < r->n_targets; i++) {
		if (w->rates[i].peak_per_s > r->peak_per_s)
			r->peak_per_s = w->rates[i].peak_per_s;
	}
	r->unrecovered += !recovered && !w->shadow;
	r->flow_unrecovered += !flows_recovered && !w->shadow;
}

static void measure_windows(struct results *r)
{
	if (r->n_windows)
		qsort(r->windows, r->n_windows, sizeof(struct result_window *), by_opening);
	for (size_t i = 0; i < r->n_windows; i++)
		measure_window(r, r->windows[i]);
}

/* It went to its end. */
static bool is_whole(const struct results *r)
{
	return r->outcome == OUTCOME_PASS || r->outcome == OUTCOME_SLO_MISSED;
}

static void judge_parts(struct results *r, const struct result_window *w)
{
	const struct result_part *p;

	if (!w->n_parts && !w->closed && !w->stands)
		results_lack(r, "%s #%u: the log has no step.end", w->step, w->instance);
	if (!w->n_parts && w->closed && w->opened_ts_ns == NO_NS && is_whole(r))
		results_lack(r, "%s #%u: planned, but it was not opened", w->step, w->instance);
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
	bool whole = is_whole(r);
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
		[OUTCOME_INTERRUPTED] = 130, [OUTCOME_HOST_FAILED] = 5, [OUTCOME_REFUSED] = 3,
	};
	size_t i;

	if (r->outcome == OUTCOME_PASS || r->outcome == OUTCOME_SLO_MISSED) {
		r->outcome = OUTCOME_PASS;
		for (i = 0; i < r->n_slos; i++) {
			if (!r->slos[i].pass)
				r->outcome = OUTCOME_SLO_MISSED;
		}
		for (i = 0; i < r->n_expects; i++) {
			if (!r->expects[i].pass)
				r->outcome = OUTCOME_SLO_MISSED;
		}
	}
	r->exit = statuses[r->outcome];
}

static struct result_samples summarize(struct results *r, const char *probe, bool by_flow, bool detection)
{
	const struct pick_filter filter = {.probe = probe, .by_flow = by_flow, .detection = detection};
	struct result_samples summary;
	struct picks picks;

	picks_take(r, &filter, &picks);
	summary = picks_summary(&picks);
	picks_free(&picks);
	return summary;
}

static void judge_samples(struct results *r)
{
	struct result_probe_summary *p;

	r->recovery = summarize(r, NULL, false, false);
	r->detection = summarize(r, NULL, false, true);
	r->flow_recovery = summarize(r, NULL, true, false);
	r->flow_detection = summarize(r, NULL, true, true);
	for (size_t i = 0; i < r->n_probes; i++) {
		p = &r->probes[i];
		p->recovery = summarize(r, p->name, false, false);
		p->detection = summarize(r, p->name, false, true);
		if (r->n_windows && !p->up && !p->down)
			results_lack(r, "probe %s: the log has no sample", p->name);
	}
}

int judge(struct results *r)
{
	measure_windows(r);
	judge_samples(r);
	judge_slos(r);
	r->balanced = true;
	for (size_t i = 0; i < r->n_windows; i++)
		judge_parts(r, r->windows[i]);
	judge_fidelity(r);
	judge_plan(r);
	course_judge(r);
	judge_outcome(r);
	return r->failed ? -ENOMEM : 0;
}
