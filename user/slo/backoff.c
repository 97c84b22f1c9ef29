/* SPDX-License-Identifier: BSD-2-Clause */
#include "slo/backoff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"
#include "slo/percentile.h"

#define ROUND_NS (2 * NS_PER_MS)    /* attempts that start within it are one round */
#define AT_ONCE_NS (20 * NS_PER_MS) /* a shorter interval is no wait */
#define FEWEST 3                    /* intervals that tell something */
#define MOST_FLOCK 16               /* connections side by side */
#define FLOCK_GAP 4
#define MOST_FITTED 256 /* intervals: the first ones */
#define MOST_GROWN 64   /* intervals before a cap */
#define NOISE 0.003     /* of an interval: clocks and schedulers */
#define NOISE_S 0.0005
#define MOST_OFF 0.55 /* of the logarithm, one interval: -42 % to +73 % */
#define SPREAD 0.32   /* of the logarithm, all together: standard deviation */
#define LEAST_GROWTH 1.1
#define MOST_GROWTH 16.0
#define MOST_STEP 4.0  /* where a single step is all that is seen of it */
#define CAP_SLACK 0.25 /* of the logarithm: how far jitter may move a cap */
#define PRICE_OFFSET 2
#define PRICE_CAP 8
#define JITTER_SHARE 0.01
#define JITTER_S 0.002

static const struct result_backoff unknown = {
	.kind = BACKOFF_UNKNOWN,
	.first_ns = NO_NS,
	.median_ns = NO_NS,
	.max_ns = NO_NS,
	.cap_ns = NO_NS,
};

/* Intervals in seconds, and their logarithms. */
struct intervals {
	size_t n;
	double x[MOST_FITTED], y[MOST_FITTED];
	double noise; /* least variance of a deviation */
};

/* x[i] = constant + scale * factor^i, or constant + scale * i, but from the interval `grown` on it is cap. */
struct fit {
	enum backoff_kind kind;
	double constant, scale, factor;
	size_t grown; /* n: it grows to the end */
	double cap;
	double squares; /* of the deviations, in logarithms */
	double score;   /* less is better */
};

static double model(const struct fit *f, size_t i)
{
	if (i >= f->grown)
		return f->cap;
	if (f->kind == BACKOFF_LINEAR)
		return f->constant + f->scale * (double)i;
	if (f->kind == BACKOFF_EXPONENTIAL)
		return f->constant + f->scale * pow(f->factor, (double)i);
	return f->constant;
}

/* How far the intervals are off. False: too far for a rule that has so many parameters. */
static bool measure(const struct intervals *v, struct fit *f, size_t parameters)
{
	double value, deviation, farthest = 0;

	f->squares = 0;
	for (size_t i = 0; i < v->n; i++) {
		value = model(f, i);
		deviation = value > 0 ? fabs(v->y[i] - log(value)) : HUGE_VAL;
		if (deviation > farthest)
			farthest = deviation;
		f->squares += deviation * deviation;
	}
	return farthest <= MOST_OFF && f->squares <= SPREAD * SPREAD * (double)(v->n - parameters);
}

/* By least squares of the logarithms: its deviations are shares, as jitter is. */
static bool fit_exponential(const struct intervals *v, struct fit *f)
{
	double n = (double)f->grown, mean_i = (n - 1) / 2, mean_y = 0, xx = 0, xy = 0;
	size_t i;

	for (i = 0; i < f->grown; i++)
		mean_y += v->y[i] / n;
	for (i = 0; i < f->grown; i++) {
		xx += ((double)i - mean_i) * ((double)i - mean_i);
		xy += ((double)i - mean_i) * (v->y[i] - mean_y);
	}
	f->factor = exp(xy / xx);
	f->scale = exp(mean_y - xy / xx * mean_i);
	f->constant = 0;
	return f->factor >= LEAST_GROWTH && f->factor <= (f->grown == 2 ? MOST_STEP : MOST_GROWTH);
}

