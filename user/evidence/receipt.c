/* SPDX-License-Identifier: BSD-2-Clause */
#include "evidence/receipt.h"

#include <linux/types.h>

#include "abi.h"
#include "base/json.h"
#include "evidence/histogram.h"

#define DECIMALS 1e9 /* of a share: finer than the 32 bits that a lot is drawn with */

static double at_least_one(double spread)
{
	return spread < 1 ? 1 : spread > RECEIPT_MAX_SPREAD ? RECEIPT_MAX_SPREAD : spread;
}

double receipt_gemodel_loss(double p, double r, double bad, double good)
{
	return (p * bad + r * good) / (p + r);
}

double receipt_gemodel_spread(double p, double r, double bad, double good)
{
	double loss = receipt_gemodel_loss(p, r, bad, good), stays = 1 - p - r;
	double variance = loss * (1 - loss);
	double between = p * r / ((p + r) * (p + r)) * (bad - good) * (bad - good);

	return variance > 0 ? at_least_one(1 + 2 * between / variance * stays / (p + r)) : 1;
}

double receipt_correlated(double correlation)
{
	return correlation < 1 ? at_least_one((1 + correlation) / (1 - correlation)) : RECEIPT_MAX_SPREAD;
}

/* 5 % is a threshold of 214748365 in 2^32: what was written, not what that makes of it. */
static double as_written(double share)
{
	double rounded = (double)(uint64_t)(share * DECIMALS + 0.5) / DECIMALS;

	return rounded > 0 ? rounded : share;
}

static void write_chances(struct json *j, const struct sp_receipt *r, const struct receipt_request *asked)
{
	const struct {
		const char *name;
		double share, spread;
	} chances[SP_CHANCES] = {
		[SP_CHANCE_LOSS] = {"loss", asked->loss, asked->loss_spread},
		[SP_CHANCE_DUPLICATE] = {"duplicate", asked->duplicate, asked->duplicate_spread},
		[SP_CHANCE_CORRUPT] = {"corrupt", asked->corrupt, asked->corrupt_spread},
		[SP_CHANCE_REORDER] = {"reorder", asked->reorder, asked->reorder_spread},
	};

	json_object(j, "chance");
	for (unsigned i = 0; i < SP_CHANCES; i++) {
		if (chances[i].share < 0)
			continue;
		json_object(j, chances[i].name);
		json_double(j, "requested", as_written(chances[i].share));
		json_u64(j, "drawn", r->chance[i].drawn);
		json_u64(j, "hit", r->chance[i].hit);
		if (chances[i].spread > 1)
			json_double(j, "spread", chances[i].spread);
		json_end_object(j);
	}
	json_end_object(j);
}

static void write_times(struct json *j, const struct sp_receipt *r)
{
	struct histogram h;

	histogram_fill(&h, r->requested, r->requested_sum_ns, HISTOGRAM_NONE);
	histogram_write(j, "requested", &h, true, false);
	histogram_fill(&h, r->achieved, r->achieved_sum_ns, HISTOGRAM_NONE);
	histogram_write(j, "achieved", &h, true, false);
	histogram_fill(&h, r->late, HISTOGRAM_NONE, r->late_max_ns);
	histogram_write(j, "late", &h, false, true);
}

static void write_line(struct json *j, const struct sp_receipt *r)
{
	json_u64(j, "entered", r->entered);
	json_u64(j, "returned", r->returned);
	json_u64(j, "lost", r->entered > r->returned ? r->entered - r->returned : 0);
	json_u64(j, "full", r->full);
	json_u64(j, "stale", r->stale);
	json_u64(j, "overflow", r->overflow);
	json_u64(j, "clipped", r->clipped);
	json_u64(j, "raised", r->raised);
}

void receipt_write(struct json *j, const struct sp_receipt *receipt, const struct receipt_request *requested)
{
	json_object(j, "receipt");
	if (requested->line) {
		write_times(j, receipt);
		write_line(j, receipt);
	}
	write_chances(j, receipt, requested);
	json_end_object(j);
}
