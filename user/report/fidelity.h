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

/* The bucket in which the count from below first exceeds `count`. */
unsigned bucket_above(const struct histogram *h, uint64_t count);

/* A constant delay makes no picture that its row doesn't. */
bool delays_vary(const struct histogram *h);

#endif
