/* SPDX-License-Identifier: BSD-2-Clause */
/* What plan.h promises of a fault, whatever its words were. */
#ifndef SHEARPIN_FUZZ_FAULTS_H
#define SHEARPIN_FUZZ_FAULTS_H

#include "fuzz/check.h"
#include "scenario/plan.h"

static inline void check_chances(const struct plan_fault *f)
{
	CHECK(f->drop_below <= PLAN_ALWAYS && f->loss_correlation <= PLAN_ALWAYS);
	CHECK(!f->loss_correlation || f->drop_below);
	CHECK(f->duplicate_below <= PLAN_ALWAYS && f->duplicate_correlation <= PLAN_ALWAYS);
	CHECK(!f->duplicate_correlation || f->duplicate_below);
	CHECK(f->corrupt_below <= PLAN_ALWAYS && f->corrupt_correlation <= PLAN_ALWAYS);
	CHECK(!(f->corrupt_correlation || f->corrupt_valid) || f->corrupt_below);
	CHECK(f->reorder_below <= PLAN_ALWAYS && f->reorder_correlation <= PLAN_ALWAYS);
	CHECK(!(f->reorder_correlation || f->reorder_gap || f->reorder_by_ns) || f->reorder_below);
	CHECK(!!f->drop_below + !!f->drop_every + f->gemodel <= 1);
	CHECK(f->ge_p <= PLAN_ALWAYS && f->ge_r <= PLAN_ALWAYS && f->ge_bad <= PLAN_ALWAYS &&
	      f->ge_good <= PLAN_ALWAYS);
	CHECK(f->gemodel == (f->ge_p != 0) && f->gemodel == (f->ge_bad || f->ge_good));
	CHECK(!f->gemodel ||
	      (f->ge_p + f->ge_r >= PLAN_ALWAYS / 1001 && f->ge_p + f->ge_r < 2 * PLAN_ALWAYS));
}

static inline void check_fault(const struct plan_fault *f)
{
	bool connections = f->reset_ends || f->refuse != PLAN_REFUSE_NONE,
	     loses = f->drop_below || f->drop_every || f->gemodel;

	check_chances(f);
	CHECK(loses || connections || plan_fault_bends(f));
	CHECK(f->flow_below <= PLAN_ALWAYS && connections == (f->flow_below != 0));
	CHECK(f->delay_below <= PLAN_ALWAYS && f->delay_correlation <= PLAN_ALWAYS);
	CHECK(!f->delay_below == !f->delay_ns && f->jitter_ns <= f->delay_ns);
	CHECK(f->jitter_ns ||
	      (!f->delay_correlation && f->distribution == PLAN_UNIFORM && !f->reorder_jitter));
	CHECK(f->delay_ns + f->jitter_ns + f->reorder_by_ns <= PLAN_HORIZON_NS);
	CHECK(!f->burst || f->rate);
	CHECK(!f->reorder_below || f->delay_below || f->reorder_by_ns);
	CHECK(f->text && *f->text == '{');
}

#endif
