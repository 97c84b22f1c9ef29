/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/metrics_series.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/timeutil.h"

#define MOST_BUCKETS 16
#define NS_PER_MICROSECOND 1000ULL

enum kind { COUNTER, GAUGE, HISTOGRAM };

/* Upper bounds of buckets in microseconds, up to the first 0. */
static const uint64_t latency_us[MOST_BUCKETS] = {100,    250,    500,     1000,    2500,
						  5000,   10000,  25000,   50000,   100000,
						  250000, 500000, 1000000, 2500000, 5000000};
static const uint64_t recovery_us[MOST_BUCKETS] = {100000,    250000,    500000,   1000000,  2500000,
						   5000000,   10000000,  20000000, 30000000, 60000000,
						   120000000, 300000000, 600000000};

static const struct metric_type {
	const char *name, *help;
	enum kind kind;
	const uint64_t *bounds;
} types[METRICS] = {
	[METRIC_BUILD_INFO] = {"shearpin_build_info", "The version of shearpin; always 1.", GAUGE, NULL},
	[METRIC_RUN_ACTIVE] = {"shearpin_run_active", "1 while the scenario runs, otherwise 0.", GAUGE, NULL},
	[METRIC_RUNS] = {"shearpin_runs_total", "Runs that have ended, by their outcome.", COUNTER, NULL},
	[METRIC_PHASE_INFO] = {"shearpin_phase_info", "1 while the run is in this phase, otherwise 0.", GAUGE,
			       NULL},
	[METRIC_INJECTIONS] = {"shearpin_injections_total",
			       "Windows that opened: of faults, shadows aside, and of changes to the host.",
			       COUNTER, NULL},
	[METRIC_WINDOWS] = {"shearpin_windows_total", "Windows that have closed.", COUNTER, NULL},
	[METRIC_WINDOW_OPEN] = {"shearpin_window_open", "1 while a window of the step is open, otherwise 0.",
				GAUGE, NULL},
	[METRIC_PACKETS] = {"shearpin_packets_total",
			    "Packets that a rule matched, by what became of them, as the kernel counts them.",
			    COUNTER, NULL},
	[METRIC_ATTEMPTS] = {"shearpin_attempts_total", "Connection attempts to the target (first SYNs).",
			     COUNTER, NULL},
	[METRIC_PROBE_UP] = {"shearpin_probe_up", "1 if the probe's last sample was healthy, otherwise 0.",
			     GAUGE, NULL},
	[METRIC_PROBE_LATENCY] = {"shearpin_probe_latency_seconds",
				  "Latency of a probe's samples, as far as they have one.", HISTOGRAM,
				  latency_us},
	[METRIC_RECOVERY] =
		{"shearpin_recovery_seconds",
		 "Time from a window's closing to the recovery that a probe or a path saw; told when "
		 "the run has ended.",
		 HISTOGRAM, recovery_us},
	[METRIC_UNRECOVERED] = {"shearpin_unrecovered_total",
				"Windows that a probe or a path saw no recovery from; told when the run has "
				"ended.",
				COUNTER, NULL},
	[METRIC_EXPECTATIONS] = {"shearpin_expectations_total", "Expectations that have been decided.",
				 COUNTER, NULL},
	[METRIC_RING_LOST] = {"shearpin_ring_lost_total",
			      "Records of the kernel that found no room in the ring buffer.", COUNTER, NULL},
};

struct metric_series {
	char *labels; /* as they stand between the braces */
	uint64_t count;
	double value;
	uint64_t sum_ns;
	uint64_t buckets[MOST_BUCKETS]; /* not summed up */
};

void metrics_store_free(struct metrics_store *store)
{
	for (int m = 0; m < METRICS; m++) {
		for (size_t i = 0; i < store->n[m]; i++)
			free(store->series[m][i].labels);
		free(store->series[m]);
	}
	*store = (struct metrics_store){0};
}

/* Of a value: a backslash, a quote and a line feed are escaped; bytes that are no UTF-8 never come here. */
static void put_value(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			buf_puts(out, "\\n");
		else if (*value == '\\' || *value == '"')
			buf_printf(out, "\\%c", *value);
		else
			buf_add(out, value, 1);
	}
}

static void put_labels(struct buf *out, metric_labels labels)
{
	for (size_t i = 0; labels[i]; i += 2) {
		buf_printf(out, "%s%s=\"", i ? "," : "", labels[i]);
		put_value(out, labels[i + 1] ? labels[i + 1] : "");
		buf_puts(out, "\"");
	}
}

