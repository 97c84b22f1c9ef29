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

#include "base/units.h"
#include "evidence/histogram.h"

#define NO_NS UINT64_MAX

enum result_outcome {
	OUTCOME_PASS,
	OUTCOME_SLO_MISSED,
	OUTCOME_ABORTED,
	OUTCOME_INTERRUPTED,
	OUTCOME_HOST_FAILED,
	OUTCOME_REFUSED, /* of a suite alone: nothing was touched, and there is no evidence */
	OUTCOME_NOT_RUN, /* of a suite alone: it had ended before */
};

/* What one probe saw of one window. A *_seq is the number of the event that says so; NO_NS: none does. */
struct result_probe {
	uint64_t unhealthy_at; /* first unhealthy sample from the opening on */
	uint64_t healthy_at;   /* first healthy sample from the closing on */
	uint64_t unhealthy_seq, healthy_seq;
	uint64_t up, down; /* samples from the opening to the closing */
	uint64_t detection_ns, recovery_ns, recovery_after_inject_ns;
	bool censored;     /* no healthy sample from the closing on */
	bool already_down; /* the last sample before the opening was unhealthy */
};

struct result_counters {
	uint64_t matched, passed, dropped, reset, refused, delayed, duplicated, altered, suppressed;
	uint64_t bytes, flows, untracked, failed, idle_reset;
	uint64_t resumed, requests; /* NO_NS: it is another fault's */
};

