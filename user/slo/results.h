/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows from the evidence of a run. The definitions are in docs/definitions.md; slo_compute() fills this
 * in, the reports print it.
 *
 * Times are nanoseconds. NO_NS stands where there is no value: not measured, or never. *_ts_ns are CLOCK_REALTIME,
 * other times CLOCK_MONOTONIC. Strings are owned by the results; NULL where the evidence has none.
 */
#ifndef SHEARPIN_RESULTS_H
#define SHEARPIN_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evidence/histogram.h"

#define NO_NS UINT64_MAX

enum result_outcome {
	OUTCOME_PASS,
	OUTCOME_SLO_MISSED,
	OUTCOME_ABORTED,
	OUTCOME_INTERRUPTED,
	OUTCOME_HOST_FAILED,
};

/* What one probe saw of one window. */
struct result_probe {
	uint64_t unhealthy_at; /* first unhealthy sample from the opening on */
	uint64_t healthy_at;   /* first healthy sample from the closing on */
	uint64_t detection_ns, recovery_ns, recovery_after_inject_ns;
	bool censored;     /* no healthy sample from the closing on */
	bool already_down; /* the last sample before the opening was unhealthy */
};

struct result_counters {
	uint64_t matched, passed, dropped, reset, refused, delayed, duplicated, altered, suppressed;
	uint64_t bytes, flows, untracked, failed, idle_reset;
};

/* The names of the counters, in the order of docs/run-directory.md. */
struct result_counter {
	const char *name;
	size_t offset; /* in struct result_counters */
	bool part;     /* of `matched` */
};
extern const struct result_counter result_counters[];
extern const size_t n_result_counters;
uint64_t result_counter(const struct result_counters *counters, size_t i);

enum result_chance_kind {
	CHANCE_LOSS,
	CHANCE_DUPLICATE,
	CHANCE_CORRUPT,
	CHANCE_REORDER,
	CHANCES,
};

/* What was left to chance. Shares are 0 to 1. */
struct result_chance {
	bool asked;
	double requested;
	uint64_t drawn, hit;
	double spread;              /* variance of the mean, beside that of independent lots: 1 or more */
	double achieved, low, high; /* the share that was hit, and its 95 % interval; if drawn */
	bool inside;                /* the requested share is in the interval */
};

/* How well a fault was kept, in one window for one target, or in a sum of such. */
struct result_receipt {
	bool line; /* packets went through the delay line; all but `chance` is only then of any meaning */
	struct histogram requested, achieved, late;
	uint64_t entered, returned, lost, full, stale, overflow, clipped, raised;
	struct result_chance chance[CHANCES];
};

/* The sum of a step's receipts, over its instances and targets. */
struct result_fidelity {
	const char *step;
	uint64_t receipts;
	struct result_receipt *sum;
};

/* The delay line, over the whole run. Counts are NO_NS where the log doesn't have them. */
struct result_line {
	const char *backend; /* "user", "fq" */
	bool realtime, device_lost;
	uint64_t parcels, memory, held_max, device_dropped, memory_full, write_failed;
};

/* What a window did to one target: one instance of one rule. */
struct result_part {
	const char *target;
	uint64_t opened_ns, closed_ns; /* closed_ns is NO_NS until `closed` */
	uint64_t opened_ts_ns, closed_ts_ns;
	uint64_t first_hit_ns, last_hit_ns; /* NO_NS: no packet was hit */
	bool closed;                        /* the log has its fault.close */
	bool cut;                           /* ended before its time */
	bool counted;                       /* the log has its counters */
	bool balanced;                      /* they add up */
	bool outside;                       /* a hit before the opening or after the closing */
	struct result_counters n;
	struct result_receipt *receipt; /* NULL: the log has none */
	bool damaged_receipt;           /* it has one, but not as documented */
};

