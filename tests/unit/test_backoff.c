/* SPDX-License-Identifier: BSD-2-Clause */
/* How clients wait between attempts: known series, and thousands that are drawn, always the same ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timeutil.h"
#include "slo/backoff.h"

#define MS NS_PER_MS
#define MOST 64

/* splitmix64 (Sebastiano Vigna, public domain) */
static uint64_t drawn;

static double draw(void)
{
	uint64_t z = drawn += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Attempts with these intervals, in milliseconds, up to the first 0. */
static struct result_backoff of(const double *intervals, bool silent)
{
	uint64_t at[MOST + 1] = {5000 * MS};
	struct result_backoff ret;
	size_t n = 1;

	for (; n <= MOST && intervals[n - 1] > 0; n++)
		at[n] = at[n - 1] + (uint64_t)(intervals[n - 1] * (double)MS);
	assert_int_equal(backoff_classify(at, n, silent, &ret), 0);
	return ret;
}

static void known_series_are_told(void **state)
{
	static const struct {
		enum backoff_kind kind;
		double factor; /* or the step, in milliseconds */
		double cap;    /* 0: none */
		bool silent;
		double intervals[16];
	} cases[] = {
		{BACKOFF_UNKNOWN, 0, 0, false, {0}},
		{BACKOFF_UNKNOWN, 0, 0, false, {200, 400}},
		{BACKOFF_UNKNOWN, 0, 0, false, {1, 300, 1}}, /* two rounds */
		{BACKOFF_NONE, 0, 0, false, {0.1, 0.2, 0.1}},
		{BACKOFF_NONE, 0, 0, false, {1, 1, 1, 1, 1, 1, 1, 1}},
		{BACKOFF_NONE, 0, 0, false, {3, 4, 3, 9, 3, 3, 18, 3}},
		{BACKOFF_NONE, 0, 0, false, {3, 4, 3, 900, 3, 3, 500, 3}},
		{BACKOFF_CONSTANT, 0, 0, false, {500, 500, 500}},
		{BACKOFF_CONSTANT, 0, 0, false, {500, 510, 495, 503, 499}},
		{BACKOFF_CONSTANT, 0, 0, true, {1000, 1001, 1000, 1002, 1000}},
		{BACKOFF_CONSTANT, 0, 0, false, {5, 500, 501, 500, 500}}, /* the first one at once */
		{BACKOFF_CONSTANT, 0, 0, false, {500, 1, 1, 500, 1, 1, 500, 1, 1, 500}}, /* three at a time */
		{BACKOFF_LINEAR, 200, 0, false, {200, 400, 600, 800, 1000}},
		{BACKOFF_LINEAR, 100, 0, false, {1000, 1100, 1200, 1300, 1400, 1500}},
		{BACKOFF_LINEAR, 500, 2000, false, {500, 1000, 1500, 2000, 2000, 2000, 2000}},
		{BACKOFF_EXPONENTIAL, 2, 0, false, {200, 400, 800}},
		{BACKOFF_EXPONENTIAL, 2, 0, false, {4, 8, 16, 32, 64, 128}},
		{BACKOFF_EXPONENTIAL, 1.5, 0, false, {1000, 1500, 2250, 3375}},
		{BACKOFF_EXPONENTIAL, 2, 8000, false, {500, 1000, 2000, 4000, 8000, 8000, 8000}},
		{BACKOFF_EXPONENTIAL, 2, 5000, false, {1000, 2000, 4000, 5000, 5000, 5000}},
		{BACKOFF_EXPONENTIAL, 2, 800, false, {200, 400, 800, 800, 800, 800, 800, 800, 800}},
		{BACKOFF_EXPONENTIAL, 2, 0, false, {5, 200, 400, 800, 1600}},
		{BACKOFF_EXPONENTIAL, 2, 0, true, {1200, 1400, 1800, 2600, 4200}}, /* a timeout of 1 s */
		{BACKOFF_EXPONENTIAL, 2, 3000, true, {1200, 1400, 1800, 2600, 3000, 3000, 3000, 3000}},
		{BACKOFF_IRREGULAR, 0, 0, false, {900, 30, 4000, 100, 700, 20, 5000}},
		{BACKOFF_IRREGULAR, 0, 0, false, {3200, 1600, 800, 400, 200, 100}},
		{BACKOFF_IRREGULAR, 0, 0, false, {100, 200, 400, 800, 100, 200, 400, 800, 100, 200}},
	};
	struct result_backoff b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		b = of(cases[i].intervals, cases[i].silent);
		if (b.kind != cases[i].kind)
			fail_msg("case %zu: %s, not %s", i, result_backoff_name(b.kind),
				 result_backoff_name(cases[i].kind));
		if (b.kind == BACKOFF_EXPONENTIAL)
			assert_true(fabs(b.factor / cases[i].factor - 1) < 0.002);
		else
			assert_true(b.factor == 0);
		if (b.kind == BACKOFF_LINEAR)
			assert_true(fabs((double)b.step_ns / (double)MS / cases[i].factor - 1) < 0.002);
		else
			assert_int_equal(b.step_ns, 0);
		if (cases[i].cap > 0)
			assert_true(fabs((double)b.cap_ns / (double)MS / cases[i].cap - 1) < 0.002);
		else
			assert_int_equal(b.cap_ns, NO_NS);
	}
}

