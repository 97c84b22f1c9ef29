/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slo/percentile.h"

struct latency {
	uint64_t ns, seq; /* ns: NO_NS of a sample that was not good */
};

struct latencies {
	struct latency *items;
	size_t n;
	bool cut;
};

struct sample_probe {
	struct latencies baseline, faults;
	bool known, healthy;
};

struct samples {
	struct results *results;
	const struct current *current;
	struct sample_probe *probes;
	struct latencies *steps; /* by planned step and probe */
};

int samples_new(struct results *r, const struct current *current, struct samples **ret)
{
	struct samples *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->results = r;
	s->current = current;
	s->probes = calloc(r->n_probes + 1, sizeof(*s->probes));
	s->steps = calloc(r->n_probes * r->n_steps + 1, sizeof(*s->steps));
	if (!s->probes || !s->steps) {
		samples_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

void samples_free(struct samples *samples)
{
	struct results *r;
	size_t i;

	if (!samples)
		return;
	r = samples->results;
	for (i = 0; samples->probes && i < r->n_probes; i++) {
		free(samples->probes[i].baseline.items);
		free(samples->probes[i].faults.items);
	}
	for (i = 0; samples->steps && i < r->n_probes * r->n_steps; i++)
		free(samples->steps[i].items);
	free(samples->probes);
	free(samples->steps);
	free(samples);
}

static void add_latency(struct results *r, struct latencies *l, const struct moment *m)
{
	if (m->sample.latency_ns == NO_NS)
		return;
	l->cut |= l->n == RESULT_MOST_LATENCIES;
	if (l->cut || !results_grow(r, l->items, l->n))
		return;
	l->items[l->n++] = (struct latency){m->sample.good ? m->sample.latency_ns : NO_NS, m->seq};
}

static void add_change(struct results *r, struct result_probe_summary *p, const struct moment *m)
{
	if (p->n_changes == RESULT_MOST_CHANGES || !results_grow(r, p->changes, p->n_changes))
		return;
	p->changes[p->n_changes++] = (struct result_change){m->ns, m->seq, m->sample.healthy};
}

static struct latencies *step_latencies(struct samples *s, const char *step, size_t probe)
{
	struct results *r = s->results;

	for (size_t i = 0; i < r->n_steps; i++) {
		if (strcmp(r->steps[i].name, step) == 0)
			return &s->steps[i * r->n_probes + probe];
	}
	return NULL;
}

/* True: a window is open, and no shadow. */
static bool count_windows(struct samples *s, const struct moment *m)
{
	const struct current *c = s->current;
	struct latencies *latencies;
	struct result_probe *seen;
	bool any = false;

	for (size_t i = 0; i < c->n_steps; i++) {
		if (!current_is_open(&c->steps[i], m->ns))
			continue;
		any |= !c->steps[i].window->shadow;
		seen = &c->steps[i].window->probes[m->sample.probe];
		if (m->sample.healthy)
			seen->up++;
		else
			seen->down++;
		latencies = step_latencies(s, c->steps[i].window->step, m->sample.probe);
		if (latencies)
			add_latency(s->results, latencies, m);
	}
	return any;
}

void samples_add(struct samples *s, const struct moment *m)
{
	struct result_probe_summary *summary = &s->results->probes[m->sample.probe];
	struct sample_probe *p = &s->probes[m->sample.probe];

	if (!p->known || p->healthy != m->sample.healthy)
		add_change(s->results, summary, m);
	p->known = true;
	p->healthy = m->sample.healthy;
	if (m->ns < s->current->first_ns)
		add_latency(s->results, &p->baseline, m);
	else if (count_windows(s, m))
		add_latency(s->results, &p->faults, m);
}

static int by_latency(const void *a, const void *b)
{
	const struct latency *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void pick(const struct latencies *l, unsigned percent, uint64_t *ret_ns, uint64_t *ret_seq)
{
	const struct latency *at = l->n ? &l->items[nearest_rank(l->n, percent)] : NULL;

	*ret_ns = at ? at->ns : NO_NS;
	*ret_seq = at ? at->seq : NO_NS;
}

static struct result_latency summarize(struct latencies *l)
{
	struct result_latency ret = {.samples = l->n};

	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), by_latency);
	pick(l, 50, &ret.p50_ns, &ret.p50_seq);
	pick(l, 95, &ret.p95_ns, &ret.p95_seq);
	pick(l, 99, &ret.p99_ns, &ret.p99_seq);
	return ret;
}

void samples_end(struct samples *s)
{
	struct results *r = s->results;
	size_t i, p;

	for (p = 0; p < r->n_probes; p++) {
		r->probes[p].baseline = summarize(&s->probes[p].baseline);
		r->probes[p].faults = summarize(&s->probes[p].faults);
		if (s->probes[p].baseline.cut || s->probes[p].faults.cut)
			results_note(r, "probe %s: latency percentiles are those of its first %d samples",
				     r->probes[p].name, RESULT_MOST_LATENCIES);
	}
	for (i = 0; i < r->n_steps && r->n_probes; i++) {
		r->steps[i].latency = results_alloc(r, r->n_probes * sizeof(*r->steps[i].latency));
		if (!r->steps[i].latency)
			return;
		for (p = 0; p < r->n_probes; p++)
			r->steps[i].latency[p] = summarize(&s->steps[i * r->n_probes + p]);
	}
}