/* constant + scale * basis[i] by least squares of shares: each interval weighs 1 / x^2. */
static bool solve(const struct intervals *v, const double *basis, struct fit *f)
{
	double w, ww = 0, wb = 0, wbb = 0, wx = 0, wbx = 0, det;

	for (size_t i = 0; i < f->grown; i++) {
		w = 1 / (v->x[i] * v->x[i]);
		ww += w;
		wb += w * basis[i];
		wbb += w * basis[i] * basis[i];
		wx += w * v->x[i];
		wbx += w * basis[i] * v->x[i];
	}
	det = ww * wbb - wb * wb;
	if (!(det > 0))
		return false;
	f->constant = (wx * wbb - wbx * wb) / det;
	f->scale = (wbx * ww - wx * wb) / det;
	return f->scale > 0;
}

static bool fit_linear(const struct intervals *v, struct fit *f)
{
	double basis[MOST_FITTED];

	for (size_t i = 0; i < f->grown; i++)
		basis[i] = (double)i;
	if (!solve(v, basis, f))
		return false;
	return f->constant > 0 && f->scale * (double)(f->grown - 1) >= (LEAST_GROWTH - 1) * f->constant;
}

/* The sum of squared shares with this factor; HUGE_VAL: there is no such fit. */
static double try_factor(const struct intervals *v, double factor, struct fit *f)
{
	double basis[MOST_FITTED], power = 1, squares = 0, share;
	size_t i;

	for (i = 0; i < f->grown; i++, power *= factor)
		basis[i] = power;
	f->factor = factor;
	if (!solve(v, basis, f) || f->constant < 0)
		return HUGE_VAL;
	for (i = 0; i < f->grown; i++) {
		share = (f->constant + f->scale * basis[i]) / v->x[i] - 1;
		squares += share * share;
	}
	return squares;
}

/* A timeout before each wait. The factor is looked for on a grid of 2 %, and then between its neighbours by thirds. */
static bool fit_offset(const struct intervals *v, struct fit *f)
{
	double least = HUGE_VAL, best = 0, low, high, factor, squares;
	int i;

	for (factor = 1.2; factor < 10; factor *= 1.02) {
		squares = try_factor(v, factor, f);
		if (squares < least) {
			least = squares;
			best = factor;
		}
	}
	if (least == HUGE_VAL)
		return false;
	low = best / 1.02;
	high = best * 1.02;
	for (i = 0; i < 20; i++) {
		double a = low + (high - low) / 3, b = high - (high - low) / 3;

		if (try_factor(v, a, f) < try_factor(v, b, f))
			high = b;
		else
			low = a;
	}
	return try_factor(v, (low + high) / 2, f) < HUGE_VAL;
}

static void fit_constant(const struct intervals *v, struct fit *f)
{
	f->constant = 0;
	for (size_t i = 0; i < v->n; i++)
		f->constant += v->x[i] / (double)v->n;
}

/* The plateau from `grown` on. False: it isn't where the growth would lead it. */
static bool fit_cap(const struct intervals *v, struct fit *f)
{
	double sum = 0, last = log(model(f, f->grown - 1)), next;
	size_t grown = f->grown;

	for (size_t i = grown; i < v->n; i++)
		sum += v->y[i];
	sum /= (double)(v->n - grown);
	f->grown = v->n;
	next = log(model(f, grown));
	f->grown = grown;
	f->cap = exp(sum);
	return sum >= last - CAP_SLACK && sum <= next + CAP_SLACK;
}

/* What a parameter more must gain, so that chance alone does so in about one series of jitter out of a thousand. */
static double price(size_t n)
{
	return 10 + 24 / (n > 3 ? (double)n - 2 : 4);
}

static double score(const struct intervals *v, const struct fit *f)
{
	return (double)v->n * log(f->squares / (double)v->n + v->noise);
}

typedef bool fit_function(const struct intervals *v, struct fit *f);

static void consider(const struct intervals *v, struct fit *best, enum backoff_kind kind, size_t grown,
		     fit_function *make, double cost)
{
	size_t parameters = 2 + (make == fit_offset) + (grown < v->n);
	struct fit f = {.kind = kind, .grown = grown};

	if (v->n <= parameters || !make(v, &f) || (grown < v->n && !fit_cap(v, &f)) ||
	    !measure(v, &f, parameters))
		return;
	f.score = score(v, &f) + cost;
	if (f.score < best->score)
		*best = f;
}