static void intervals_are_described(void **state)
{
	static const double some[] = {200, 420, 780, 1600, 0}, none[] = {0};
	struct result_backoff b = of(some, false);

	(void)state;
	assert_int_equal(b.intervals, 4);
	assert_int_equal(b.first_ns, 200 * MS);
	assert_int_equal(b.median_ns, 420 * MS);
	assert_int_equal(b.max_ns, 1600 * MS);
	assert_true(b.has_jitter);
	assert_true(b.jitter > 0.02 && b.jitter < 0.05);
	b = of(none, false);
	assert_int_equal(b.intervals, 0);
	assert_int_equal(b.first_ns, NO_NS);
	assert_int_equal(b.max_ns, NO_NS);
	assert_int_equal(backoff_classify(NULL, 0, false, &b), 0);
	assert_int_equal(b.kind, BACKOFF_UNKNOWN);
}

/* Clients as they are written: wait, then jitter on it; the clock and the scheduler add up to 0.3 ms. */
struct client {
	enum backoff_kind kind;
	double first, factor, step, cap; /* in seconds; 0: none */
	double jitter;
	bool full; /* AWS's full jitter: anything up to the wait */
	double timeout;
	int connections;
};

static double wait_of(const struct client *c, size_t i)
{
	double wait = c->first * pow(c->factor ? c->factor : 1, (double)i) + c->step * (double)i;

	if (c->cap > 0 && wait > c->cap)
		wait = c->cap;
	return wait * (c->full ? draw() : 1 + c->jitter * (2 * draw() - 1)) + c->timeout + 0.0003 * draw();
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static struct result_backoff try_client(const struct client *c, size_t n)
{
	uint64_t at[4 * MOST];
	struct result_backoff ret;
	size_t count = 0;
	double t;

	for (int k = 0; k < (c->connections ? c->connections : 1); k++) {
		t = 1 + 0.003 * draw();
		at[count++] = (uint64_t)(t * 1e9);
		for (size_t i = 0; i < n; i++) {
			t += wait_of(c, i);
			at[count++] = (uint64_t)(t * 1e9);
		}
	}
	qsort(at, count, sizeof(*at), by_time);
	assert_int_equal(backoff_classify(at, count, c->timeout > 0, &ret), 0);
	return ret;
}

/* How many of 2000 clients are taken for another kind, have the factor off by 5 % or more, or the jitter unseen. */
struct mistakes {
	int kind, factor, jitter;
};

static struct mistakes try_clients(const struct client *c, size_t n)
{
	struct mistakes m = {0};
	struct result_backoff b;

	drawn = n;
	for (int i = 0; i < 2000; i++) {
		b = try_client(c, n);
		m.kind += b.kind != c->kind;
		m.factor += b.kind == BACKOFF_EXPONENTIAL &&
			    (b.factor < 0.95 * c->factor || b.factor > 1.05 * c->factor);
		m.jitter += b.has_jitter != (c->jitter > 0 || c->full);
	}
	return m;
}

/* docs/definitions.md says how often it goes wrong. */
static void drawn_series_are_told(void **state)
{
	static const struct {
		const char *name;
		struct client client;
		size_t n;
		struct mistakes most; /* of 2000 */
	} cases[] = {
		{"doubling, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1},
		 4,
		 {2, 200, 80}},
		{"doubling, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1},
		 5,
		 {0, 8, 10}},
		{"doubling, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1},
		 6,
		 {0, 0, 2}},
		{"doubling, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1},
		 8,
		 {0, 0, 1}},
		{"doubling, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1},
		 12,
		 {0, 0, 0}},
		{"doubling", {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2}, 5, {0, 0, 0}},
		{"doubling, 25 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.25},
		 6,
		 {4, 2000, 0}},
		{"doubling, 25 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.25},
		 10,
		 {0, 20, 0}},
		{"by a half, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.5, .factor = 1.5, .jitter = 0.1},
		 6,
		 {2, 0, 4}},
		{"tripling, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.05, .factor = 3, .jitter = 0.1},
		 5,
		 {0, 8, 12}},
		{"to a cap",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .cap = 3},
		 8,
		 {0, 0, 0}},
		{"to a cap, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .cap = 3, .jitter = 0.1},
		 8,
		 {0, 150, 2}},
		{"to a cap, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .cap = 6, .jitter = 0.1},
		 9,
		 {0, 10, 1}},
		{"after timeouts",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .timeout = 1},
		 5,
		 {0, 2, 0}},
		{"after timeouts, 10 %",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1, .timeout = 1},
		 8,
		 {0, 40, 10}},
		{"three of them",
		 {.kind = BACKOFF_EXPONENTIAL, .first = 0.2, .factor = 2, .jitter = 0.1, .connections = 3},
		 6,
		 {0, 0, 4}},
		{"constant", {.kind = BACKOFF_CONSTANT, .first = 0.5}, 5, {0, 0, 0}},
		{"constant, 10 %", {.kind = BACKOFF_CONSTANT, .first = 0.5, .jitter = 0.1}, 5, {10, 2000, 8}},
		{"constant, 10 %", {.kind = BACKOFF_CONSTANT, .first = 0.5, .jitter = 0.1}, 20, {8, 2000, 0}},
		{"constant, 30 %", {.kind = BACKOFF_CONSTANT, .first = 0.5, .jitter = 0.3}, 8, {10, 2000, 0}},
		{"linear", {.kind = BACKOFF_LINEAR, .first = 0.2, .step = 0.2}, 5, {0, 0, 0}},
		{"linear, 10 %",
		 {.kind = BACKOFF_LINEAR, .first = 0.2, .step = 0.2, .jitter = 0.1},
		 6,
		 {8, 2000, 4}},
		{"linear, 10 %",
		 {.kind = BACKOFF_LINEAR, .first = 0.2, .step = 0.2, .jitter = 0.1},
		 10,
		 {0, 0, 0}},
		{"full jitter",
		 {.kind = BACKOFF_IRREGULAR, .first = 0.2, .factor = 2, .full = true},
		 8,
		 {200, 2000, 2000}},
		{"full jitter",
		 {.kind = BACKOFF_IRREGULAR, .first = 0.2, .factor = 2, .full = true},
		 12,
		 {60, 2000, 2000}},
	};
	struct mistakes m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		m = try_clients(&cases[i].client, cases[i].n);
		if (m.kind > cases[i].most.kind || m.factor > cases[i].most.factor ||
		    m.jitter > cases[i].most.jitter)
			fail_msg("%s, %zu intervals: of 2000 %d of another kind, %d with another factor, %d "
				 "with other jitter",
				 cases[i].name, cases[i].n, m.kind, m.factor, m.jitter);
	}
}

