/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers to Prometheus' instant queries: https://prometheus.io/docs/prometheus/latest/querying/api/ ("Format overview",
 * "Instant queries", "Expression query result formats"). Pure.
 */
#ifndef SHEARPIN_PROMETHEUS_H
#define SHEARPIN_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>

#include "scenario/plan.h"

struct prometheus_answer {
	bool holds;     /* the comparison, for every result, of which there is one at least */
	bool has_value; /* false: there is no result, or only NaN speaks against it: 0/0 says nothing */
	double value; /* of the first result that it does not hold for, or else of the first; may be infinite */
	const char *error; /* why there is no result: static text; NULL: there is one */
	char detail
		[256]; /* "up{job="api"} (2 of 3 results)", or what the server says went wrong; "": nothing to add */
};

void prometheus_read(const char *text, size_t len, const struct plan_compare *compare,
		     struct prometheus_answer *ret);

#endif
