/* SPDX-License-Identifier: BSD-2-Clause */
/* What plan.h promises of a fault, whatever its words were. */
#ifndef SHEARPIN_FUZZ_FAULTS_H
#define SHEARPIN_FUZZ_FAULTS_H

#include <string.h>

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

static inline void check_answer(const struct plan_fault *f)
{
	const struct plan_answer *a = f->answer;

	CHECK(!a == (f->meaning != PLAN_MEANS_ANSWER));
	if (!a)
		return;
	CHECK(a->status >= 200 && a->status <= 599);
	CHECK(!a->certificate == !a->key);
	CHECK(!a->body || strlen(a->body) <= 65536);
	for (size_t i = 0; i < a->n_headers; i++) {
		CHECK(*a->headers[i].name && !strpbrk(a->headers[i].name, " :\r\n"));
		CHECK(!strpbrk(a->headers[i].value, "\r\n"));
	}
}

static inline void check_patterns(const struct plan_fault *f)
{
	CHECK(!f->n_patterns == !f->patterns && f->n_patterns <= 64);
	CHECK(!f->n_patterns || f->meaning == PLAN_MEANS_DNS || f->meaning == PLAN_MEANS_HTTP);
	for (size_t i = 0; i < f->n_patterns; i++) {
		const char *s = f->patterns[i];
		size_t len = strlen(s);

		if (f->meaning == PLAN_MEANS_HTTP)
			CHECK(*s == '/' && len <= 200 && strcspn(s, "*") >= len - 1);
		else
			CHECK(len && len <= 253 && s[len - 1] != '.' && !strstr(s, "..") &&
			      !strchr(s + 1, '*'));
	}
}

static inline void check_meaning(const struct plan_fault *f)
{
	CHECK(f->meaning <= PLAN_MEANS_ANSWER && f->meaning_below <= PLAN_ALWAYS);
	CHECK(!f->meaning == !f->meaning_below);
	CHECK(!f->meaning || (!f->reset_ends && !f->refuse));
	CHECK(f->meaning <= PLAN_MEANS_NTP || f->meaning_below == PLAN_ALWAYS);
	CHECK(f->meaning > PLAN_MEANS_NTP || !f->meaning || f->flow_below == PLAN_ALWAYS);
	CHECK((f->meaning == PLAN_MEANS_HTTP) == (f->status != 0) && f->status <= 999);
	CHECK(f->retry_after_s >= -1 && (f->retry_after_s == -1 || f->meaning == PLAN_MEANS_HTTP));
	CHECK((f->meaning == PLAN_MEANS_NTP) == (f->ntp_from_ns || f->ntp_to_ns));
	CHECK(f->meaning != PLAN_MEANS_LIMIT || (f->amount && f->then <= PLAN_THEN_FIN));
	CHECK(f->meaning != PLAN_MEANS_MTU || (f->amount >= 68 && f->amount <= 65535));
	CHECK(f->meaning != PLAN_MEANS_DISCONNECTS || f->amount >= 10000000);
	CHECK(f->meaning != PLAN_MEANS_SLOW_CLOSE || f->delay_below == PLAN_ALWAYS);
	check_patterns(f);
	check_answer(f);
}

static inline void check_fault(const struct plan_fault *f)
{
	bool connections = f->reset_ends || f->refuse != PLAN_REFUSE_NONE,
	     loses = f->drop_below || f->drop_every || f->gemodel;

	check_chances(f);
	check_meaning(f);
	CHECK(loses || connections || plan_fault_bends(f) || f->meaning);
	CHECK(f->flow_below <= PLAN_ALWAYS && (connections || f->meaning) == (f->flow_below != 0));
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