/* Whatever the times are: no crash, no number that is none. */
static void any_times_are_survived(void **state)
{
	static const uint64_t same[] = {7, 7, 7, 7, 7, 7}, far[] = {0, 1, UINT64_MAX / 2, UINT64_MAX - 1};
	struct result_backoff b;
	uint64_t at[4096];

	(void)state;
	assert_int_equal(backoff_classify(same, 6, false, &b), 0);
	assert_int_equal(b.kind, BACKOFF_NONE);
	assert_int_equal(b.intervals, 5);
	assert_int_equal(backoff_classify(far, 4, true, &b), 0);
	drawn = 1;
	for (int round = 0; round < 50; round++) {
		at[0] = 0;
		for (size_t i = 1; i < 4096; i++)
			at[i] = at[i - 1] + (uint64_t)exp(40 * draw() * draw());
		for (size_t n = 0; n <= 4096; n = 3 * n + 1) {
			assert_int_equal(backoff_classify(at, n, round & 1, &b), 0);
			assert_true(b.kind <= BACKOFF_UNKNOWN && b.intervals < n + !n);
			assert_true(isfinite(b.factor) && isfinite(b.jitter) && b.jitter >= 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_series_are_told),
		cmocka_unit_test(intervals_are_described),
		cmocka_unit_test(drawn_series_are_told),
		cmocka_unit_test(any_times_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
