/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/verdict.h"

#include <stdio.h>
#include <string.h>

#include "report/words.h"

static void reason(struct buf *why, bool *any, const char *subject, const char *text)
{
	buf_printf(why, "%s%s %s", *any ? "; " : "", subject, text);
	*any = true;
}

bool window_failed(const struct results *r, const struct result_window *w, struct buf *why)
{
	const struct result_part *part;
	bool any = false;
	size_t i;

	for (i = 0; i < r->n_probes; i++) {
		if (w->probes[i].censored && !w->shadow)
			reason(why, &any, r->probes[i].name, "was not seen to recover");
	}
	for (i = 0; i < w->n_flows; i++) {
		if (w->flows[i].is_hit && w->flows[i].censored)
			reason(why, &any, r->paths[w->flows[i].path].name, "was not seen to recover");
	}
	for (i = 0; i < w->n_parts; i++) {
		part = &w->parts[i];
		if (!part->closed)
			reason(why, &any, part->target, "has no closing in the log");
		else if (!part->balanced)
			reason(why, &any, part->target, "has counters that don't add up");
	}
	return any;
}

bool window_expects(const struct results *r, const struct result_window *w, const struct result_expect *e)
{
	size_t low = 0, high = r->n_windows, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (r->windows[middle]->opened_ns <= e->opens_ns && e->opens_ns != NO_NS)
			low = middle + 1;
		else
			high = middle;
	}
	return r->n_windows && r->windows[low ? low - 1 : 0] == w;
}

static bool concerns(const char *filter, const char *name)
{
	return !filter || (name && strcmp(filter, name) == 0);
}

bool slo_concerns(const struct result_slo *slo, const struct result_window *w)
{
	return !w->shadow && concerns(slo->step, w->step);
}

/* What an SLO asks of each sample; a function that is NULL: not of such samples. */
struct question {
	const char *key;
	uint64_t (*of_probe)(const struct result_probe *p);
	uint64_t (*of_flow)(const struct result_flow *f);
	bool at_least; /* the limit is the least, not the most */
};

static uint64_t probe_recovery(const struct result_probe *p)
{
	return p->recovery_ns;
}

static uint64_t flow_recovery(const struct result_flow *f)
{
	return f->recovery_ns;
}

static uint64_t probe_detection(const struct result_probe *p)
{
	return p->detection_ns;
}

static uint64_t flow_detection(const struct result_flow *f)
{
	return f->detection_ns;
}

/* Parts of a million; without a sample it is not known to have been available. */
static uint64_t probe_availability(const struct result_probe *p)
{
	return p->up + p->down ? p->up * 1000000 / (p->up + p->down) : 0;
}

static const struct question questions[] = {
	{"recovery_p50", probe_recovery, flow_recovery, false},
	{"recovery_p95", probe_recovery, flow_recovery, false},
	{"recovery_p99", probe_recovery, flow_recovery, false},
	{"recovery_max", probe_recovery, flow_recovery, false},
	{"unrecovered", probe_recovery, flow_recovery, false},
	{"detection_max", probe_detection, flow_detection, false},
	{"availability", probe_availability, NULL, true},
};

static const struct question *find_question(const char *key)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
		if (strcmp(questions[i].key, key) == 0)
			return &questions[i];
	}
	return NULL;
}

/* The limit of `unrecovered` is a number of windows: any recovery that there is, is within it. */
static bool over(const struct question *q, const struct result_slo *slo, uint64_t value)
{
	if (strcmp(slo->key, "unrecovered") == 0)
		return value == NO_NS;
	return q->at_least ? value < slo->limit : value > slo->limit;
}

static bool probe_is_over(const struct results *r, const struct result_window *w, const struct question *q,
			  const struct result_slo *slo)
{
	for (size_t i = 0; q->of_probe && i < r->n_probes; i++) {
		if (concerns(slo->probe, r->probes[i].name) && over(q, slo, q->of_probe(&w->probes[i])))
			return true;
	}
	return false;
}

static bool path_concerns(const struct results *r, const char *filter, const struct result_path *path)
{
	size_t i;

	if (concerns(filter, path->target))
		return true;
	for (i = 0; i < r->n_targets && i < RESULT_MOST_TARGETS; i++) {
		if (strcmp(filter, r->targets[i].name) == 0)
			return path->targets[i / 64] >> i % 64 & 1;
	}
	return false;
}

/* A path that wasn't hit is no sample. */
static bool flow_is_over(const struct results *r, const struct result_window *w, const struct question *q,
			 const struct result_slo *slo)
{
	const struct result_flow *f;

	for (size_t i = 0; q->of_flow && i < w->n_flows; i++) {
		f = &w->flows[i];
		if (f->is_hit && path_concerns(r, slo->target, &r->paths[f->path]) &&
		    over(q, slo, q->of_flow(f)))
			return true;
	}
	return false;
}

static bool rate_is_over(const struct results *r, const struct result_window *w, const struct result_slo *slo)
{
	for (size_t i = 0; w->rates && i < r->n_targets; i++) {
		if (concerns(slo->target, r->targets[i].name) && w->rates[i].peak_per_s > slo->limit)
			return true;
	}
	return false;
}

/* "disconnect #2, gateway" */
static bool is_worst(const struct result_window *w, const char *worst)
{
	char number[16];
	size_t len = strlen(w->step);
	int n = snprintf(number, sizeof(number), " #%u", w->instance);

	return strncmp(worst, w->step, len) == 0 && strncmp(worst + len, number, n) == 0 &&
	       (worst[len + n] == '\0' || worst[len + n] == ',');
}

bool window_misses(const struct results *r, const struct result_window *w, const struct result_slo *slo)
{
	const struct question *q = find_question(slo->key);

	if (slo->pass || !slo_concerns(slo, w))
		return false;
	if (!slo->samples || strncmp(slo->key, "probe_", strlen("probe_")) == 0)
		return true;
	if (strcmp(slo->key, "attempts_per_s") == 0)
		return rate_is_over(r, w, slo);
	if (!q)
		return !slo->worst || is_worst(w, slo->worst);
	if (slo->by_flow)
		return flow_is_over(r, w, q, slo);
	return probe_is_over(r, w, q, slo);
}

uint64_t window_after_inject(const struct results *r, const struct result_window *w)
{
	uint64_t slowest = 0;
	size_t i;

	if (!window_measured(r, w))
		return NO_NS;
	for (i = 0; i < r->n_probes; i++) {
		if (w->probes[i].recovery_after_inject_ns > slowest)
			slowest = w->probes[i].recovery_after_inject_ns;
	}
	for (i = 0; !r->n_probes && i < w->n_flows; i++) {
		if (w->flows[i].is_hit && w->flows[i].recovery_after_inject_ns > slowest)
			slowest = w->flows[i].recovery_after_inject_ns;
	}
	return slowest;
}

uint64_t window_observed_until(const struct results *r, const struct result_window *w)
{
	const char *origin = results_origin(r, w->step);
	uint64_t until = r->end_ns;

	for (size_t i = 0; i < r->n_windows; i++) {
		const struct result_window *next = r->windows[i];

		if (strcmp(results_origin(r, next->step), origin) == 0 && next->opened_ns > w->opened_ns &&
		    next->opened_ns < until)
			until = next->opened_ns;
	}
	return until;
}

const struct result_window *find_window(const struct results *r, const char *step, unsigned instance)
{
	for (size_t i = 0; i < r->n_windows; i++) {
		if (r->windows[i]->instance == instance && strcmp(r->windows[i]->step, step) == 0)
			return r->windows[i];
	}
	return NULL;
}
