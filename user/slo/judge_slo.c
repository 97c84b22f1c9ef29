/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/judge_slo.h"

#include <inttypes.h>
#include <string.h>

#include "slo/pick.h"
#include "slo/slo_words.h"

#define LEAST_JITTER 0.02 /* that a cap may be exceeded by */

static void set_worst(struct results *r, struct result_slo *slo, const struct result_window *w,
		      const char *name, uint64_t seq)
{
	slo->worst = results_keepf(r, "%s #%u, %s", w->step, w->instance, name);
	slo->worst_seq = seq;
}

/* A time is met if every sample has a value and the percentile is within the limit. */
static void judge_time(struct results *r, struct result_slo *slo, unsigned percent)
{
	const struct pick_filter filter = {
		.step = slo->step,
		.probe = slo->probe,
		.target = slo->target,
		.by_flow = slo->by_flow,
		.detection = strncmp(slo->key, "detection", strlen("detection")) == 0,
	};
	const struct pick_sample *decides;
	struct picks picks;

	if (picks_take(r, &filter, &picks) && picks.n) {
		slo->samples = picks.n;
		slo->missing = picks.missing;
		slo->value = picks_at(&picks, percent)->value;
		decides = picks.missing ? &picks.items[picks.n - picks.missing] : picks_at(&picks, percent);
		set_worst(r, slo, decides->window, decides->name, decides->seq);
		slo->pass = slo->value != NO_NS && slo->limit != NO_NS && slo->value <= slo->limit &&
			    !slo->missing;
	}
	picks_free(&picks);
}

/* Windows that not every sample recovered in. Missing ones come last, but not in the windows' order. */
static uint64_t count_unrecovered(const struct results *r, const struct picks *picks)
{
	uint64_t count = 0;
	size_t i, k;

	for (i = 0; i < r->n_windows; i++) {
		for (k = picks->n - picks->missing; k < picks->n; k++) {
			if (picks->items[k].window == r->windows[i])
				break;
		}
		count += k < picks->n;
	}
	return count;
}

static void judge_unrecovered(struct results *r, struct result_slo *slo, unsigned percent)
{
	const struct pick_filter filter = {slo->step, slo->probe, slo->target, slo->by_flow, false};
	struct picks picks;

	(void)percent;
	if (picks_take(r, &filter, &picks) && picks.n) {
		const struct pick_sample *first = &picks.items[picks.n - picks.missing];

		slo->samples = picks.n;
		slo->missing = picks.missing;
		slo->value = count_unrecovered(r, &picks);
		if (picks.missing)
			set_worst(r, slo, first->window, first->name, first->seq);
		slo->pass = slo->limit != NO_NS && slo->value <= slo->limit;
	}
	picks_free(&picks);
}

static bool has_path(const struct results *r, const char *target)
{
	for (size_t i = 0; i < r->n_paths; i++) {
		if (pick_is_of(r, &r->paths[i], target))
			return true;
	}
	return false;
}

static void judge_attempts(struct results *r, struct result_slo *slo, unsigned percent)
{
	const struct result_window *w;
	size_t i, t;

	(void)percent;
	if (!has_path(r, slo->target))
		return;
	for (i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		if (w->shadow || !pick_wants(slo->step, w->step))
			continue;
		if (!slo->samples++)
			slo->value = 0;
		for (t = 0; w->rates && t < r->n_targets; t++) {
			if (!pick_wants(slo->target, r->targets[t].name) ||
			    w->rates[t].peak_per_s <= slo->value)
				continue;
			slo->value = w->rates[t].peak_per_s;
			set_worst(r, slo, w, r->targets[t].name, w->rates[t].peak_seq);
		}
	}
	slo->pass = slo->samples && slo->limit != NO_NS && slo->value <= slo->limit;
}

