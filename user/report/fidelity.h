/* SPDX-License-Identifier: BSD-2-Clause */
/* What reports of every form show of the receipts. */
#ifndef SHEARPIN_REPORT_FIDELITY_H
#define SHEARPIN_REPORT_FIDELITY_H

#include "base/buf.h"
#include "slo/results.h"

#define FIDELITY_MAX_CHARTED 8 /* steps */
#define FIDELITY_TAIL 200      /* one part in so many of the delays at either end is beyond the chart */

/* A receipt and whose it is. */
struct fidelity_row {
	const char *step, *target; /* no target: the step's sum */
	uint64_t number;           /* the instance; of a sum, its receipts */
	const struct result_receipt *receipt;
};

/* The sum of each step, unless it has one window only, and its windows, unless there are too many. */
void fidelity_rows(const struct results *r, struct buf *out,
		   void (*put)(const struct fidelity_row *row, struct buf *out));

/* What the tables of delays and of the delay line have of a receipt, column by column (NO_NS: nothing to say). */
#define FIDELITY_DELAYS 9 /* asked: mean, P50, P99; achieved: the same; error: P50, P99, max */
#define FIDELITY_COUNTS 8 /* entered, returned, lost, full, stale, overflow, clipped, raised */
void fidelity_delays(const struct result_receipt *r, uint64_t ret_ns[FIDELITY_DELAYS]);
void fidelity_counts(const struct result_receipt *r, uint64_t ret_counts[FIDELITY_COUNTS]);

/* What stands below these tables, and below that of the chances. */
extern const char fidelity_delay_legend[], fidelity_chance_legend[], fidelity_line_legend[];

/* The bucket in which the count from below first exceeds `count`. */
unsigned bucket_above(const struct histogram *h, uint64_t count);

/* A constant delay makes no picture that its row doesn't. */
bool delays_vary(const struct histogram *h);

#endif
