/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel counted of how well a window's fault was kept, as `receipt` in the data of its fault.close. */
#ifndef SHEARPIN_RECEIPT_H
#define SHEARPIN_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#define RECEIPT_MAX_SPREAD 4294967296.0 /* every lot is the first one */

struct json;
struct sp_receipt;

/*
 * What was asked for. Shares are 0 to 1, < 0: not asked for. A `spread` says by how much the lots' dependence on each other
 * widens the variance of their mean: receipt_correlated(), receipt_gemodel_spread(); 0 is independent lots.
 */
struct receipt_request {
	double loss, duplicate, corrupt, reorder;
	double loss_spread, duplicate_spread, corrupt_spread, reorder_spread;
	bool line; /* packets go through the delay line */
};

/*
 * Gilbert and Elliott, all as shares, p + r > 0. In the long run (p * bad + r * good) / (p + r) are lost. The lots'
 * autocorrelation over k packets is f * (1 - p - r)^k, with f the part of their variance that the difference between
 * the two states makes; the spread is 1 + 2 * (the sum of it over all k), but not below 1.
 */
double receipt_gemodel_loss(double p, double r, double bad, double good);
double receipt_gemodel_spread(double p, double r, double bad, double good);

/* With this chance (0 to 1) a lot is that of the packet before: (1 + c) / (1 - c), at most RECEIPT_MAX_SPREAD. */
double receipt_correlated(double correlation);

/* Adds the key `receipt`, in the form of docs/run-directory.md. Only parts that were asked for are there. */
void receipt_write(struct json *data, const struct sp_receipt *receipt,
		   const struct receipt_request *requested);

#endif