static struct fit find_fit(const struct intervals *v, bool silent)
{
	struct fit best = {.grown = v->n};
	size_t grown, most = v->n - 2 < MOST_GROWN ? v->n - 2 : MOST_GROWN;
	double cost = price(v->n);

	fit_constant(v, &best);
	best.kind = measure(v, &best, 1) ? BACKOFF_CONSTANT : BACKOFF_IRREGULAR;
	best.score = score(v, &best);
	if (best.kind == BACKOFF_IRREGULAR)
		cost /= 2;
	consider(v, &best, BACKOFF_LINEAR, v->n, fit_linear, cost);
	consider(v, &best, BACKOFF_EXPONENTIAL, v->n, fit_exponential, cost);
	if (silent)
		consider(v, &best, BACKOFF_EXPONENTIAL, v->n, fit_offset, cost + PRICE_OFFSET);
	for (grown = 2; grown <= most; grown++) {
		consider(v, &best, BACKOFF_EXPONENTIAL, grown, fit_exponential, cost + PRICE_CAP);
		if (grown > 2)
			consider(v, &best, BACKOFF_LINEAR, grown, fit_linear, cost + PRICE_CAP);
		if (grown > 3 && silent)
			consider(v, &best, BACKOFF_EXPONENTIAL, grown, fit_offset,
				 cost + PRICE_CAP + PRICE_OFFSET);
	}
	return best;
}

/* The largest deviation, as a share of what the rule says. */
static double find_jitter(const struct intervals *v, const struct fit *f, bool *ret_has)
{
	double largest = 0, expected, share;

	*ret_has = false;
	for (size_t i = 0; i < v->n; i++) {
		expected = model(f, i);
		share = fabs(v->x[i] / expected - 1);
		if (share > largest)
			largest = share;
		*ret_has |= share > JITTER_SHARE && share * expected > JITTER_S;
	}
	return largest;
}

static void read_intervals(const uint64_t *intervals, size_t n, struct intervals *v)
{
	double noise;

	v->n = n < MOST_FITTED ? n : MOST_FITTED;
	v->noise = NOISE * NOISE;
	for (size_t i = 0; i < v->n; i++) {
		v->x[i] = (double)intervals[i] / (double)NS_PER_S;
		v->y[i] = log(v->x[i]);
		noise = NOISE_S / v->x[i];
		v->noise += noise * noise / (double)v->n;
	}
}

static void tell_fit(const struct fit *f, const struct intervals *v, struct result_backoff *ret)
{
	ret->kind = f->kind;
	if (f->kind == BACKOFF_EXPONENTIAL)
		ret->factor = f->factor;
	if (f->kind == BACKOFF_LINEAR)
		ret->step_ns = (int64_t)(f->scale * (double)NS_PER_S);
	if (f->grown < v->n)
		ret->cap_ns = (uint64_t)(f->cap * (double)NS_PER_S);
}

/* Does a rule explain the intervals? */
static bool explain(const uint64_t *intervals, size_t n, bool silent, struct result_backoff *ret)
{
	struct intervals v;
	struct fit f;

	read_intervals(intervals, n, &v);
	f = find_fit(&v, silent);
	if (f.kind == BACKOFF_IRREGULAR)
		return false;
	tell_fit(&f, &v, ret);
	ret->jitter = find_jitter(&v, &f, &ret->has_jitter);
	return true;
}

/* Attempts that start within ROUND_NS of the first of them make one round. Returns the number of rounds. */
static size_t find_rounds(const uint64_t *at_ns, size_t n, uint64_t *rounds)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!count || at_ns[i] - rounds[count - 1] > ROUND_NS)
			rounds[count++] = at_ns[i];
	}
	return count;
}

static size_t take_intervals(const uint64_t *at_ns, size_t n, uint64_t *intervals)
{
	size_t i;

	for (i = 0; i + 1 < n; i++)
		intervals[i] = at_ns[i + 1] > at_ns[i] ? at_ns[i + 1] - at_ns[i] : 1;
	return i;
}