static struct metric_series *find(struct metrics_store *s, enum metric m, const char *labels)
{
	for (size_t i = 0; i < s->n[m]; i++) {
		if (strcmp(s->series[m][i].labels, labels) == 0)
			return &s->series[m][i];
	}
	return NULL;
}

/* Takes the labels over. */
static struct metric_series *add_series(struct metrics_store *s, enum metric m, struct buf *labels)
{
	struct metric_series *more;

	if (s->n[m] == METRIC_MOST_SERIES) {
		s->left_out++;
		return NULL;
	}
	more = reallocarray(s->series[m], s->n[m] + 1, sizeof(*more));
	if (!more) {
		s->failed = true;
		return NULL;
	}
	s->series[m] = more;
	more[s->n[m]] = (struct metric_series){.labels = buf_take(labels)};
	if (more[s->n[m]].labels)
		return &more[s->n[m]++];
	s->failed = true;
	return NULL;
}

static struct metric_series *series(struct metrics_store *s, enum metric m, metric_labels labels)
{
	struct metric_series *found = NULL;
	struct buf text = {0};

	buf_add(&text, "", 0);
	put_labels(&text, labels);
	if (text.failed)
		s->failed = true;
	else
		found = find(s, m, text.data ? text.data : "");
	if (!found && !text.failed)
		found = add_series(s, m, &text);
	buf_free(&text);
	return found;
}

void metrics_add(struct metrics_store *store, enum metric metric, metric_labels labels, uint64_t more)
{
	struct metric_series *s = series(store, metric, labels);

	if (s)
		s->count += more;
}

void metrics_set(struct metrics_store *store, enum metric metric, metric_labels labels, double value)
{
	struct metric_series *s = series(store, metric, labels);

	if (s)
		s->value = value;
}

void metrics_observe(struct metrics_store *store, enum metric metric, metric_labels labels, uint64_t ns)
{
	struct metric_series *s = series(store, metric, labels);
	const uint64_t *bounds = types[metric].bounds;
	size_t i = 0;

	if (!s)
		return;
	while (bounds[i] && ns > bounds[i] * NS_PER_MICROSECOND)
		i++;
	s->buckets[i]++;
	s->count++;
	s->sum_ns += ns;
}

static void put_sample(struct buf *out, const struct metric_type *t, const char *suffix, const char *labels)
{
	buf_printf(out, *labels ? "%s%s{%s} " : "%s%s%s ", t->name, suffix, labels);
}

static void put_histogram(struct buf *out, const struct metric_type *t, const struct metric_series *s)
{
	const char *comma = *s->labels ? "," : "";
	uint64_t sum = 0;
	size_t i;

	for (i = 0; t->bounds[i]; i++) {
		sum += s->buckets[i];
		buf_printf(out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", t->name, s->labels, comma,
			   (double)t->bounds[i] / 1e6, sum);
	}
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", t->name, s->labels, comma, s->count);
	put_sample(out, t, "_sum", s->labels);
	buf_printf(out, "%.9f\n", (double)s->sum_ns / (double)NS_PER_S);
	put_sample(out, t, "_count", s->labels);
	buf_printf(out, "%" PRIu64 "\n", s->count);
}

static void put_series(struct buf *out, const struct metric_type *t, const struct metric_series *s)
{
	if (t->kind == HISTOGRAM) {
		put_histogram(out, t, s);
		return;
	}
	put_sample(out, t, "", s->labels);
	if (t->kind == COUNTER)
		buf_printf(out, "%" PRIu64 "\n", s->count);
	else
		buf_printf(out, "%.17g\n", s->value);
}

void metrics_store_text(const struct metrics_store *store, struct buf *out)
{
	static const char *const kinds[] = {
		[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};

	for (int m = 0; m < METRICS; m++) {
		if (!store->n[m])
			continue;
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", types[m].name, types[m].help, types[m].name,
			   kinds[types[m].kind]);
		for (size_t i = 0; i < store->n[m]; i++)
			put_series(out, &types[m], &store->series[m][i]);
	}
	if (store->left_out)
		buf_printf(out, "# %" PRIu64 " values are left out: a metric has more than %d label sets\n",
			   store->left_out, METRIC_MOST_SERIES);
	out->failed |= store->failed;
}
