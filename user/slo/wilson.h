/* SPDX-License-Identifier: BSD-2-Clause */
/* What a number of hits says of the chance behind them. Pure. */
#ifndef SHEARPIN_WILSON_H
#define SHEARPIN_WILSON_H

#include <stdint.h>

/*
 * The interval of Wilson's score (E. B. Wilson, Probable inference, the law of succession, and statistical inference,
 * JASA 22, 1927) at 95 % for the chance behind `hit` of `drawn` lots, which are 1 or more. The lots count as drawn / spread, but at least as one.
 */
void wilson(uint64_t hit, uint64_t drawn, double spread, double *ret_low, double *ret_high);

#endif
