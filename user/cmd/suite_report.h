/* SPDX-License-Identifier: BSD-2-Clause */
/* The results of a suite's runs. */
#ifndef SHEARPIN_SUITE_REPORT_H
#define SHEARPIN_SUITE_REPORT_H

#include "cmd/suite.h"
#include "slo/results.h"

struct suite_results {
	struct suite *suite;
	struct results **
		runs; /* as many as the suite has entries; of what has no evidence: its name, outcome and reason */
};

/* 0 or a negative errno; -ENOENT: it is no suite's directory; -EBADMSG: suite.json is none of this version. To be freed in any case. */
int suite_results_load(int dirfd, struct suite_results *ret);
void suite_results_free(struct suite_results *results);

#endif
