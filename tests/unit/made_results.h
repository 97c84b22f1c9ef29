/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results made by hand, so that every field has a known value, whoever computes it. Times are in milliseconds.
 *
 * The run "made": two probes, one path. Step `cut`, 3 windows planned, 2 opened: #1 from 1000 to 2000, all recovered; #2 from
 * 5000 to 6000, which api was not seen to recover from, with a storm of attempts. The log ends at 9500.
 */
#ifndef TESTS_MADE_RESULTS_H
#define TESTS_MADE_RESULTS_H

#include "unit/run_dir.h"

#include "base/timeutil.h"
#include "slo/results.h"
#include "unit/texts.h"

#define MS NS_PER_MS
#define EPOCH 1795308575000000000ULL /* CLOCK_REALTIME at 0 */

static inline struct result_window *add_window(struct results *r, const char *step, unsigned instance,
					       uint64_t opened, uint64_t closed)
{
	struct result_window *w = results_alloc(r, sizeof(*w));

	assert_true(w && results_grow(r, r->windows, r->n_windows));
	r->windows[r->n_windows++] = w;
	*w = (struct result_window){
		.step = step,
		.instance = instance,
		.fault = "{\"loss\":\"30%\"}",
		.words = "loss=30%",
		.opened_ns = opened * MS,
		.closed_ns = closed * MS,
		.opened_ts_ns = EPOCH + opened * MS,
		.closed_ts_ns = EPOCH + closed * MS,
		.closed = true,
	};
	assert_true(results_grow(r, w->parts, w->n_parts));
	w->parts[w->n_parts++] = (struct result_part){
		.target = "front",
		.open_seq = 10 * instance,
		.close_seq = 10 * instance + 9,
		.opened_ns = opened * MS,
		.closed_ns = closed * MS,
		.opened_ts_ns = EPOCH + opened * MS,
		.closed_ts_ns = EPOCH + closed * MS,
		.first_hit_ns = opened * MS,
		.last_hit_ns = closed * MS,
		.closed = true,
		.counted = true,
		.balanced = true,
		.n = {.matched = 10,
		      .passed = 3,
		      .dropped = 6,
		      .suppressed = 1,
		      .resumed = NO_NS,
		      .requests = NO_NS},
	};
	if (r->n_probes)
		w->probes = results_alloc(r, r->n_probes * sizeof(*w->probes));
	return w;
}

/* From the closing; NO_NS: never. */
static inline void see(struct result_window *w, size_t probe, uint64_t detection, uint64_t recovery)
{
	bool censored = recovery == NO_NS;

	w->probes[probe] = (struct result_probe){
		.unhealthy_at = w->opened_ns + detection * MS,
		.healthy_at = censored ? NO_NS : w->closed_ns + recovery * MS,
		.unhealthy_seq = 77,
		.healthy_seq = censored ? NO_NS : 88,
		.up = 1,
		.down = 3,
		.detection_ns = detection * MS,
		.recovery_ns = censored ? NO_NS : recovery * MS,
		.recovery_after_inject_ns = censored ? NO_NS : w->closed_ns - w->opened_ns + recovery * MS,
		.censored = censored,
	};
}

static inline struct result_flow *add_flow(struct results *r, struct result_window *w, uint64_t recovery)
{
	bool censored = recovery == NO_NS;

	assert_true(results_grow(r, w->flows, w->n_flows));
	w->flows[w->n_flows] = (struct result_flow){
		.is_hit = true,
		.hit_at = w->opened_ns,
		.hit_seq = 11,
		.notice = NOTICE_RESET,
		.noticed_at = w->opened_ns + 2 * MS,
		.noticed_seq = 12,
		.resent_at = NO_NS,
		.resent_seq = NO_NS,
		.recovered_at = censored ? NO_NS : w->closed_ns + recovery * MS,
		.recovered_seq = censored ? NO_NS : 99,
		.censored = censored,
		.detection_ns = 2 * MS,
		.recovery_ns = censored ? NO_NS : recovery * MS,
		.recovery_after_inject_ns = censored ? NO_NS : w->closed_ns - w->opened_ns + recovery * MS,
		.gap_ns = NO_NS,
		.gap_seq = NO_NS,
		.attempts_seq = NO_NS,
		.backoff = {.kind = BACKOFF_UNKNOWN,
			    .first_ns = NO_NS,
			    .median_ns = NO_NS,
			    .max_ns = NO_NS,
			    .cap_ns = NO_NS},
	};
	return &w->flows[w->n_flows++];
}

