/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several runs beside each other (docs/reports.md): a table of them, the trend of recovery P99 of those with the same scenario
 * name, and a scorecard. Pure: the same runs in the same order give the same bytes.
 */
#ifndef SHEARPIN_COMPARE_H
#define SHEARPIN_COMPARE_H

#include "base/buf.h"
#include "slo/results.h"

/* A run among those of its name. */
struct compare_point {
	const struct results *r;
	bool by_flow; /* the P99 is that of the paths, since the run has no probe */
	uint64_t samples,
		p99_ns;        /* NO_NS: nothing was measured, or it falls on a recovery that was not seen */
	bool comparable;       /* it and the point before have a P99, of samples of the same kind */
	int64_t difference_ns; /* to the point before, if comparable */
	double ratio;          /* NaN: that was 0 */
};

/* At least two runs with one name, oldest first. */
struct compare_trend {
	const char *name;
	struct compare_point *points;
	size_t n;
	uint64_t longest_ns; /* the largest P99; 0: there is none */
};

/* A step of a scenario, over all windows of all runs. */
struct compare_score {
	const char *scenario, *step;
	uint64_t planned, opened, recovered;
	bool measured;       /* every window that opened was */
	uint64_t slowest_ns; /* recovery, counted from the injection; NO_NS: of one it was not seen */
	/* Numbered messages that were lost, orders that were lost or came twice, in the runs of the scenario; NO_NS: not counted. */
	uint64_t data_loss, order_violations;
	uint64_t failed; /* expectations of its windows */
	/* Every planned window has its recovery within the objective, no expectation failed, and no order is missing or came twice. */
	bool pass;
};

struct comparison {
	const struct results **runs; /* oldest first */
	size_t n;
	struct compare_trend *trends;
	size_t n_trends;
	struct compare_score *scores;
	size_t n_scores;
	uint64_t objective_ns; /* of the scorecard */
	uint64_t passed;       /* scores */
	uint64_t incomplete;   /* runs */
	int exit;              /* the worst of the runs' */
	const char *title;     /* of the suite that they are; NULL: they are just several */
	bool linked;           /* their directories lie beside the report, which leads to their pages */
};

/* 0, or -ENOMEM. The runs must outlive the comparison. */
int compare_runs(const struct results *const *runs, size_t n, uint64_t objective_ns,
		 struct comparison **ret_comparison);
/* Accepts NULL. */
void comparison_free(struct comparison *c);

/* Objectives and expectations that were missed, of all runs. */
/* Each objective and expectation of the run that was missed; seq: the event that says so, or NO_NS. */
void compare_each_miss(const struct results *r, struct buf *out,
		       void (*put)(const struct results *r, const char *kind, const char *what, uint64_t seq,
				   struct buf *out));
uint64_t compare_misses(const struct comparison *c);

/* Of exit statuses the worst first: 5, 4, 130, 3, 1, 0. */
int worst_exit(int a, int b);

/* 0 to 100, rounded down: only if all passed it is 100. */
unsigned success_rate(const struct comparison *c);

/* "1.23s", "not recovered", "not measured" */
void score_recovery(const struct compare_score *score, struct buf *out);
/* "n/a" for NO_NS */
void score_count(uint64_t count, struct buf *out);
/* The text of the scorecard, plain. */
void compare_scorecard(const struct comparison *c, struct buf *out);

void compare_markdown(const struct comparison *c, struct buf *out);
void compare_html(const struct comparison *c, struct buf *out);
void compare_json(const struct comparison *c, struct buf *out);

#endif
