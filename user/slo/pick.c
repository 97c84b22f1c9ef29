/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/pick.h"

#include <stdlib.h>
#include <string.h>

#include "slo/percentile.h"

bool pick_is_of(const struct results *r, const struct result_path *path, const char *target)
{
	for (size_t t = 0; target && t < r->n_targets && t < RESULT_MOST_TARGETS; t++) {
		if (strcmp(r->targets[t].name, target) == 0)
			return path->targets[t / 64] >> t % 64 & 1;
	}
	return !target;
}

static void add(struct results *r, struct picks *picks, struct pick_sample sample, uint64_t seq)
{
	if (!results_grow(r, picks->items, picks->n))
		return;
	sample.seq = sample.value != NO_NS ? seq : sample.seq;
	picks->missing += sample.value == NO_NS;
	picks->items[picks->n++] = sample;
}

static void add_probes(struct results *r, const struct pick_filter *f, const struct result_window *w,
		       struct picks *picks)
{
	uint64_t edge = window_seq(w, !f->detection);
	const struct result_probe *p;

	for (size_t i = 0; i < r->n_probes; i++) {
		p = &w->probes[i];
		if (pick_wants(f->probe, r->probes[i].name))
			add(r, picks,
			    (struct pick_sample){f->detection ? p->detection_ns : p->recovery_ns, w,
						 r->probes[i].name, edge},
			    f->detection ? p->unhealthy_seq : p->healthy_seq);
	}
}

static void add_flows(struct results *r, const struct pick_filter *f, const struct result_window *w,
		      struct picks *picks)
{
	uint64_t edge = window_seq(w, !f->detection);
	const struct result_path *path;
	const struct result_flow *flow;

	for (size_t i = 0; i < w->n_flows; i++) {
		flow = &w->flows[i];
		path = &r->paths[flow->path];
		if (flow->is_hit && pick_is_of(r, path, f->target))
			add(r, picks,
			    (struct pick_sample){f->detection ? flow->detection_ns : flow->recovery_ns, w,
						 path->name, edge},
			    f->detection ? flow->noticed_seq : flow->recovered_seq);
	}
}

/* Equal ones in the order of the log. */
static int by_value(const void *a, const void *b)
{
	const struct pick_sample *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return strcmp(x->name, y->name);
}

bool picks_take(struct results *r, const struct pick_filter *f, struct picks *ret)
{
	const struct result_window *w;

	*ret = (struct picks){0};
	for (size_t i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		if (w->shadow || !pick_wants(f->step, w->step))
			continue;
		if (f->by_flow)
			add_flows(r, f, w, ret);
		else
			add_probes(r, f, w, ret);
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_value);
	return !r->failed;
}

void picks_free(struct picks *picks)
{
	free(picks->items);
}

const struct pick_sample *picks_at(const struct picks *picks, unsigned percent)
{
	return picks->n ? &picks->items[nearest_rank(picks->n, percent)] : NULL;
}

static uint64_t value_at(const struct picks *picks, unsigned percent)
{
	const struct pick_sample *sample = picks_at(picks, percent);

	return sample ? sample->value : NO_NS;
}

struct result_samples picks_summary(const struct picks *picks)
{
	return (struct result_samples){
		.samples = picks->n,
		.missing = picks->missing,
		.p50_ns = value_at(picks, 50),
		.p95_ns = value_at(picks, 95),
		.p99_ns = value_at(picks, 99),
		.max_ns = value_at(picks, 100),
	};
}