/* The names of the counters, in the order of docs/run-directory.md. */
struct result_counter {
	const char *name;
	size_t offset; /* in struct result_counters */
	bool part;     /* of `matched` */
	bool special;  /* of one fault only: NO_NS, where it is another */
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
	uint64_t open_seq, close_seq;  /* of fault.open, fault.close */
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

/* Attempts to a target, whether or not the window's fault is for it, from the opening until all paths that it hit are back. */
struct result_rate {
	uint64_t attempts;
	uint64_t peak_per_s, peak_seq; /* the most in any second, and the event of the last of them */
};

/* One window of a step, over all its targets. */
struct result_window {
	const char *step;
	unsigned instance;
	const char *fault; /* JSON */
	const char *words; /* the same for people: "reset=both loss=5%" */
	uint64_t opened_ns, closed_ns, opened_ts_ns, closed_ts_ns;
	bool closed, cut;
	/*
	 * It acts at once, or stays to the run's end: a recovery has no closing to count from. It counts from the opening, and
	 * is the first healthy sample behind the first unhealthy one.
	 */
	bool stands;
	bool shadow; /* it touches nothing: it is no sample of anything */
	uint64_t open_seq,
		close_seq; /* of its step.start and step.end, if it has no parts; otherwise NO_NS */
	const char *kind;  /* "fault", "clock", "signal", "exec", "file", "link" */
	const char *
		undo; /* what became of a change when it was taken back: "taken back", ...; NULL: nothing was */
	struct result_part *parts;
	size_t n_parts;
	struct result_probe *probes; /* as many as the results have probes, in their order */
	struct result_rate *rates; /* as many as the results have targets, in their order; NULL: no attempt */
	struct result_flow *flows; /* in the order of the paths; malloc'ed */
	size_t n_flows;
};

/* The event that opens it, or closes it. */
static inline uint64_t window_seq(const struct result_window *w, bool closing)
{
	if (!w->n_parts)
		return closing ? w->close_seq : w->open_seq;
	return closing ? w->parts[0].close_seq : w->parts[0].open_seq;
}

/* From where its recovery counts. */
static inline uint64_t window_end(const struct result_window *w)
{
	return w->stands ? w->opened_ns : w->closed_ns;
}

#define RESULT_MOST_TARGETS 256 /* as many as the kernel's programs can tell apart */
#define RESULT_TARGET_WORDS (RESULT_MOST_TARGETS / 64)

/*
 * A path: all connections between a local address and a remote address and port; of connections that come in, between a
 * local address and port and a remote address. "10.1.0.1>10.1.0.2:40001/tcp", "10.1.0.1:8080<10.1.0.9/tcp".
 */
struct result_path {
	const char *target;                    /* the first that it belongs to */
	uint64_t targets[RESULT_TARGET_WORDS]; /* a bit for each of the results' targets that it matches */
	const char *name;
	bool incoming;
	const char *
		process; /* "redis-cli[4711] /system.slice/feeder.service"; NULL: unknown; the last one seen */
	/* Connections; `before`: were there before the observer. */
	uint64_t before, attempts, established, refused, reset, closed, open;
	uint64_t packets_in, packets_out, bytes_in, bytes_out, resent_in, resent_out;
};

/* What the first sign was that the local end, or for incoming connections the remote end, took notice of the fault. */
enum result_notice {
	NOTICE_NONE,
	NOTICE_RESET,   /* it was reset */
	NOTICE_REFUSED, /* a new connection of it was refused */
	NOTICE_CLOSED,  /* it closed the connection */
	NOTICE_ATTEMPT, /* it opened another connection */
};

enum backoff_kind {
	BACKOFF_NONE, /* it tries again at once */
	BACKOFF_CONSTANT,
	BACKOFF_LINEAR,
	BACKOFF_EXPONENTIAL,
	BACKOFF_IRREGULAR, /* none of these */
	BACKOFF_UNKNOWN,   /* too few attempts to tell */
};

/* How the intervals between attempts follow each other. docs/definitions.md has the method. */
struct result_backoff {
	enum backoff_kind kind;
	uint64_t intervals;
	uint64_t first_ns, median_ns, max_ns; /* of the intervals; NO_NS without one */
	double factor;                        /* exponential: from one interval to the next; otherwise 0 */
	int64_t step_ns;                      /* linear: the same as a difference; otherwise 0 */
	uint64_t cap_ns;                      /* from which on it grows no more; NO_NS: none was reached */
	double jitter;   /* the largest deviation of an interval from the rule, as a share of it */
	bool has_jitter; /* more than the clock's and the network's own */
};

/* A path in one window, for one of its targets. Paths that the fault hit, and such as had an attempt in it. */
struct result_flow {
	size_t path;              /* index */
	bool is_hit;              /* only then it is a sample */
	uint64_t hit_at, hit_seq; /* first packet that was not passed */
	enum result_notice notice;
	uint64_t noticed_at, noticed_seq;
	uint64_t resent_at, resent_seq; /* first segment that was sent again: TCP noticed */
	uint64_t recovered_at, recovered_seq;
	uint64_t greeted_at, greeted_seq; /* first handshake from the closing on */
	bool survived;                    /* it goes on on a connection established before the closing */
	bool censored;
	uint64_t detection_ns, recovery_ns, recovery_after_inject_ns;
	uint64_t gap_ns,
		gap_seq; /* longest time without payload that ended from the opening to the recovery */
	uint64_t attempts, refused; /* from the opening to the recovery */
	uint64_t *attempts_at;      /* the first RESULT_MOST_ATTEMPTS of them, in order; malloc'ed */
	uint64_t attempts_seq;      /* of the first */
	uint64_t peak_per_s;        /* the most attempts in any second */
	bool storm; /* more than the scenario's attempts_per_s, or RESULT_STORM if it has none */
	struct result_backoff backoff;
};

#define RESULT_MOST_ATTEMPTS 4096
#define RESULT_STORM 100 /* attempts a second */

/* A sample is a window as seen by a probe, or by a path that it hit. A percentile is NO_NS where it falls on a sample without a value. */
struct result_samples {
	uint64_t samples, missing; /* missing: of the samples, without a value (censored, undetected) */
	uint64_t p50_ns, p95_ns, p99_ns, max_ns;
};

/* A change of a probe's state, or its first sample. */
struct result_change {
	uint64_t at_ns, seq;
	bool healthy;
};

/* Of the latency of a probe's samples; an unhealthy one counts as longer than all healthy ones. */
struct result_latency {
	uint64_t samples;
	uint64_t p50_ns, p95_ns, p99_ns;    /* NO_NS: none, or of an unhealthy sample */
	uint64_t p50_seq, p95_seq, p99_seq; /* the events of these samples; NO_NS: none */
};

#define RESULT_MOST_LATENCIES                                                                                \
	(1                                                                                                   \
	 << 20) /* of one probe, before or during the windows; later ones are left out, and a note says so */

struct result_probe_summary {
	const char *name;
	uint64_t every_ns, timeout_ns; /* as planned; NO_NS: the plan has none */
	bool untimed;                  /* its samples have no latency: it reads files, or counts messages */
	bool stream;                   /* of numbered messages: */
	uint64_t missing, twice;       /* over the whole run, as the last sample says */
	uint64_t up, down;             /* samples in the log */
	struct result_samples recovery, detection;
	struct result_change *changes; /* the first RESULT_MOST_CHANGES; malloc'ed */
	size_t n_changes;
	struct result_latency baseline, faults; /* before the first window; while any window was open */
};

#define RESULT_MOST_CHANGES 65536

enum slo_unit {
	UNIT_NS,
	UNIT_COUNT,
	UNIT_RATE,  /* a second */
	UNIT_SHARE, /* limit and value are parts of a million */
	UNIT_WORDS, /* no number: backoff */
};

struct result_slo {
	const char *key;
	const char *step, *probe, *target; /* NULL: all */
	bool by_flow;                      /* the samples are paths, not probes */
	bool relative; /* probe_p95, probe_p99: limit is the percentile of the baseline and `over` of it */
	double over;
	enum backoff_kind backoff;      /* backoff: as demanded */
	double factor_low, factor_high; /* 0: any */
	uint64_t cap_ns;                /* backoff: the longest interval allowed; NO_NS: any */
	enum slo_unit unit;
	uint64_t limit, value;                 /* value NO_NS: none */
	const char *limit_words, *value_words; /* for people, never NULL: "<= 10 s", "11.204 s", "-" */
	const char *worst;  /* the sample that decides: "disconnect #2, gateway"; NULL: none */
	uint64_t worst_seq; /* the event that it rests on */
	uint64_t samples, missing;
	bool pass;
};

struct result_target {
	const char *name, *words; /* "tcp 10.1.0.2/32 ports 40001,30001-30013" */
	const struct port_range *remote_ports, *local_ports;
	size_t n_remote_ports, n_local_ports;
};

/* What the log says of one instance of an expectation. */
struct result_expect {
	const char *step;
	unsigned instance;
	const char *words;               /* as planned: "probe=api equals=healthy within=90s" */
	const char *how;                 /* "within", "throughout", "never" */
	uint64_t opens_ns, closes_ns;    /* the time that it is about; CLOCK_MONOTONIC */
	uint64_t decided_ns, decided_ts; /* of the sample that decides, or of the end; CLOCK_REALTIME */
	uint64_t seq;                    /* of the event */
	uint64_t samples;
	const char *seen;  /* what decided, in words */
	const char *value; /* as JSON; NULL: none */
	bool pass;
};

struct result_phase {
	const char *name;
	uint64_t index; /* from 0 */
	double share;   /* of flows, 0 to 1; below 0: the targets' own */
	bool shadow, ended;
	const char *words;  /* the variables that it sets: "loss=10%"; NULL: none */
	const char *result; /* "promoted", "done", "rolled back", "cut"; NULL: the log doesn't say */
	uint64_t started_ns, ended_ns, started_ts_ns, ended_ts_ns; /* NO_NS: not in the log */
	uint64_t seq;                                              /* of its end, otherwise of its start */
};

/* What ended the run. */
struct result_abort {
	const char *reason, *kind, *condition, *value; /* value: as JSON; NULL: not said */
	uint64_t since_ns, at_ns, seq;                 /* since_ns: NO_NS, if not said */
	bool lasting;                                  /* the condition says for how long it must hold */
};

/* The plan's time stood still until a condition held. */
struct result_wait {
	const char *step;
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC; from_ns NO_NS: not said */
	uint64_t zero_ns, seq;   /* from which `at` counts behind it */
	const char *result;      /* "fulfilled", ...; NULL: not said */
};

/* A step as planned. */
struct result_step {
	const char *name, *kind; /* kind: as in plan.json */
	const char *origin; /* the name without that of its phase: its copies in other phases have the same */
	struct result_latency *latency; /* by probe, while a window of the step was open; NULL: no probe */
	unsigned times;
	uint64_t for_ns;
	bool shadow, until_end;
	bool stands; /* see struct result_window */
	const char *change,
		*change_words; /* of a step that is no fault: as JSON, and for people; NULL: not in the plan */
	const char **targets;
	size_t n_targets;
};

/* Steps that open windows: all but expectations and waits. */
bool result_step_acts(const struct result_step *step);

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
	struct result_pair *facts; /* about the host, from run.start: "clock: synchronised", ... */
	size_t n_facts;
	uint64_t start_ns, zero_ns, end_ns; /* run.start, baseline.end, run.end; CLOCK_MONOTONIC */
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
	bool observed; /* the log is of a version whose kernel programs watched the flows */
	struct result_path *paths;
	size_t n_paths;
	struct result_samples flow_recovery, flow_detection; /* all paths that were hit */
	uint64_t flow_unrecovered; /* windows that at least one path that was hit did not recover from */
	uint64_t peak_per_s;       /* the most attempts in any second, to one target */
	uint64_t evicted; /* connections that the observer had no more room for; NO_NS: not in the log */
	uint64_t captured, capture_lost; /* packets in capture.pcapng, and missing in it; NO_NS: no capture */
	struct result_slo *slos;
	size_t n_slos;
	struct result_expect *expects; /* in the order of their decisions */
	size_t n_expects;
	struct result_phase *phases;
	size_t n_phases;
	struct result_wait *waits;
	size_t n_waits;
	struct result_abort *abort; /* NULL: the log has none */
	const char **disabled;      /* steps that the scenario turns off */
	size_t n_disabled;
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
const char *
result_notice_name(enum result_notice notice);           /* "reset", "refused", "closed", "attempt"; "none" */
const char *result_backoff_name(enum backoff_kind kind); /* "none", "constant", ... */
const char *result_chance_name(enum result_chance_kind kind); /* "loss", ... */

/* What the windows of a step, and of its copies in other phases, have in common: see struct result_step. */
const char *results_origin(const struct results *results, const char *step);

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

/* Paths, and what windows did to them: they are no evidence where nobody observed the flows. */
void results_drop_flows(struct results *results);

/* Accepts NULL. */
void results_free(struct results *results);

#endif