static bool is_as_demanded(const struct result_slo *slo, const struct result_backoff *b)
{
	double slack = b->jitter > LEAST_JITTER ? b->jitter : LEAST_JITTER;

	if (b->kind != slo->backoff)
		return false;
	if (slo->factor_low > 0 && (b->factor < slo->factor_low || b->factor > slo->factor_high))
		return false;
	return slo->cap_ns == NO_NS || (double)b->max_ns <= (double)slo->cap_ns * (1 + slack);
}

/* Of those that are not as demanded, or else of all, the one with the most intervals decides. */
static void judge_backoff(struct results *r, struct result_slo *slo, unsigned percent)
{
	const struct result_window *w, *window = NULL;
	const struct result_flow *f, *worst = NULL;
	struct buf words = {0};
	bool good, all = true;
	size_t i, k;

	(void)percent;
	for (i = 0; i < r->n_windows; i++) {
		w = r->windows[i];
		for (k = 0; !w->shadow && pick_wants(slo->step, w->step) && k < w->n_flows; k++) {
			f = &w->flows[k];
			if (f->backoff.kind == BACKOFF_UNKNOWN ||
			    !pick_is_of(r, &r->paths[f->path], slo->target))
				continue;
			slo->samples++;
			good = is_as_demanded(slo, &f->backoff);
			if (!worst || (all && !good) ||
			    (all == good && f->backoff.intervals > worst->backoff.intervals)) {
				worst = f;
				window = w;
			}
			all &= good;
		}
	}
	if (!worst) {
		slo->value_words = has_path(r, slo->target) ? "no path tried often enough"
				   : r->observed            ? "no flow was seen"
							    : "the flows were not observed";
		return;
	}
	set_worst(r, slo, window, r->paths[worst->path].name, worst->attempts_seq);
	slo_words_backoff(&words, &worst->backoff);
	slo->value_words = results_keep(r, words.data);
	r->failed |= words.failed;
	buf_free(&words);
	slo->pass = all;
}

/* Who acts at once has no time in which something could be available. */
static bool is_sampled(const struct result_window *w, const struct result_probe *p)
{
	return !w->shadow && (!w->stands || p->up + p->down);
}

/* A window without a sample of a probe that is asked for has no availability. */
static void judge_availability(struct results *r, struct result_slo *slo, unsigned percent)
{
	const struct result_probe *p;
	uint64_t share;
	size_t i, k;

	(void)percent;
	for (i = 0; i < r->n_windows; i++) {
		for (k = 0; pick_wants(slo->step, r->windows[i]->step) && k < r->n_probes; k++) {
			p = &r->windows[i]->probes[k];
			if (!pick_wants(slo->probe, r->probes[k].name) || !is_sampled(r->windows[i], p))
				continue;
			slo->samples++;
			slo->missing += !(p->up + p->down);
			if (!(p->up + p->down))
				continue;
			share = (uint64_t)((double)p->up / (double)(p->up + p->down) * 1e6 + 1e-6);
			if (slo->value != NO_NS && share >= slo->value)
				continue;
			slo->value = share;
			set_worst(r, slo, r->windows[i], r->probes[k].name,
				  p->down ? p->unhealthy_seq : NO_NS);
		}
	}
	slo->pass = slo->value != NO_NS && slo->limit != NO_NS && slo->value >= slo->limit && !slo->missing;
}

static const struct result_latency *find_latency(const struct results *r, const char *step, size_t probe)
{
	if (!step)
		return &r->probes[probe].faults;
	for (size_t i = 0; i < r->n_steps; i++) {
		if (strcmp(r->steps[i].name, step) == 0)
			return r->steps[i].latency ? &r->steps[i].latency[probe] : NULL;
	}
	return NULL;
}

/* NO_NS: the baseline has none. */
static uint64_t latency_limit(const struct result_slo *slo, const struct result_latency *baseline,
			      unsigned percent)
{
	uint64_t ns = percent == 95 ? baseline->p95_ns : baseline->p99_ns;
	double limit;

	if (!slo->relative)
		return slo->limit;
	limit = (double)ns * (1 + slo->over);
	return ns == NO_NS || !(limit < 1e18) ? NO_NS : (uint64_t)limit;
}

