/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SHEARPIN_INTENSITY_H
#define SHEARPIN_INTENSITY_H

/*
 * How much of what it acts on a fault meets, from 0 to 1: the share that it loses (loss: its percentage, one in `every`, or
 * the long-term share of its gemodel, of E. N. Gilbert and E. O. Elliott), duplicates, corrupts or reorders, or its `percent`; of
 * several the largest; 1 if it has none of these. `fault` is JSON, as in plan.json; 1 also for NULL and what can't be read.
 */
double fault_intensity(const char *fault);

#endif
