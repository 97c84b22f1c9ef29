/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fault asked for, beside what the kernel counted. Pure. */
#ifndef SHEARPIN_RECEIPTS_H
#define SHEARPIN_RECEIPTS_H

#include <linux/types.h>

#include "abi.h"
#include "base/json.h"
#include "scenario/plan.h"

/* Adds the key `receipt`; see evidence/receipt.h. */
void receipts_tell(struct json *data, const struct plan_fault *f, const struct sp_receipt *receipt);

/* The share of packets that the fault's gemodel loses in the long run, 0 to 1. */
double receipts_gemodel_loss(const struct plan_fault *f);

#endif