static double excess(uint64_t value, uint64_t limit)
{
	return value == NO_NS || limit == NO_NS ? 1e300 : (double)value / ((double)limit + 1);
}

/* Each probe for itself; the one that is farthest from its limit, or least within it, decides. */
static void judge_latency(struct results *r, struct result_slo *slo, unsigned percent)
{
	uint64_t value, limit, worst_limit = slo->limit;
	const struct result_latency *l;
	bool all = true;

	for (size_t i = 0; i < r->n_probes; i++) {
		l = pick_wants(slo->probe, r->probes[i].name) ? find_latency(r, slo->step, i) : NULL;
		if (!l || (r->probes[i].untimed && !slo->probe))
			continue;
		value = percent == 95 ? l->p95_ns : l->p99_ns;
		limit = latency_limit(slo, &r->probes[i].baseline, percent);
		all &= value != NO_NS && limit != NO_NS && value <= limit;
		slo->samples += l->samples;
		slo->missing += !l->samples;
		if (slo->worst && excess(value, limit) <= excess(slo->value, worst_limit))
			continue;
		slo->value = value;
		worst_limit = limit;
		slo->worst = r->probes[i].name;
		slo->worst_seq = percent == 95 ? l->p95_seq : l->p99_seq;
	}
	slo->limit = worst_limit;
	slo->pass = slo->worst && all;
}

static const struct key {
	const char *name;
	enum slo_unit unit;
	void (*judge)(struct results *r, struct result_slo *slo, unsigned percent);
	unsigned percent;
	const char *by; /* whose samples it is always about; NULL: the objective says */
} keys[] = {
	{"recovery_p50", UNIT_NS, judge_time, 50, NULL},
	{"recovery_p95", UNIT_NS, judge_time, 95, NULL},
	{"recovery_p99", UNIT_NS, judge_time, 99, NULL},
	{"recovery_max", UNIT_NS, judge_time, 100, NULL},
	{"detection_max", UNIT_NS, judge_time, 100, NULL},
	{"unrecovered", UNIT_COUNT, judge_unrecovered, 0, NULL},
	{"attempts_per_s", UNIT_RATE, judge_attempts, 0, "flow"},
	{"backoff", UNIT_WORDS, judge_backoff, 0, "flow"},
	{"availability", UNIT_SHARE, judge_availability, 0, "probe"},
	{"probe_p95", UNIT_NS, judge_latency, 95, "probe"},
	{"probe_p99", UNIT_NS, judge_latency, 99, "probe"},
};

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

enum slo_unit slo_unit(const char *key)
{
	const struct key *found = find_key(key);

	return found ? found->unit : UNIT_NS;
}

bool slo_is_by_flow(const struct results *r, const char *key, const char *probe, const char *target,
		    const char *by)
{
	const struct key *found = find_key(key);

	if (found && found->by)
		by = found->by;
	if (by && strcmp(by, "any") != 0)
		return strcmp(by, "flow") == 0;
	return target || (!probe && !r->n_probes);
}

uint64_t slo_most_attempts(const struct results *r, const char *step, const struct result_path *path)
{
	const struct result_slo *slo;
	uint64_t least = NO_NS;

	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		if (slo->unit == UNIT_RATE && slo->limit < least && pick_wants(slo->step, step) &&
		    pick_is_of(r, path, slo->target))
			least = slo->limit;
	}
	return least == NO_NS ? RESULT_STORM : least;
}

void judge_slos(struct results *r)
{
	const struct key *key;
	struct result_slo *slo;

	for (size_t i = 0; i < r->n_slos; i++) {
		slo = &r->slos[i];
		key = find_key(slo->key);
		slo->value = slo->worst_seq = NO_NS;
		if (key)
			key->judge(r, slo, key->percent);
		slo_words(r, slo);
	}
}
