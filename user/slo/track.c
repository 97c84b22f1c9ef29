/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sample {
	uint64_t mono_ns, seq;
	bool healthy;
};

struct recent {
	struct sample ring[TRACK_RECENT];
	size_t count; /* of all samples so far */
};

/* A step's windows, those of its copies in other phases among them, in the order of their opening. */
struct track_step {
	const char *name;
	struct result_window **windows;
	size_t n_windows;
};

struct track {
	struct results *results;
	struct recent *recent; /* one a probe */
	struct track_step *steps;
	size_t n_steps;
};

int track_new(struct results *results, struct track **ret_track)
{
	struct track *track = calloc(1, sizeof(*track));

	if (!track)
		return -ENOMEM;
	track->results = results;
	track->recent = calloc(results->n_probes + 1, sizeof(*track->recent));
	if (!track->recent) {
		free(track);
		return -ENOMEM;
	}
	*ret_track = track;
	return 0;
}

void track_free(struct track *track)
{
	if (!track)
		return;
	for (size_t i = 0; i < track->n_steps; i++)
		free(track->steps[i].windows);
	free(track->steps);
	free(track->recent);
	free(track);
}

static struct track_step *find_step(struct track *track, const char *name)
{
	struct track_step *step;

	for (size_t i = 0; i < track->n_steps; i++) {
		if (strcmp(track->steps[i].name, name) == 0)
			return &track->steps[i];
	}
	if (!results_grow(track->results, track->steps, track->n_steps))
		return NULL;
	step = &track->steps[track->n_steps++];
	*step = (struct track_step){.name = results_keep(track->results, name)};
	return step;
}