static inline void attempt(struct result_flow *f, enum backoff_kind kind, uint64_t count, uint64_t every)
{
	f->attempts = f->refused = count;
	f->attempts_seq = 13;
	f->peak_per_s = count;
	f->attempts_at = calloc(count, sizeof(*f->attempts_at));
	assert_non_null(f->attempts_at);
	for (uint64_t i = 0; i < count; i++)
		f->attempts_at[i] = f->hit_at + i * every * MS;
	f->backoff = (struct result_backoff){
		.kind = kind,
		.intervals = count - 1,
		.first_ns = every * MS,
		.median_ns = every * MS,
		.max_ns = every * MS,
		.cap_ns = NO_NS,
		.factor = kind == BACKOFF_EXPONENTIAL ? 2 : 0,
	};
}

static inline void add_probe(struct results *r, const char *name, uint64_t every, uint64_t timeout_ns)
{
	assert_true(results_grow(r, r->probes, r->n_probes));
	r->probes[r->n_probes++] = (struct result_probe_summary){
		.name = name, .every_ns = every * MS, .timeout_ns = timeout_ns, .up = 40, .down = 6};
}

static inline struct result_slo *add_slo(struct results *r, const char *key, bool pass)
{
	assert_true(results_grow(r, r->slos, r->n_slos));
	r->slos[r->n_slos] = (struct result_slo){
		.key = key,
		.limit = 1000 * MS,
		.value = 800 * MS,
		.limit_words = "<= 1 s",
		.value_words = "800 ms",
		.worst = "cut #2, api",
		.worst_seq = 88,
		.samples = 4,
		.pass = pass,
	};
	return &r->slos[r->n_slos++];
}

static inline void add_step(struct results *r, const char *name, unsigned times)
{
	assert_true(results_grow(r, r->steps, r->n_steps));
	r->steps[r->n_steps++] = (struct result_step){
		.name = name,
		.times = times,
		.for_ns = 1000 * MS,
		.latency = r->n_probes ? results_alloc(r, r->n_probes * sizeof(struct result_latency)) : NULL,
	};
}

/* A run without a window. */
static inline struct results *empty_run(const char *name, uint64_t start)
{
	struct results *r = results_new();

	assert_non_null(r);
	r->name = name;
	r->run = results_keepf(r, "runs/%s-%llu", name, (unsigned long long)start);
	r->host = "trade-1";
	r->version = "0.1.0";
	r->seed = 7;
	r->balanced = r->observed = true;
	r->start_ts_ns = EPOCH + start * MS;
	r->end_ts_ns = EPOCH + (start + 9500) * MS;
	r->end_ns = 9500 * MS;
	r->evicted = 0;
	r->captured = r->capture_lost = NO_NS;
	return r;
}

static inline struct results *made_run(void)
{
	struct results *r = empty_run("made", 0);
	struct result_window *w;

	assert_true(results_grow(r, r->targets, r->n_targets));
	r->targets[r->n_targets++] =
		(struct result_target){.name = "front", .words = "tcp 10.1.0.2/32 ports 40001"};
	assert_true(results_grow(r, r->paths, r->n_paths));
	r->paths[r->n_paths++] = (struct result_path){
		.target = "front", .name = "10.1.0.1>10.1.0.2:40001/tcp", .attempts = 505, .established = 1};
	add_probe(r, "gateway", 200, 1000 * MS);
	add_probe(r, "api", 1000, NO_NS);
	add_step(r, "cut", 3);
	w = add_window(r, "cut", 1, 1000, 2000);
	see(w, 0, 100, 300);
	see(w, 1, 200, 800);
	attempt(add_flow(r, w, 10), BACKOFF_EXPONENTIAL, 5, 50);
	w = add_window(r, "cut", 2, 5000, 6000);
	see(w, 0, 100, 500);
	see(w, 1, 200, NO_NS);
	attempt(add_flow(r, w, 20), BACKOFF_NONE, 500, 1);
	w->flows[0].storm = true;
	w->rates = results_alloc(r, sizeof(*w->rates));
	w->rates[0] = (struct result_rate){.attempts = 500, .peak_per_s = 500, .peak_seq = 512};
	return r;
}

#endif