/* One window of a step, over all its targets. */
struct result_window {
	const char *step;
	unsigned instance;
	const char *fault; /* JSON */
	const char *words; /* the same for people: "reset=both loss=5%" */
	uint64_t opened_ns, closed_ns, opened_ts_ns, closed_ts_ns;
	bool closed, cut;
	struct result_part *parts;
	size_t n_parts;
	struct result_probe *probes; /* as many as the results have probes, in their order */
};

/* A sample is a window as seen by a probe. A percentile is NO_NS where it falls on a sample without a value. */
struct result_samples {
	uint64_t samples, missing; /* missing: of the samples, without a value (censored, undetected) */
	uint64_t p50_ns, p95_ns, p99_ns, max_ns;
};

struct result_probe_summary {
	const char *name;
	uint64_t up, down; /* samples in the log */
	struct result_samples recovery, detection;
};

struct result_slo {
	const char *key;
	const char *step, *probe; /* NULL: all */
	bool is_count;            /* limit and value are counts, not times */
	uint64_t limit, value;    /* value NO_NS: none */
	uint64_t samples, missing;
	bool pass;
};

struct result_target {
	const char *name, *words; /* "tcp 10.1.0.2/32 ports 40001,30001-30013" */
};

/* A step as planned. */
struct result_step {
	const char *name;
	unsigned times;
	uint64_t for_ns;
	const char **targets;
	size_t n_targets;
};

struct result_pair {
	const char *key, *value;
};

struct result_count {
	const char *name;
	uint64_t count;
};

struct results {
	const char *name, *description, *source, *run;
	const char *version, *command, *host, *operator_name, *kernel, *attach;
	uint64_t seed;
	uint64_t start_ts_ns, end_ts_ns;
	const char **interfaces;
	size_t n_interfaces;
	struct result_pair *meta;
	size_t n_meta;
	struct result_target *targets;
	size_t n_targets;
	struct result_step *steps;
	size_t n_steps;

	enum result_outcome outcome;
	const char *reason; /* of an abort or a failure */
	int exit;           /* the exit status that belongs to the outcome */
	bool balanced;
	uint64_t lost; /* records that the ring buffer had no room for */
	const char **incomplete;
	size_t n_incomplete;
	const char **notes; /* worth saying, but no lack of evidence */
	size_t n_notes;

	struct result_window **windows; /* in the order of their opening */
	size_t n_windows;
	struct result_probe_summary *probes;
	size_t n_probes;
	struct result_samples recovery, detection; /* all probes together */
	uint64_t unrecovered;                      /* windows that at least one probe saw no recovery of */
	struct result_slo *slos;
	size_t n_slos;
	struct result_fidelity *fidelity; /* by step, in the order of their first opening */
	size_t n_fidelity;
	struct result_line *line; /* NULL: the run had none */

	struct result_count *events; /* by type */
	size_t n_events;
	struct result_count *files; /* with their sizes */
	size_t n_files;
	const char *head;                    /* SHA-256 of the last line of events.jsonl */
	uint64_t fragments, unparsable, own; /* packets passed untouched by rule; NO_NS: not in the log */

	struct result_chunk *chunks; /* what the strings live in */
	bool failed;                 /* out of memory */
};

const char *result_outcome_name(enum result_outcome outcome);
const char *result_chance_name(enum result_chance_kind kind); /* "loss", ... */

/* For those who fill results in. After a failed allocation `failed` is set: check once, at the end. */
struct results *results_new(void);
void *results_alloc(struct results *results, size_t size);           /* zeroed; NULL after a failure */
const char *results_keep(struct results *results, const char *text); /* NULL stays NULL */
const char *results_keepf(struct results *results, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void results_lack(struct results *results, const char *format, ...) __attribute__((format(printf, 2, 3)));
void results_note(struct results *results, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Room for one more behind the n elements that the array `items` (malloc'ed, freed by results_free()) has. False
 * after a failure.
 */
#define results_grow(results, items, n)                                                                      \
	((items) = results_more((results), (items), (n), sizeof(__typeof__(*(items)))), !(results)->failed)
void *results_more(struct results *results, void *items, size_t n, size_t size);

/* Accepts NULL. */
void results_free(struct results *results);

#endif