/* How many of the step's windows opened at or before this time. */
static size_t opened_by(const struct track_step *step, uint64_t mono_ns)
{
	size_t low = 0, high = step->n_windows, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (step->windows[middle]->opened_ns <= mono_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void keep_earlier(uint64_t *at, uint64_t *seq, const struct sample *s)
{
	if (s->mono_ns >= *at)
		return;
	*at = s->mono_ns;
	*seq = s->seq;
}

static bool may_be_recovery(const struct result_window *w, const struct result_probe *p, uint64_t mono_ns)
{
	if (!w->stands)
		return mono_ns >= w->closed_ns;
	return p->unhealthy_at == NO_NS || mono_ns >= p->unhealthy_at;
}

/* A healthy sample before the first unhealthy one was no recovery, where the change lasts. */
static void forget_early(const struct result_window *w, struct result_probe *p)
{
	if (w->stands && p->healthy_at < p->unhealthy_at && p->unhealthy_at != NO_NS)
		p->healthy_at = p->healthy_seq = NO_NS;
}

static void see(struct result_window *w, size_t probe, const struct sample *s)
{
	struct result_probe *p = &w->probes[probe];

	if (!s->healthy) {
		keep_earlier(&p->unhealthy_at, &p->unhealthy_seq, s);
		forget_early(w, p);
	} else if (may_be_recovery(w, p, s->mono_ns)) {
		keep_earlier(&p->healthy_at, &p->healthy_seq, s);
	}
}

/* Put the window's state right after its times, or those of its neighbours, were changed. */
static void review(struct track *track, struct track_step *step, size_t index)
{
	struct result_window *w = step->windows[index];
	uint64_t end = index + 1 < step->n_windows ? step->windows[index + 1]->opened_ns : NO_NS;
	const struct recent *recent;
	struct result_probe *p;
	uint64_t before = 0;
	size_t probe, i, n;

	for (probe = 0; probe < track->results->n_probes; probe++) {
		p = &w->probes[probe];
		recent = &track->recent[probe];
		if (p->unhealthy_at >= end || p->unhealthy_at < w->opened_ns)
			p->unhealthy_at = p->unhealthy_seq = NO_NS;
		if (p->healthy_at >= end || (p->healthy_at != NO_NS && !may_be_recovery(w, p, p->healthy_at)))
			p->healthy_at = p->healthy_seq = NO_NS;
		n = recent->count < TRACK_RECENT ? recent->count : TRACK_RECENT;
		for (i = 0, before = 0; i < n; i++) {
			const struct sample *s = &recent->ring[i];

			if (s->mono_ns >= w->opened_ns && s->mono_ns < end)
				see(w, probe, s);
			if (s->mono_ns < w->opened_ns && s->mono_ns >= before) {
				before = s->mono_ns;
				p->already_down = !s->healthy;
			}
		}
	}
}

/* Into its place among the step's windows. */
static size_t put(struct track_step *step, struct result_window *window)
{
	size_t at = opened_by(step, window->opened_ns);

	memmove(&step->windows[at + 1], &step->windows[at],
		(step->n_windows - at) * sizeof(struct result_window *));
	step->windows[at] = window;
	step->n_windows++;
	return at;
}

static struct result_window *new_window(struct results *results, const char *step, unsigned instance,
					uint64_t opened_ns)
{
	struct result_window *w = results_alloc(results, sizeof(*w));
	size_t i;

	if (!w || !results_grow(results, results->windows, results->n_windows))
		return NULL;
	w->step = step;
	w->instance = instance;
	w->opened_ns = opened_ns;
	w->closed_ns = w->opened_ts_ns = w->closed_ts_ns = NO_NS;
	w->open_seq = w->close_seq = NO_NS;
	w->kind = "fault";
	w->probes = results_alloc(results, (results->n_probes + 1) * sizeof(*w->probes));
	if (!w->probes)
		return NULL;
	for (i = 0; i < results->n_probes; i++)
		w->probes[i] = (struct result_probe){
			.unhealthy_at = NO_NS,
			.healthy_at = NO_NS,
			.unhealthy_seq = NO_NS,
			.healthy_seq = NO_NS,
		};
	results->windows[results->n_windows++] = w;
	return w;
}

static struct result_window *find_instance(const struct track_step *step, const char *name, unsigned instance)
{
	for (size_t i = 0; i < step->n_windows; i++) {
		if (step->windows[i]->instance == instance && strcmp(step->windows[i]->step, name) == 0)
			return step->windows[i];
	}
	return NULL;
}

struct result_window *track_find(const struct track *track, const char *name, unsigned instance)
{
	const char *origin = results_origin(track->results, name);

	for (size_t i = 0; i < track->n_steps; i++) {
		if (strcmp(track->steps[i].name, origin) == 0)
			return find_instance(&track->steps[i], name, instance);
	}
	return NULL;
}

struct result_window *track_window(struct track *track, const char *name, unsigned instance,
				   uint64_t opened_ns)
{
	struct track_step *step = find_step(track, results_origin(track->results, name));
	struct result_window *w = step ? find_instance(step, name, instance) : NULL;

	if (!step || w)
		return w;
	if (!results_grow(track->results, step->windows, step->n_windows))
		return NULL;
	w = new_window(track->results, results_keep(track->results, name), instance, opened_ns);
	if (!w)
		return NULL;
	put(step, w);
	return w;
}

void track_moved(struct track *track, struct result_window *window)
{
	struct track_step *step = find_step(track, results_origin(track->results, window->step));
	size_t i;

	for (i = 0; step && i < step->n_windows; i++) {
		if (step->windows[i] != window)
			continue;
		memmove(&step->windows[i], &step->windows[i + 1],
			(step->n_windows - i - 1) * sizeof(struct result_window *));
		step->n_windows--;
		i = put(step, window);
		review(track, step, i);
		if (i > 0)
			review(track, step, i - 1);
		return;
	}
}

void track_sample(struct track *track, size_t probe, uint64_t mono_ns, uint64_t seq, bool healthy)
{
	struct recent *recent = &track->recent[probe];
	struct sample s = {mono_ns, seq, healthy};
	size_t i, n;

	recent->ring[recent->count++ % TRACK_RECENT] = s;
	for (i = 0; i < track->n_steps; i++) {
		n = opened_by(&track->steps[i], mono_ns);
		if (n)
			see(track->steps[i].windows[n - 1], probe, &s);
	}
}