static void describe(const uint64_t *intervals, size_t n, uint64_t *work, struct result_backoff *ret)
{
	ret->intervals = n;
	if (!n)
		return;
	ret->first_ns = intervals[0];
	memcpy(work, intervals, n * sizeof(*work));
	ret->median_ns = percentile(work, n, 50);
	ret->max_ns = work[n - 1];
}

/* A rule for the intervals; UNKNOWN: there are too few of them. */
static void judge_intervals(const uint64_t *intervals, size_t n, bool silent, struct result_backoff *ret)
{
	bool waits = ret->max_ns >= AT_ONCE_NS, found;

	if (n < FEWEST)
		return;
	found = waits && explain(intervals, n, silent, ret);
	/* The first one after the connection was lost is often at once, whatever the others are. */
	if (!found && waits && n > FEWEST && intervals[0] < AT_ONCE_NS)
		found = explain(intervals + 1, n - 1, silent, ret);
	if (!found)
		ret->kind = BACKOFF_IRREGULAR;
	if (ret->median_ns < AT_ONCE_NS && (!found || ret->kind == BACKOFF_CONSTANT))
		ret->kind = BACKOFF_NONE;
}

/*
 * With `size` connections that wait for themselves each, their attempts come in rounds of so many, whose members are much closer
 * to each other than to the next round's. Returns the number of whole rounds, each told by the one in its middle; 0: it isn't so.
 */
static size_t find_flocks(const uint64_t *at_ns, size_t n, size_t size, uint64_t *ret)
{
	size_t rounds = n / size;
	const uint64_t *first = at_ns;

	for (size_t i = 0; i < rounds; i++, first += size) {
		ret[i] = first[size / 2];
		if (i + 1 < rounds && (first[size - 1] - first[0]) * FLOCK_GAP > first[size] - first[0])
			return i;
	}
	return rounds;
}

/* Do several connections keep to one rule? `room` has places for 3 n. */
static void judge_flocks(const uint64_t *at_ns, size_t n, bool silent, uint64_t *room,
			 struct result_backoff *ret)
{
	struct result_backoff found;
	size_t rounds, intervals;

	for (size_t size = 2; size <= MOST_FLOCK && n / size > FEWEST; size++) {
		rounds = find_flocks(at_ns, n, size, room);
		if (rounds <= FEWEST)
			continue;
		found = unknown;
		intervals = take_intervals(room, rounds, room + n);
		describe(room + n, intervals, room + 2 * n, &found);
		judge_intervals(room + n, intervals, silent, &found);
		if (found.kind >= BACKOFF_IRREGULAR || found.kind == BACKOFF_NONE)
			continue;
		*ret = found;
		return;
	}
}

int backoff_classify(const uint64_t *at_ns, size_t n, bool silent, struct result_backoff *ret)
{
	uint64_t *rounds = calloc(4 * n + 1, sizeof(*rounds)), *room, *intervals;
	size_t n_rounds, n_intervals;

	*ret = unknown;
	if (!rounds)
		return -ENOMEM;
	room = intervals = rounds + n;
	n_rounds = find_rounds(at_ns, n, rounds);
	n_intervals = take_intervals(rounds, n_rounds, intervals);
	describe(intervals, n_intervals, room + n, ret);
	if (n_intervals < FEWEST && n > FEWEST && at_ns[n - 1] - at_ns[0] < AT_ONCE_NS) {
		n_intervals = take_intervals(at_ns, n, intervals); /* all of them at once */
		describe(intervals, n_intervals, room + n, ret);
	}
	judge_intervals(intervals, n_intervals, silent, ret);
	if ((ret->kind == BACKOFF_IRREGULAR || ret->kind == BACKOFF_NONE) && ret->max_ns >= AT_ONCE_NS)
		judge_flocks(at_ns, n, silent, room, ret);
	if (ret->kind == BACKOFF_NONE)
		describe(intervals, take_intervals(at_ns, n, intervals), room + n, ret);
	free(rounds);
	return 0;
}
