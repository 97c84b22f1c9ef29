/* SPDX-License-Identifier: BSD-2-Clause */
#include "drill/receipts.h"

#include "evidence/receipt.h"

#define ALL_PACKETS 4294967296.0

double receipts_gemodel_loss(const struct plan_fault *f)
{
	return receipt_gemodel_loss(f->ge_p / ALL_PACKETS, f->ge_r / ALL_PACKETS, f->ge_bad / ALL_PACKETS,
				    f->ge_good / ALL_PACKETS);
}

static double share(uint64_t below)
{
	return below ? below / ALL_PACKETS : -1;
}

static void ask_loss(const struct plan_fault *f, struct receipt_request *request)
{
	if (f->gemodel) {
		request->loss = receipts_gemodel_loss(f);
		request->loss_spread =
			receipt_gemodel_spread(f->ge_p / ALL_PACKETS, f->ge_r / ALL_PACKETS,
					       f->ge_bad / ALL_PACKETS, f->ge_good / ALL_PACKETS);
	} else {
		request->loss = f->drop_below < PLAN_ALWAYS ? share(f->drop_below) : -1;
		request->loss_spread = receipt_correlated(f->loss_correlation / ALL_PACKETS);
	}
}

void receipts_tell(struct json *data, const struct plan_fault *f, const struct sp_receipt *receipt)
{
	struct receipt_request request = {
		.duplicate = share(f->duplicate_below),
		.corrupt = share(f->corrupt_below),
		.reorder = share(f->reorder_below),
		.duplicate_spread = receipt_correlated(f->duplicate_correlation / ALL_PACKETS),
		.corrupt_spread = receipt_correlated(f->corrupt_correlation / ALL_PACKETS),
		.reorder_spread = receipt_correlated(f->reorder_correlation / ALL_PACKETS),
		.line = plan_fault_needs_line(f),
	};

	ask_loss(f, &request);
	receipt_write(data, receipt, &request);
}
